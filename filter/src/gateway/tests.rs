//! Several VMs of one Envoy, and a control plane, without either.

mod attempts;
mod envoy;
mod histories;
mod rotation;
mod settings;

use std::collections::BTreeMap;
use std::rc::Rc;

use stopleak_contract::feed::wire::to_gateway;
use stopleak_contract::index::{Action, BuiltIndex, Change, Entry, IndexSource, Kind, SigningKey};
use stopleak_contract::{Canonical, Fingerprint, FingerprintKey, FingerprintKeys};

use self::envoy::Envoy;
use super::*;
use crate::circumstances::Around as _;
use crate::verdict::Verdict;

const KEY: [u8; 32] = [7; 32];

fn token(n: u32) -> String {
    format!("fk_9aQ7zLm2Xw4Rt{n:06}")
}

fn fingerprint(n: u32) -> Fingerprint {
    Fingerprint::of_canonical(&FingerprintKey::new(KEY), &Canonical::of(token(n).as_bytes()))
}

fn entry(n: u32) -> Entry {
    let kind = Kind::new(token(n).len(), stopleak_contract::index::Classes::of(token(n).as_bytes()));
    Entry { fingerprint: fingerprint(n), leak: n + 1, action: Action::Block, kind }
}

/// A control plane that seals what it is told.
struct ControlPlane {
    source: IndexSource,
    epoch: u64,
    /// Of the next epochs.
    settings: Vec<u8>,
    /// Of which its signing key is made.
    seed: u8,
    keys: FingerprintKeys,
    newest: Option<BuiltIndex>,
}

impl ControlPlane {
    /// With tokens 0 to `tokens` in shards of so many bits.
    fn new(shard_bits: u8, tokens: u32) -> Self {
        let source = IndexSource::from_entries(shard_bits, (0..tokens).map(entry).collect()).unwrap();
        let keys = FingerprintKey::new(KEY).into();
        Self { source, epoch: 0, settings: Vec::new(), seed: 3, keys, newest: None }
    }

    fn change(&mut self, change: Change) {
        self.source.apply(change).unwrap();
    }

    /// The next epoch: header and parts. With `changes_only`, of what is not as it was before.
    fn push(&mut self, changes_only: bool) -> Vec<Vec<u8>> {
        self.epoch += 1;
        let mut built = self.source.build("acme", &FingerprintKey::new(KEY), self.epoch, 0).unwrap();
        built.header.settings.clone_from(&self.settings);
        built.header.key_check = self.keys.check();
        let mut header = SigningKey::new(&[self.seed; 32]).seal(built.header.clone()).to_wire();
        if let Some(before) = self.newest.as_ref().filter(|_| changes_only) {
            header.shards.retain(|sum| before.header.shards[sum.shard as usize].hash.as_slice() != sum.hash);
            header.settings.take_if(|settings| *settings == before.header.settings);
        }
        let shards: Vec<u32> = header.shards.iter().map(|sum| sum.shard).collect();
        let mut messages = vec![to_gateway_bytes(to_gateway::Message::Header(header))];
        for shard in shards {
            let part = wire::ShardPart { epoch: self.epoch, shard, offset: 0, bytes: built.shards[shard as usize].to_vec() };
            messages.push(to_gateway_bytes(to_gateway::Message::Shard(part)));
        }
        self.newest = Some(built);
        messages
    }
}

fn to_gateway_bytes(message: to_gateway::Message) -> Vec<u8> {
    wire::ToGateway { message: Some(message) }.encode_to_vec()
}

fn welcome() -> Vec<u8> {
    welcome_with(&FingerprintKey::new(KEY).into())
}

fn welcome_with(keys: &FingerprintKeys) -> Vec<u8> {
    let welcome = wire::Welcome { fingerprint_key: keys.to_bytes().to_vec(), tenant: "acme".to_owned() };
    to_gateway_bytes(to_gateway::Message::Welcome(welcome))
}

fn verdict(gateway: &mut Gateway, n: u32) -> Verdict {
    let headers = [("authorization".to_owned(), format!("Bearer {}", token(n)).into_bytes())];
    gateway.judge(Request::new(&crate::header_map::view(&headers))).verdict
}

fn blocks(gateway: &mut Gateway, n: u32) -> bool {
    matches!(verdict(gateway, n), Verdict::Block(_))
}

