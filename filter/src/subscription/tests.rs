//! The gateway's half of the feed against a control plane that is honest, broken or malicious.

use stopleak_contract::feed::parts;
use stopleak_contract::index::{Action, Entry, Kind, SigningKey, build};
use stopleak_contract::{Fingerprint, Token};

use super::*;

const KEY: [u8; 32] = [7; 32];

fn signing_key() -> SigningKey {
    SigningKey::new(&[3; 32])
}

fn subscription() -> Subscription {
    Subscription::new(signing_key().public_key())
}

fn wrap(message: to_gateway::Message) -> Vec<u8> {
    wire::ToGateway { message: Some(message) }.encode_to_vec()
}

fn welcome(tenant: &str) -> Vec<u8> {
    wrap(to_gateway::Message::Welcome(wire::Welcome { fingerprint_key: KEY.to_vec(), tenant: tenant.to_owned() }))
}

/// Header and parts of an index with one token.
fn push(key: &SigningKey, tenant: &str, epoch: u64) -> Vec<Vec<u8>> {
    let fingerprint = Fingerprint::of(&FingerprintKey::new(KEY), &Token::parse(b"fk_9aQ7zLm2Xw4RtB8v").unwrap());
    let built = build(
        tenant,
        &FingerprintKey::new(KEY),
        epoch,
        0,
        vec![Entry { fingerprint, leak: 1, action: Action::Block, kind: Kind::of_length(19) }],
    )
    .unwrap();
    let header = wire::IndexHeader::from(&key.seal(built.header));
    let mut messages = vec![wrap(to_gateway::Message::Header(header))];
    messages.extend(parts(epoch, 0, &built.shards[0]).map(|part| wrap(to_gateway::Message::Shard(part))));
    messages
}

/// Receives all, and returns what the last one led to.
fn receive(subscription: &mut Subscription, messages: &[Vec<u8>]) -> Event {
    messages.iter().map(|message| subscription.receive(message)).last().unwrap()
}

fn at_epoch(epoch: u64) -> (Subscription, Vec<u8>) {
    let mut subscription = subscription();
    subscription.receive(&welcome("acme"));
    let Event::Installed { snapshot, .. } = receive(&mut subscription, &push(&signing_key(), "acme", epoch)) else {
        panic!("not installed")
    };
    (subscription, snapshot)
}

#[track_caller]
fn assert_refused(subscription: &mut Subscription, messages: &[Vec<u8>], expected: &str) {
    let before = subscription.epoch();
    let event = messages.iter().map(|m| subscription.receive(m)).find(|event| !matches!(event, Event::Noted));
    let Some(Event::Refused { nack, reason }) = event else { panic!("not refused: {event:?}") };
    assert!(reason.contains(expected), "{reason}");
    assert!(matches!(nack.message, Some(to_control_plane::Message::Nack(wire::Nack { reason: r, .. })) if r == reason));
    assert_eq!(subscription.epoch(), before, "the last good index stays");
}

#[test]
fn a_push_is_installed_and_acknowledged() {
    let mut subscription = subscription();
    assert!(matches!(subscription.receive(&welcome("acme")), Event::Noted));
    let event = receive(&mut subscription, &push(&signing_key(), "acme", 5));
    let Event::Installed { ack, .. } = event else { panic!("{event:?}") };
    assert_eq!(ack.message, Some(to_control_plane::Message::Ack(wire::Ack { epoch: 5, tokens: 1 })));
    assert_eq!(subscription.enforced().unwrap().key, FingerprintKey::new(KEY));
}

