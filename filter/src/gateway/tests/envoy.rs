//! An Envoy of a few maps: shared data, queues, a clock, and streams that nobody answers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use super::*;
use crate::circumstances::Around;
use crate::proxy::{Memory, Shared};

const CREDENTIAL: &str = "slg_test";

#[derive(Default)]
pub struct Envoy {
    shared: Memory,
    /// Of the pages that were ever written.
    pages: RefCell<BTreeSet<String>>,
    queues: RefCell<Vec<VecDeque<Vec<u8>>>>,
    now_ms: Cell<u64>,
    client: RefCell<String>,
    /// What was sent over each stream, and whether it is open.
    streams: RefCell<Vec<(bool, Vec<to_control_plane::Message>)>>,
    pages_read: Cell<usize>,
    vms: Cell<u8>,
}

impl Envoy {
    pub fn new() -> Rc<Self> {
        let envoy = Self::default();
        envoy.now_ms.set(1_700_000_000_000);
        Rc::new(envoy)
    }

    pub fn vms(self: &Rc<Self>, count: u8) -> Vec<Gateway> {
        self.vms_of("feed", 3, count)
    }

    /// Whose configuration names this cluster, and the public key of this control plane.
    pub fn vms_of(self: &Rc<Self>, cluster: &str, seed: u8, count: u8) -> Vec<Gateway> {
        self.vms_that_pin(cluster, &[seed], count)
    }

    /// The same with the public keys of several.
    pub fn vms_that_pin(self: &Rc<Self>, cluster: &str, seeds: &[u8], count: u8) -> Vec<Gateway> {
        let config = PluginConfig::from_json(br#"{"cluster": "feed"}"#).unwrap();
        let keys: Vec<_> = seeds.iter().map(|seed| SigningKey::new(&[*seed; 32]).public_key()).collect();
        let pinned = Pinned::new(&keys).unwrap();
        let settings = Settings { cluster: cluster.into(), target: cluster.into(), credential: CREDENTIAL.into(), pinned };
        (0..count)
            .map(|_| {
                self.vms.set(self.vms.get() + 1);
                let random = [self.vms.get(); 16];
                let proxy: Rc<dyn Proxy> = Rc::clone(self) as Rc<dyn Proxy>;
                let records = Records::new(Rc::clone(self) as Rc<dyn Shared>, CREDENTIAL, pinned);
                Gateway::new(proxy, records, &config, settings.clone(), random)
            })
            .collect()
    }

    fn records(self: &Rc<Self>) -> Records {
        Records::new(Rc::clone(self) as Rc<dyn Shared>, CREDENTIAL, SigningKey::new(&[3; 32]).public_key())
    }

    /// A tenth of a second.
    pub fn tick(&self, vms: &mut [Gateway]) {
        self.now_ms.set(self.now_ms.get() + 100);
        for at in 0..vms.len() {
            vms[at].tick();
            self.deliver_queues(vms);
        }
    }

    /// Calls every VM that has something in its queue, until no queue has anything.
    pub fn deliver_queues(&self, vms: &mut [Gateway]) {
        let waiting = || self.queues.borrow().iter().position(|queue| !queue.is_empty());
        while let Some(queue) = waiting() {
            match vms.iter_mut().find(|vm| vm.queue == Some(number(queue))) {
                Some(vm) => vm.on_queue(number(queue)),
                // Its VM is gone.
                None => self.queues.borrow_mut()[queue].clear(),
            }
        }
    }

    pub fn open_stream_id(&self) -> Option<u32> {
        self.streams.borrow().iter().rposition(|(open, _)| *open).map(number)
    }

    pub fn open_streams(&self) -> usize {
        self.streams.borrow().iter().filter(|(open, _)| *open).count()
    }

    pub fn is_open(&self, stream: u32) -> bool {
        self.streams.borrow()[stream as usize].0
    }

    pub fn streams_opened(&self) -> usize {
        self.streams.borrow().len()
    }

    /// As when the control plane goes away.
    pub fn close_stream(&self, vms: &mut [Gateway]) {
        let stream = self.open_stream_id().unwrap();
        self.streams.borrow_mut()[stream as usize].0 = false;
        for vm in vms {
            vm.closed(stream, "closed");
        }
    }

    /// Who sends the next requests.
    pub fn set_client(&self, address: &str) {
        address.clone_into(&mut self.client.borrow_mut());
    }

    /// The clock goes on, or is set.
    pub fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    pub fn go_back(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() - ms);
    }

