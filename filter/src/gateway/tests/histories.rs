//! Whatever happens in whatever order, what is blocked in every index is blocked at every moment, and in the end all have the newest.

use std::collections::VecDeque;

use super::*;

/// Tokens that are in every index, and those that come and go.
const LASTING: u32 = 60;
const PASSING: u32 = 60;

/// What the control plane knows of a stream.
#[derive(Default)]
struct Session {
    read: usize,
    said_hello: bool,
    base: Option<usize>,
    sent: Option<u64>,
    whole: bool,
    out: VecDeque<Vec<u8>>,
}

struct World {
    dice: u64,
    envoy: Rc<Envoy>,
    vms: Vec<Gateway>,
    source: IndexSource,
    published: Vec<(wire::IndexHeader, BuiltIndex)>,
    sessions: BTreeMap<u32, Session>,
    /// VMs whose thread does something else, by their place, and for how many steps.
    held_up: Option<(usize, u32)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let envoy = Envoy::new();
        let vms = envoy.vms(3);
        let source = IndexSource::from_entries(2, (0..LASTING).map(entry).collect()).unwrap();
        let mut world = Self {
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            envoy,
            vms,
            source,
            published: Vec::new(),
            sessions: BTreeMap::new(),
            held_up: None,
        };
        world.publish();
        world
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    fn some_vm(&mut self) -> usize {
        usize::try_from(self.roll(self.vms.len() as u64)).unwrap()
    }

    fn publish(&mut self) {
        let epoch = self.published.len() as u64 + 1;
        let built = self.source.build("acme", &FingerprintKey::new(KEY), epoch, 0).unwrap();
        let header = SigningKey::new(&[3; 32]).seal(built.header.clone()).to_wire();
        self.published.push((header, built));
    }

    fn decide(&mut self) {
        if self.roll(8) == 0 {
            let entries = self.source.entries().copied().collect();
            let bits = u8::try_from(self.roll(4)).unwrap();
            self.source = IndexSource::from_entries(bits, entries).unwrap();
        }
        for _ in 0..=self.roll(20) {
            let n = LASTING + u32::try_from(self.roll(u64::from(PASSING))).unwrap();
            let change = if self.roll(2) == 0 { Change::Put(entry(n)) } else { Change::Remove(fingerprint(n)) };
            self.source.apply(change).unwrap();
        }
        self.publish();
    }

    /// As `feed/session.rs`, `feed/connection.rs` and `index/push.rs` of the control plane do it.
    fn serve(&mut self) {
        let newest = self.published.len() - 1;
        for stream in 0..number_of(self.envoy.streams_opened()) {
            let session = self.sessions.entry(stream).or_default();
            if !self.envoy.is_open(stream) {
                session.out.clear();
                continue;
            }
            for message in self.envoy.sent_over(stream).split_off(session.read) {
                session.read += 1;
                match message {
                    to_control_plane::Message::Hello(hello) => {
                        session.said_hello = true;
                        session.base = self.published.iter().rposition(|(header, _)| header.root == hello.root);
                        if session.base == Some(newest) {
                            session.sent = Some(hello.epoch);
                        }
                        session.out.push_back(welcome());
                    }
                    to_control_plane::Message::Nack(nack) => {
                        session.base = None;
                        if session.sent == Some(nack.epoch) {
                            assert!(!session.whole, "an honest push was refused: {}", nack.reason);
                            session.sent = None;
                            session.out.clear();
                        }
                    }
                    to_control_plane::Message::Ack(ack) => {
                        assert!(ack.epoch <= session.sent.unwrap_or(newest as u64 + 1), "never sent");
                    }
                    _ => {}
                }
            }
            let epoch = newest as u64 + 1;
            if session.said_hello && session.out.iter().all(|m| *m == welcome()) && session.sent != Some(epoch) {
                let (header, built) = &self.published[newest];
                let mut header = header.clone();
                let base = session.base.map(|base| &self.published[base].1.header);
                if let Some(base) = base.filter(|base| base.shard_bits == built.header.shard_bits) {
                    header.shards.retain(|sum| base.shards[sum.shard as usize].hash.as_slice() != sum.hash);
                }
                session.whole = header.shards.len() == built.shards.len();
                let shards: Vec<_> = header.shards.iter().map(|sum| sum.shard).collect();
                session.out.push_back(to_gateway_bytes(to_gateway::Message::Header(header)));
                for shard in shards {
                    let bytes = built.shards[shard as usize].to_vec();
                    let part = wire::ShardPart { epoch, shard, offset: 0, bytes };
                    session.out.push_back(to_gateway_bytes(to_gateway::Message::Shard(part)));
                }
                (session.base, session.sent) = (Some(newest), Some(epoch));
            }
        }
    }

