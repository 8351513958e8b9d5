//! What comes over the feed, honest, late, damaged or made up: the last good index stays, and never grows older.
//!
//! The input is a list of steps: which of some prepared messages comes next, whole, cut, changed, or not at all as prepared.

use std::rc::Rc;

use stopleak_contract::PluginConfig;
use stopleak_contract::feed::wire::{self, to_gateway};
use stopleak_contract::feed::{Message as _, parts};
use stopleak_contract::index::{Action, Entry, SigningKey};
use stopleak_filter::enforced::Enforced;
use stopleak_filter::header_map::view;
use stopleak_filter::records::Records;
use stopleak_filter::request::Request;
use stopleak_filter::subscription::{Event, Subscription};
use stopleak_filter::verdict::{Policy, Verdict};

use super::bytes::Bytes;
use super::world::{PATCHED, Store, entry, key, sealed, signing_key};

/// Enough for several pushes, each with things in between.
const MAX_STEPS: usize = 96;

/// What may lie in shared data: the pages and headers of the largest index that is ever announced, twice, and room for one message.
const MAX_STORED: usize = 64 * 1024;

thread_local! {
    static MESSAGES: Vec<Vec<u8>> = prepared();
    static POLICY: Policy = Policy::new(&PluginConfig::from_json(br#"{"cluster": "c", "on_not_ready": "deny"}"#).expect("valid"));
}

/// See above.
pub fn feed(data: &[u8]) {
    let store = Rc::new(Store::default());
    let shared: Rc<Store> = Rc::clone(&store);
    let records = Records::new(shared, "slg_fuzz", signing_key().public_key());
    let mut subscription = Subscription::new(signing_key().public_key(), records.clone());
    let mut enforced: Option<Enforced> = None;
    let mut bytes = Bytes(data);
    for _ in 0..MAX_STEPS {
        if bytes.is_empty() {
            break;
        }
        let before = epoch(enforced.as_ref());
        let Some(message) = next(&mut bytes) else {
            // The stream broke and a new one is opened.
            let hello = subscription.hello("node".to_owned(), enforced.as_ref());
            assert!(hello.message.is_some() && !subscription.is_arriving());
            continue;
        };
        match subscription.receive(&message, enforced.as_ref()) {
            Event::Complete => {
                let restored = Enforced::restore(&mut enforced, signing_key().public_key(), &records);
                restored.expect("what was verified can be put into force");
            }
            Event::Refused { reason, .. } => assert!(!reason.is_empty() && reason.len() < 4_096, "{reason}"),
            Event::Noted | Event::AttemptsStored(_) => {}
        }
        assert!(epoch(enforced.as_ref()) >= before, "the index has grown older");
        assert!(store.size() <= MAX_STORED, "{} bytes in shared data", store.size());
        if let Some(enforced) = &enforced {
            holds_its_word(enforced);
        }
    }
}

fn epoch(enforced: Option<&Enforced>) -> u64 {
    enforced.map_or(0, |enforced| enforced.header().epoch)
}

/// Every honest index has the patched token. While another arrives its page may be replaced; then nobody knows, and it is refused for
/// that, but it never passes.
fn holds_its_word(enforced: &Enforced) {
    let headers = [("authorization".to_owned(), format!("Bearer {PATCHED}").into_bytes())];
    let verdict = POLICY.with(|policy| policy.judge(Request::new(&view(&headers)), Some(enforced), None).verdict);
    assert!(matches!(verdict, Verdict::Block(_) | Verdict::NotReady(_)), "{verdict:?}");
}

/// The next message; `None` for a new stream.
fn next(bytes: &mut Bytes<'_>) -> Option<Vec<u8>> {
    let step = bytes.byte();
    let mut message = MESSAGES.with(|messages| messages[usize::from(bytes.byte()) % messages.len()].clone());
    match step % 8 {
        0..=3 => {}
        4 => {
            let at = bytes.below(message.len());
            if let Some(byte) = message.get_mut(at) {
                *byte ^= bytes.byte();
            }
        }
        5 => message.truncate(bytes.below(message.len())),
        6 => {
            let length = usize::from(bytes.byte());
            message = bytes.take(length).to_vec();
        }
        _ => return None,
    }
    Some(message)
}

/// Welcomes, and headers with their parts: of three epochs, whole and as differences, and of a stranger and another tenant.
fn prepared() -> Vec<Vec<u8>> {
    let welcome = |key: &[u8], tenant: &str| {
        wrap(to_gateway::Message::Welcome(wire::Welcome { fingerprint_key: key.to_vec(), tenant: tenant.to_owned() }))
    };
    let mut messages = vec![
        welcome(key().as_bytes(), "acme"),
        welcome(&[8; 32], "acme"),
        welcome(key().as_bytes(), "other"),
        welcome(&[1], "acme"),
        wrap(to_gateway::Message::AttemptsAck(wire::AttemptsAck { batch: 3, worker: vec![1] })),
        wire::ToGateway { message: None }.encode_to_vec(),
    ];
    for epoch in 1..=3 {
        messages.extend(push(&signing_key(), "acme", epoch, &entries(epoch)));
    }
    messages.extend(push(&SigningKey::new(&[4; 32]), "acme", 9, &entries(1)));
    messages.extend(push(&signing_key(), "other", 9, &entries(1)));
    // The same tokens in a later epoch: nothing but a header.
    let unchanged = push(&signing_key(), "acme", 4, &entries(3)).swap_remove(0);
    if let Ok(wire::ToGateway { message: Some(to_gateway::Message::Header(mut header)) }) = wire::ToGateway::decode(&*unchanged) {
        header.shards.clear();
        messages.push(wrap(to_gateway::Message::Header(header)));
    }
    messages
}

fn entries(epoch: u64) -> Vec<Entry> {
    let others = (0..epoch * 4).map(|n| format!("fk_other_{epoch}_{n:06}"));
    let others = (2..).zip(others).map(|(leak, text)| entry(&text, leak, Action::Observe));
    std::iter::once(entry(PATCHED, 1, Action::Block)).chain(others).collect()
}

fn push(signing_key: &SigningKey, tenant: &str, epoch: u64, entries: &[Entry]) -> Vec<Vec<u8>> {
    let (header, built) = sealed(signing_key, tenant, epoch, entries.to_vec());
    let mut messages = vec![wrap(to_gateway::Message::Header(header.to_wire()))];
    for (shard, bytes) in (0..).zip(&built.shards) {
        // In two parts, though one would do.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        messages.extend(parts(epoch, shard, first).map(|part| wrap(to_gateway::Message::Shard(part))));
        let offset = u32::try_from(first.len()).unwrap_or_default();
        let second = wire::ShardPart { epoch, shard, offset, bytes: second.to_vec() };
        messages.push(wrap(to_gateway::Message::Shard(second)));
    }
    messages
}

fn wrap(message: to_gateway::Message) -> Vec<u8> {
    wire::ToGateway { message: Some(message) }.encode_to_vec()
}