/// Welcome and pushes over the open stream, to whichever VM holds it.
fn deliver(envoy: &Rc<Envoy>, vms: &mut [Gateway], messages: &[Vec<u8>]) {
    let stream = envoy.open_stream_id().expect("a stream is open");
    for message in messages {
        for vm in vms.iter_mut() {
            vm.receive(stream, message);
        }
    }
    envoy.deliver_queues(vms);
}

/// Three VMs with an index in force.
fn running(control_plane: &mut ControlPlane) -> (Rc<Envoy>, Vec<Gateway>) {
    let envoy = Envoy::new();
    let mut vms = envoy.vms(3);
    envoy.tick(&mut vms);
    deliver(&envoy, &mut vms, &[welcome()]);
    deliver(&envoy, &mut vms, &control_plane.push(false));
    (envoy, vms)
}

#[test]
fn one_vm_holds_the_stream_and_all_have_the_index() {
    let mut control_plane = ControlPlane::new(2, 100);
    let (envoy, mut vms) = running(&mut control_plane);
    assert_eq!(envoy.streams_opened(), 1);
    for vm in &mut vms {
        assert_eq!((vm.epoch(), vm.gauges().index_tokens), (1, 100));
        assert!((0..100).all(|n| blocks(vm, n)));
        assert!((100..1_000).all(|n| verdict(vm, n) == Verdict::Pass));
    }
    let acks = envoy.sent().into_iter().filter_map(|message| match message {
        to_control_plane::Message::Ack(ack) if ack.epoch == 1 => Some(ack.worker),
        _ => None,
    });
    assert_eq!(acks.collect::<std::collections::BTreeSet<_>>().len(), 3, "each worker is reported");
}

#[test]
fn a_change_sends_one_shard_and_reaches_all() {
    let mut control_plane = ControlPlane::new(3, 1_000);
    let (envoy, mut vms) = running(&mut control_plane);
    control_plane.change(Change::Remove(fingerprint(5)));
    control_plane.change(Change::Put(Entry { leak: 6, ..entry(5) }));
    control_plane.change(Change::Remove(fingerprint(7)));
    let push = control_plane.push(true);
    assert_eq!(push.len(), 2, "header and one shard");
    deliver(&envoy, &mut vms, &push);
    for vm in &mut vms {
        assert_eq!(vm.epoch(), 2);
        assert!((0..1_000).all(|n| blocks(vm, n) == (n != 7)));
    }
}

#[test]
fn while_a_push_arrives_every_look_up_has_an_answer() {
    let mut control_plane = ControlPlane::new(3, 1_000);
    let (envoy, mut vms) = running(&mut control_plane);
    (0..500).for_each(|n| control_plane.change(Change::Remove(fingerprint(n))));
    let push = control_plane.push(true);
    for message in &push {
        deliver(&envoy, &mut vms, std::slice::from_ref(message));
        for vm in &mut vms {
            assert!((500..1_000).all(|n| blocks(vm, n)), "what stays is found all the time");
            assert_eq!(vm.counted().pages_unreadable, 0);
        }
    }
    assert!(vms.iter_mut().all(|vm| (0..500).all(|n| verdict(vm, n) == Verdict::Pass)));
}

#[test]
fn another_number_of_shards_is_taken_over_and_frees_the_pages_before() {
    let mut control_plane = ControlPlane::new(3, 1_000);
    let (envoy, mut vms) = running(&mut control_plane);
    for shard_bits in [4, 2, 0] {
        control_plane.source = IndexSource::from_entries(shard_bits, (0..1_000).map(entry).collect()).unwrap();
        let push = control_plane.push(false);
        for message in &push {
            deliver(&envoy, &mut vms, std::slice::from_ref(message));
            assert!(vms.iter_mut().all(|vm| (0..1_000).all(|n| blocks(vm, n))));
        }
        assert_eq!(envoy.pages_with_bytes(), 1 << shard_bits);
    }
}

#[test]
fn a_vm_that_starts_judges_at_once_with_what_is_there() {
    let (envoy, _vms) = running(&mut ControlPlane::new(3, 1_000));
    let mut fresh = envoy.vms(1).remove(0);
    assert_eq!((fresh.epoch(), envoy.streams_opened()), (1, 1));
    assert!((0..1_000).all(|n| blocks(&mut fresh, n)));
}

#[test]
fn prefilters_are_made_in_the_background_and_spare_reading_pages() {
    let (envoy, mut vms) = running(&mut ControlPlane::new(3, 1_000));
    envoy.tick(&mut vms);
    let before = envoy.pages_read();
    let passed = (1_000..3_000).filter(|&n| verdict(&mut vms[1], n) == Verdict::Pass).count();
    let read = envoy.pages_read() - before;
    assert_eq!(passed, 2_000);
    assert!(read < 40, "{read} of 2,000 misses read a page");
}