    pub fn sent_over(&self, stream: u32) -> Vec<to_control_plane::Message> {
        self.streams.borrow()[stream as usize].1.clone()
    }

    /// What was said over the newest stream.
    pub fn sent(&self) -> Vec<to_control_plane::Message> {
        self.streams.borrow().last().unwrap().1.clone()
    }

    pub fn last_hello(&self) -> wire::Hello {
        match self.sent().into_iter().next() {
            Some(to_control_plane::Message::Hello(hello)) => hello,
            other => panic!("not Hello: {other:?}"),
        }
    }

    pub fn batches(&self) -> Vec<wire::AttemptBatch> {
        let batch = |message| match message {
            to_control_plane::Message::Attempts(batch) => Some(batch),
            _ => None,
        };
        self.sent().into_iter().filter_map(batch).collect()
    }

    pub fn workers(self: &Rc<Self>) -> usize {
        self.records().workers().workers.len()
    }

    pub fn overwrite_lease_of(self: &Rc<Self>, vm: &Gateway) {
        let lease = wire::Lease { worker: vm.id.to_vec(), queue: 1, renewed_ms: self.now_ms.get(), stream_since_ms: 0 };
        self.records().change_lease(|there| {
            let other = *there != lease;
            there.clone_from(&lease);
            other
        });
    }

    pub fn pages_read(&self) -> usize {
        self.pages_read.get()
    }

    pub fn pages_with_bytes(&self) -> usize {
        self.pages.borrow().iter().filter(|key| self.shared.read(key).is_some_and(|(page, _)| !page.is_empty())).count()
    }

    pub fn damage_pages(&self) {
        for key in self.pages.borrow().iter() {
            let (mut page, _) = self.shared.read(key).unwrap();
            *page.last_mut().unwrap() ^= 1;
            self.shared.write(key, &page, None);
        }
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap()
}

impl Shared for Envoy {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        if key.contains(".page.") {
            self.pages_read.set(self.pages_read.get() + 1);
        }
        self.shared.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        if key.contains(".page.") {
            self.pages.borrow_mut().insert(key.to_owned());
        }
        self.shared.write(key, value, version)
    }
}

impl Around for Envoy {
    fn client(&self) -> String {
        self.client.borrow().clone()
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

impl Proxy for Envoy {
    fn open_queue(&self, _: &str) -> Option<u32> {
        self.queues.borrow_mut().push(VecDeque::new());
        Some(number(self.queues.borrow().len() - 1))
    }

    fn enqueue(&self, queue: u32, message: &[u8]) {
        self.queues.borrow_mut()[queue as usize].push_back(message.to_vec());
    }

    fn dequeue(&self, queue: u32) -> Option<Vec<u8>> {
        self.queues.borrow_mut()[queue as usize].pop_front()
    }

    fn open_stream(&self, target: &str, credential: &str) -> Result<u32, String> {
        assert_eq!(credential, CREDENTIAL);
        if target != "feed" {
            return Err("there is no such cluster".to_owned());
        }
        self.streams.borrow_mut().push((true, Vec::new()));
        Ok(number(self.streams.borrow().len() - 1))
    }

    fn send(&self, stream: u32, message: &[u8]) {
        let message = wire::ToControlPlane::decode(message).unwrap().message.unwrap();
        let (open, sent) = &mut self.streams.borrow_mut()[stream as usize];
        if *open {
            sent.push(message);
        }
    }

    fn cancel(&self, stream: u32) {
        self.streams.borrow_mut()[stream as usize].0 = false;
    }

    fn jitter(&self) -> u8 {
        0
    }

    fn node(&self) -> String {
        "test-node".to_owned()
    }

    fn log(&self, _: Level, message: &str) {
        assert!(!message.contains(CREDENTIAL));
    }
}
