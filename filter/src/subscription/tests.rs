//! The leader's half of the feed against a control plane that is honest, broken or malicious.

mod tampering;

use std::rc::Rc;

use stopleak_contract::feed::parts;
use stopleak_contract::index::{Action, Entry, SigningKey, build};
use stopleak_contract::{Canonical, Fingerprint, FingerprintKey};

use super::*;
use crate::enforced::LookUp;
use crate::proxy::Memory;

const KEY: [u8; 32] = [7; 32];
const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

/// A leader, and what lies in shared data.
struct Leader {
    subscription: Subscription,
    records: Records,
    enforced: Option<Enforced>,
}

impl Leader {
    fn new() -> Self {
        let records = Records::new(Rc::new(Memory::default()), "slg_test", signing_key().public_key());
        Self { subscription: Subscription::new(signing_key().public_key(), records.clone()), records, enforced: None }
    }

    /// Welcomed, with an index in force.
    fn at_epoch(epoch: u64) -> Self {
        let mut leader = Self::new();
        leader.receive(&welcome("acme"));
        assert!(matches!(leader.receive_all(&push(&signing_key(), "acme", epoch)), Event::Complete));
        leader
    }

    fn receive(&mut self, message: &[u8]) -> Event {
        let event = self.subscription.receive(message, self.enforced.as_ref());
        if matches!(event, Event::Complete) {
            Enforced::restore(&mut self.enforced, signing_key().public_key(), &self.records).unwrap();
        }
        event
    }

    /// Receives all, and returns what the last one led to.
    fn receive_all(&mut self, messages: &[Vec<u8>]) -> Event {
        messages.iter().map(|message| self.receive(message)).last().unwrap()
    }

    fn epoch(&self) -> u64 {
        self.enforced.as_ref().map_or(0, |enforced| enforced.header().epoch)
    }

    fn hello(&mut self) -> wire::Hello {
        match self.subscription.hello("node".into(), self.enforced.as_ref()).message {
            Some(to_control_plane::Message::Hello(hello)) => hello,
            other => panic!("not Hello: {other:?}"),
        }
    }

    #[track_caller]
    fn assert_refuses(&mut self, messages: &[Vec<u8>], expected: &str) {
        let before = self.epoch();
        let event = messages.iter().map(|m| self.receive(m)).find(|event| !matches!(event, Event::Noted));
        let Some(Event::Refused { nack, reason }) = event else { panic!("not refused: {event:?}") };
        assert!(reason.contains(expected), "{reason}");
        assert!(matches!(nack.message, Some(to_control_plane::Message::Nack(wire::Nack { reason: r, .. })) if r == reason));
        assert_eq!(self.epoch(), before, "the last good index stays");
    }
}

fn signing_key() -> SigningKey {
    SigningKey::new(&[3; 32])
}

fn wrap(message: to_gateway::Message) -> Vec<u8> {
    wire::ToGateway { message: Some(message) }.encode_to_vec()
}

fn welcome(tenant: &str) -> Vec<u8> {
    wrap(to_gateway::Message::Welcome(wire::Welcome { fingerprint_key: KEY.to_vec(), tenant: tenant.to_owned() }))
}

fn fingerprint() -> Fingerprint {
    Fingerprint::of_canonical(&FingerprintKey::new(KEY), &Canonical::of(TOKEN.as_bytes()))
}

/// Header and parts of an index with one token.
fn push(key: &SigningKey, tenant: &str, epoch: u64) -> Vec<Vec<u8>> {
    let kind = Canonical::of(TOKEN.as_bytes()).kind();
    let entry = Entry { fingerprint: fingerprint(), leak: 1, action: Action::Block, kind };
    let built = build(tenant, &FingerprintKey::new(KEY), epoch, 0, vec![entry]).unwrap();
    let header = key.seal(built.header).to_wire();
    let mut messages = vec![wrap(to_gateway::Message::Header(header))];
    messages.extend(parts(epoch, 0, &built.shards[0]).map(|part| wrap(to_gateway::Message::Shard(part))));
    messages
}

#[test]
fn a_push_is_put_into_force() {
    let mut leader = Leader::new();
    assert!(matches!(leader.receive(&welcome("acme")), Event::Noted));
    assert!(matches!(leader.receive_all(&push(&signing_key(), "acme", 5)), Event::Complete));
    let enforced = leader.enforced.unwrap();
    assert_eq!((enforced.header().epoch, enforced.header().tokens), (5, 1));
    assert!(matches!(enforced.look_up(&fingerprint()), LookUp::Hit(_)));
}

#[test]
fn hello_says_what_is_in_force() {
    assert_eq!((Leader::new().hello().epoch, Leader::new().hello().root.len()), (0, 0));
    let hello = Leader::at_epoch(5).hello();
    assert_eq!((hello.epoch, hello.root.len(), hello.contract_version), (5, 32, CONTRACT_VERSION));
    assert_eq!(hello.node, "node");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let mut leader = Leader::at_epoch(5);
    leader.assert_refuses(&push(&signing_key(), "acme", 4), "epoch 4 is older than epoch 5");
    leader.assert_refuses(&push(&signing_key(), "other", 6), "belongs to tenant");
    leader.assert_refuses(&push(&SigningKey::new(&[4; 32]), "acme", 6), "signature");
    leader.assert_refuses(&[b"\xff\xff".to_vec()], "cannot be decoded");
    leader.assert_refuses(&[vec![0; MAX_MESSAGE + 1]], "over the limit");

    let mut damaged = push(&signing_key(), "acme", 6);
    *damaged[1].last_mut().unwrap() ^= 1;
    leader.assert_refuses(&damaged, "shard hash");
    assert!(matches!(leader.receive_all(&push(&signing_key(), "acme", 6)), Event::Complete));
}