#[test]
fn when_the_leader_is_gone_another_takes_its_place_and_is_sent_the_difference() {
    let mut control_plane = ControlPlane::new(3, 1_000);
    let (envoy, mut vms) = running(&mut control_plane);
    let root = control_plane.newest.as_ref().unwrap().header.root();
    // It traps: nothing of it runs any more.
    drop(vms.remove(0));
    for _ in 0..15 {
        envoy.tick(&mut vms);
        assert_eq!(envoy.streams_opened(), 1, "the lease still holds");
    }
    for _ in 0..10 {
        envoy.tick(&mut vms);
    }
    assert_eq!(envoy.streams_opened(), 2);
    let hello = envoy.last_hello();
    assert_eq!((hello.epoch, hello.root), (1, root.to_vec()));
    let gone = envoy.sent().iter().filter(|message| matches!(message, to_control_plane::Message::Gone(_))).count();
    assert_eq!(gone, 0, "over the new stream the old leader was never there");
    control_plane.change(Change::Remove(fingerprint(0)));
    deliver(&envoy, &mut vms, &[welcome()]);
    deliver(&envoy, &mut vms, &control_plane.push(true));
    assert!(vms.iter().all(|vm| vm.epoch() == 2));
}

#[test]
fn a_leader_that_leaves_is_replaced_with_the_next_tick() {
    let (envoy, mut vms) = running(&mut ControlPlane::new(0, 10));
    vms.remove(0).leave();
    assert!(envoy.open_stream_id().is_none(), "its stream is given up");
    envoy.tick(&mut vms);
    assert_eq!(envoy.streams_opened(), 2);
    assert_eq!(envoy.workers(), 2);
}

#[test]
fn a_worker_that_is_gone_is_reported() {
    let (envoy, mut vms) = running(&mut ControlPlane::new(0, 10));
    drop(vms.pop());
    for _ in 0..35 {
        envoy.tick(&mut vms);
    }
    let gone = envoy.sent().iter().filter(|message| matches!(message, to_control_plane::Message::Gone(_))).count();
    assert_eq!((gone, envoy.streams_opened()), (1, 1));
}

#[test]
fn two_vms_that_come_first_at_once_end_with_one_stream() {
    let envoy = Envoy::new();
    let mut vms = envoy.vms(2);
    envoy.tick(&mut vms[..1]);
    // The second one saw no lease when it looked, and its first write is not compared with anything.
    envoy.overwrite_lease_of(&vms[1]);
    envoy.tick(&mut vms);
    envoy.tick(&mut vms);
    assert_eq!(envoy.open_streams(), 1);
}

#[test]
fn a_push_that_breaks_off_is_followed_by_all_of_it() {
    let mut control_plane = ControlPlane::new(3, 1_000);
    let (envoy, mut vms) = running(&mut control_plane);
    (0..500).for_each(|n| control_plane.change(Change::Remove(fingerprint(n))));
    let push = control_plane.push(true);
    deliver(&envoy, &mut vms, &push[..4]);
    envoy.close_stream(&mut vms);
    for _ in 0..3 {
        envoy.tick(&mut vms);
    }
    assert_eq!((envoy.last_hello().epoch, envoy.last_hello().root), (1, Vec::new()), "it has no one index any more");
    assert!(vms.iter_mut().all(|vm| (500..1_000).all(|n| blocks(vm, n))), "but all that is in both is still found");
    deliver(&envoy, &mut vms, &[welcome()]);
    deliver(&envoy, &mut vms, &control_plane.push(false));
    assert!(vms.iter().all(|vm| vm.epoch() == 3));
}