    /// The next messages of a stream, but seldom when whoever holds it is held up.
    fn receive(&mut self, stream: u32, most: u64) {
        let held_up = self.held_up.and_then(|(place, _)| self.vms[place].leader.as_ref()?.stream());
        if held_up == Some(stream) && self.roll(8) > 0 {
            return;
        }
        for _ in 0..most {
            let Some(message) = self.sessions.get_mut(&stream).and_then(|session| session.out.pop_front()) else { return };
            for vm in &mut self.vms {
                vm.receive(stream, &message);
            }
        }
    }

    fn tick(&mut self) {
        let held_up = self.held_up.map(|(place, _)| place);
        let ms = self.roll(200);
        self.envoy.pass(ms);
        for place in 0..self.vms.len() {
            if Some(place) != held_up {
                self.vms[place].tick();
            }
        }
        if held_up.is_none() || self.roll(3) == 0 {
            self.envoy.deliver_queues(&mut self.vms);
        }
        self.held_up = self.held_up.and_then(|(place, steps)| Some((place, steps.checked_sub(1)?)));
    }

    fn step(&mut self) {
        let streams = self.envoy.streams_opened() as u64;
        match self.roll(100) {
            0..40 => self.tick(),
            40..75 if streams > 0 => {
                // Mostly the newest; older ones may still be open.
                let back = if self.roll(4) == 0 { self.roll(streams.min(3)) } else { 0 };
                let most = 1 + self.roll(4);
                self.receive(u32::try_from(streams - 1 - back).unwrap(), most);
            }
            75..84 => self.decide(),
            84..88 if self.envoy.open_streams() > 0 => self.envoy.close_stream(&mut self.vms),
            88..91 if self.vms.len() > 1 => {
                let place = self.some_vm();
                let mut vm = self.vms.remove(place);
                self.held_up = None;
                if self.roll(2) == 0 {
                    vm.leave();
                } else if let Some(stream) = vm.leader.as_ref().and_then(Leader::stream) {
                    self.envoy.cancel(stream);
                }
            }
            91..94 if self.vms.len() < 4 => self.vms.extend(self.envoy.vms(1)),
            94..96 => {
                let (place, steps) = (self.some_vm(), u32::try_from(self.roll(100)).unwrap());
                self.held_up = Some((place, steps));
            }
            96 => {
                let far = self.roll(20_000);
                if self.roll(2) == 0 { self.envoy.pass(far) } else { self.envoy.go_back(far) }
            }
            _ => {}
        }
        self.serve();
    }

    fn check(&mut self, label: &str) {
        let place = self.some_vm();
        let lasting: Vec<_> = (0..6).map(|_| u32::try_from(self.roll(u64::from(LASTING))).unwrap()).collect();
        let vm = &mut self.vms[place];
        if vm.epoch() > 0 {
            for n in lasting {
                assert!(blocks(vm, n), "{label}: token {n} at epoch {}", vm.epoch());
            }
        }
        assert_eq!(vm.counted().pages_unreadable, 0, "{label}");
    }

    fn settle(&mut self) {
        self.held_up = None;
        for _ in 0..60 {
            self.envoy.pass(100);
            self.vms.iter_mut().for_each(Gateway::tick);
            self.envoy.deliver_queues(&mut self.vms);
            self.serve();
            for stream in 0..number_of(self.envoy.streams_opened()) {
                self.receive(stream, 100);
            }
            self.serve();
        }
    }
}

fn number_of(streams: usize) -> u32 {
    u32::try_from(streams).unwrap()
}

#[test]
fn what_is_always_blocked_is_blocked_at_every_moment_of_a_history() {
    for seed in 1..=40 {
        let mut world = World::new(seed);
        for step in 0..400 {
            world.step();
            world.check(&format!("seed {seed}, step {step}"));
        }
        world.settle();
        let newest = world.published.len() as u64;
        let epochs: Vec<_> = world.vms.iter().map(Gateway::epoch).collect();
        assert!(epochs.iter().all(|epoch| *epoch == newest), "seed {seed}: {epochs:?}, not {newest}");
        assert_eq!(world.envoy.open_streams(), 1, "seed {seed}");
    }
}