#[test]
fn changes_without_what_they_change_are_refused() {
    let nothing = |epoch| {
        let mut messages = push(&signing_key(), "acme", epoch);
        let Some(wire::ToGateway { message: Some(to_gateway::Message::Header(mut header)) }) =
            wire::ToGateway::decode(messages[0].as_slice()).ok()
        else {
            panic!("no header")
        };
        header.shards.clear();
        messages.truncate(0);
        vec![wrap(to_gateway::Message::Header(header))]
    };
    let mut leader = Leader::new();
    leader.receive(&welcome("acme"));
    leader.assert_refuses(&nothing(1), "shards");
    let mut leader = Leader::at_epoch(5);
    assert!(matches!(leader.receive_all(&nothing(6)), Event::Complete), "the same tokens in another epoch");
    assert_eq!(leader.epoch(), 6);
}

#[test]
fn a_key_that_does_not_belong_to_the_index_is_refused() {
    let mut leader = Leader::at_epoch(5);
    let welcome = wire::Welcome { fingerprint_key: vec![8; 32], tenant: "acme".into() };
    leader.receive(&wrap(to_gateway::Message::Welcome(welcome)));
    leader.assert_refuses(&push(&signing_key(), "acme", 5), "fingerprint key");
    assert!(matches!(leader.enforced.unwrap().look_up(&fingerprint()), LookUp::Hit(_)), "the last good one stays");
}

#[test]
fn a_welcome_in_the_middle_of_a_push_ends_it() {
    let mut leader = Leader::at_epoch(5);
    let messages = push(&signing_key(), "acme", 6);
    leader.receive(&messages[0]);
    leader.receive(&wrap(to_gateway::Message::Welcome(wire::Welcome { fingerprint_key: vec![8; 32], tenant: "acme".into() })));
    assert!(matches!(leader.receive(&messages[1]), Event::Noted));
    let mut restored = None;
    Enforced::restore(&mut restored, signing_key().public_key(), &leader.records).unwrap();
    assert_eq!(restored.unwrap().header().epoch, 5, "the state in shared data is of one key");
}

#[test]
fn a_header_before_the_welcome_is_refused() {
    Leader::new().assert_refuses(&push(&signing_key(), "acme", 1), "before the welcome");
}

#[test]
fn a_welcome_with_a_broken_key_is_refused() {
    let broken = wrap(to_gateway::Message::Welcome(wire::Welcome { fingerprint_key: vec![1], tenant: "acme".into() }));
    Leader::new().assert_refuses(&[broken], "a fingerprint key has 32 bytes, and two have 64, not 1");
}

#[test]
fn a_newer_push_replaces_one_that_is_arriving() {
    let mut leader = Leader::at_epoch(5);
    leader.receive(&push(&signing_key(), "acme", 6)[0]);
    leader.receive_all(&push(&signing_key(), "acme", 7));
    assert_eq!(leader.epoch(), 7);
}

#[test]
fn a_new_stream_starts_afresh() {
    let mut leader = Leader::at_epoch(5);
    let interrupted = push(&signing_key(), "acme", 6);
    leader.receive(&interrupted[0]);
    assert!(leader.hello().root.is_empty(), "pages may have been written over");
    assert!(matches!(leader.receive(&interrupted[1]), Event::Noted));
    assert_eq!(leader.epoch(), 5);
}

#[test]
fn what_lies_in_shared_data_restores_what_was_in_force() {
    let leader = Leader::at_epoch(5);
    let restore = |key: SigningKey, mut in_force: Option<Enforced>, records| {
        Enforced::restore(&mut in_force, key.public_key(), records).map(|()| in_force.unwrap().header().epoch)
    };
    assert_eq!(restore(signing_key(), None, &leader.records), Ok(5));
    assert!(restore(SigningKey::new(&[4; 32]), None, &leader.records).unwrap_err().contains("signature"));
    let mut newer = Leader::at_epoch(6).enforced;
    let refused = Enforced::restore(&mut newer, signing_key().public_key(), &leader.records);
    assert!(refused.unwrap_err().contains("older"));
    assert_eq!(newer.unwrap().header().epoch, 6, "it stays");
    let empty = Records::new(Rc::new(Memory::default()), "slg_test", signing_key().public_key());
    assert!(restore(signing_key(), None, &empty).unwrap_err().contains("not complete"));
}

#[test]
fn a_gateway_with_an_index_stays_with_its_tenant() {
    let mut leader = Leader::at_epoch(5);
    leader.receive(&welcome("globex"));
    leader.assert_refuses(&push(&signing_key(), "globex", 6), "is not \"acme\", whose index is in force");
    let mut globex = Leader::new();
    globex.receive(&welcome("globex"));
    assert!(matches!(globex.receive_all(&push(&signing_key(), "globex", 7)), Event::Complete));
    let refused = Enforced::restore(&mut leader.enforced, signing_key().public_key(), &globex.records);
    assert!(refused.unwrap_err().contains("is not \"acme\""));
    assert_eq!(leader.epoch(), 5);
}

#[test]
fn stored_attempts_are_reported() {
    let ack = wire::AttemptsAck { batch: 3, worker: vec![1] };
    let event = Leader::new().receive(&wrap(to_gateway::Message::AttemptsAck(ack.clone())));
    assert!(matches!(event, Event::AttemptsStored(stored) if stored == ack));
}