#[test]
fn hello_says_what_is_in_force() {
    let (mut subscription, _) = at_epoch(5);
    let Some(to_control_plane::Message::Hello(hello)) = subscription.hello("node".into(), &[1]).message else {
        panic!("no hello")
    };
    assert_eq!((hello.epoch, hello.root.len(), hello.contract_version), (5, 32, CONTRACT_VERSION));
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let (mut subscription, _) = at_epoch(5);
    assert_refused(&mut subscription, &push(&signing_key(), "acme", 4), "epoch 4 is older than epoch 5");
    assert_refused(&mut subscription, &push(&signing_key(), "other", 6), "belongs to tenant");
    assert_refused(&mut subscription, &push(&SigningKey::new(&[4; 32]), "acme", 6), "signature");
    assert_refused(&mut subscription, &[b"\xff\xff".to_vec()], "cannot be decoded");
    assert_refused(&mut subscription, &[vec![0; MAX_MESSAGE + 1]], "over the limit");

    let mut damaged = push(&signing_key(), "acme", 6);
    *damaged[1].last_mut().unwrap() ^= 1;
    assert_refused(&mut subscription, &damaged, "shard hash");
    assert!(matches!(receive(&mut subscription, &push(&signing_key(), "acme", 6)), Event::Installed { .. }));
}

#[test]
fn a_key_that_does_not_belong_to_the_index_is_refused() {
    let (mut subscription, _) = at_epoch(5);
    let welcome = wire::Welcome { fingerprint_key: vec![8; 32], tenant: "acme".into() };
    subscription.receive(&wrap(to_gateway::Message::Welcome(welcome)));
    assert_refused(&mut subscription, &push(&signing_key(), "acme", 5), "fingerprint key");
    assert_eq!(subscription.enforced().unwrap().key, FingerprintKey::new(KEY), "the last good one stays");
}

#[test]
fn a_header_before_the_welcome_is_refused() {
    assert_refused(&mut subscription(), &push(&signing_key(), "acme", 1), "before the welcome");
}

#[test]
fn a_welcome_with_a_broken_key_is_refused() {
    let broken = wrap(to_gateway::Message::Welcome(wire::Welcome { fingerprint_key: vec![1], tenant: "acme".into() }));
    assert_refused(&mut subscription(), &[broken], "a fingerprint key has 32 bytes, not 1");
}

#[test]
fn a_newer_push_replaces_one_that_is_arriving() {
    let (mut subscription, _) = at_epoch(5);
    let interrupted = push(&signing_key(), "acme", 6);
    subscription.receive(&interrupted[0]);
    receive(&mut subscription, &push(&signing_key(), "acme", 7));
    assert_eq!(subscription.epoch(), 7);
}

#[test]
fn a_new_stream_starts_afresh() {
    let (mut subscription, _) = at_epoch(5);
    let interrupted = push(&signing_key(), "acme", 6);
    subscription.receive(&interrupted[0]);
    subscription.hello(String::new(), &[1]);
    assert!(matches!(subscription.receive(&interrupted[1]), Event::Noted));
    assert_eq!(subscription.epoch(), 5);
}

#[test]
fn a_snapshot_restores_what_was_in_force() {
    let (_, snapshot) = at_epoch(5);
    let mut next = subscription();
    next.restore(&snapshot).unwrap();
    assert_eq!((next.epoch(), next.enforced().unwrap().index.header().tokens), (5, 1));
    assert!(matches!(receive(&mut next, &push(&signing_key(), "acme", 6)), Event::Installed { .. }), "the welcome too");
}

#[test]
fn no_changed_byte_of_a_snapshot_is_believed_in_silence() {
    let (_, snapshot) = at_epoch(5);
    let (_, other) = at_epoch(6);
    assert!(subscription().restore(&snapshot[1..]).is_err());
    assert!(subscription().restore(b"").is_err());
    assert!(Subscription::new(SigningKey::new(&[4; 32]).public_key()).restore(&snapshot).is_err());
    let mut newer = subscription();
    newer.restore(&other).unwrap();
    assert!(newer.restore(&snapshot).unwrap_err().contains("older"));
}

#[test]
fn stored_attempts_are_reported() {
    let ack = wrap(to_gateway::Message::AttemptsAck(wire::AttemptsAck { batch: 3 }));
    assert!(matches!(subscription().receive(&ack), Event::AttemptsStored { batch: 3 }));
}