#[test]
fn what_pushes_left_that_broke_off_is_found_while_all_of_another_index_arrives() {
    let mut control_plane = ControlPlane::new(3, 1_000);
    let (envoy, mut vms) = running(&mut control_plane);
    // Each changes every shard, and breaks off at another place, the first one the furthest.
    for (round, sent) in [(0, 7), (1, 5), (2, 3)] {
        (round * 100..round * 100 + 100).for_each(|n| control_plane.change(Change::Remove(fingerprint(n))));
        deliver(&envoy, &mut vms, &control_plane.push(false)[..sent]);
        envoy.close_stream(&mut vms);
        for _ in 0..3 {
            envoy.tick(&mut vms);
        }
        deliver(&envoy, &mut vms, &[welcome()]);
    }
    (300..400).for_each(|n| control_plane.change(Change::Remove(fingerprint(n))));
    let mut fresh = envoy.vms(1);
    for message in control_plane.push(false) {
        deliver(&envoy, &mut vms, &[message]);
        for vm in vms.iter_mut().chain(&mut fresh) {
            assert!((400..1_000).all(|n| blocks(vm, n)), "what is in all of them is found all the time");
            assert_eq!(vm.counted().pages_unreadable, 0);
        }
    }
    assert!(vms.iter_mut().all(|vm| vm.epoch() == 5 && (0..400).all(|n| verdict(vm, n) == Verdict::Pass)));
}

#[test]
fn a_leader_that_was_held_up_does_not_write_over_what_came_after_it() {
    let mut control_plane = ControlPlane::new(2, 100);
    let (envoy, mut vms) = running(&mut control_plane);
    let old = envoy.open_stream_id().unwrap();
    (0..100).for_each(|n| control_plane.change(Change::Put(Entry { action: Action::Observe, ..entry(n) })));
    let late = control_plane.push(false);
    (0..100).for_each(|n| control_plane.change(Change::Put(entry(n))));
    let newest = control_plane.push(false);
    // The leader's thread does something else for three seconds.
    (0..30).for_each(|_| envoy.tick(&mut vms[1..]));
    let new = envoy.open_stream_id().unwrap();
    assert_ne!(old, new);
    for message in std::iter::once(&welcome()).chain(&newest) {
        for vm in &mut vms {
            vm.receive(new, message);
        }
    }
    for message in &late {
        for vm in &mut vms {
            vm.receive(old, message);
        }
    }
    envoy.deliver_queues(&mut vms);
    for vm in vms.iter_mut().chain(&mut envoy.vms(1)) {
        assert_eq!(vm.epoch(), 3);
        assert!((0..100).all(|n| blocks(vm, n)));
    }
}

#[test]
fn a_configuration_that_reaches_nobody_makes_room_for_one_that_does() {
    let envoy = Envoy::new();
    let mut vms = envoy.vms_of("gone", 3, 2);
    (0..50).for_each(|_| envoy.tick(&mut vms));
    // The operator has corrected it; the one before stays as long as its connections do.
    vms.extend(envoy.vms(2));
    (0..200).for_each(|_| envoy.tick(&mut vms));
    assert_eq!((envoy.streams_opened(), envoy.open_streams()), (1, 1));
    (0..200).for_each(|_| envoy.tick(&mut vms));
    assert_eq!((envoy.streams_opened(), envoy.open_streams()), (1, 1), "it is not given away again");
}

#[test]
fn a_configuration_with_another_public_key_does_not_wait_for_a_leader_that_refuses_its_index() {
    let envoy = Envoy::new();
    let mut vms = envoy.vms_of("feed", 4, 2);
    envoy.tick(&mut vms);
    vms.extend(envoy.vms(2));
    envoy.tick(&mut vms);
    assert_eq!(envoy.open_streams(), 2);
    let mut control_plane = ControlPlane::new(2, 100);
    let push = control_plane.push(false);
    for stream in 0..2 {
        for message in std::iter::once(&welcome()).chain(&push) {
            for vm in &mut vms {
                vm.receive(stream, message);
            }
        }
    }
    envoy.tick(&mut vms);
    assert_eq!(vms.iter().map(Gateway::epoch).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert!((0..100).all(|n| blocks(&mut vms[3], n)));
}

#[test]
fn a_damaged_page_is_noticed_and_fetched_again() {
    let mut control_plane = ControlPlane::new(0, 10);
    let (envoy, mut vms) = running(&mut control_plane);
    envoy.damage_pages();
    assert_eq!(verdict(&mut vms[2], 1), Verdict::NotReady(stopleak_contract::OnNotReady::Allow));
    assert_eq!(vms[2].counted().pages_unreadable, 1);
    envoy.deliver_queues(&mut vms);
    for _ in 0..3 {
        envoy.tick(&mut vms);
    }
    assert_eq!((envoy.streams_opened(), envoy.last_hello().root), (2, Vec::new()));
    deliver(&envoy, &mut vms, &[welcome()]);
    deliver(&envoy, &mut vms, &control_plane.push(false));
    assert!(vms.iter_mut().all(|vm| blocks(vm, 1)));
}
