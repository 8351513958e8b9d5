//! What gateways are sent, and that they share it.

use prost::Message as _;
use stopleak_contract::index::{Action, Entry, IndexSource, SigningKey, shard_bits};
use stopleak_contract::{Fingerprint, FingerprintKey, Token};

use super::*;
use crate::time::Time;

/// So many tokens, and one that is different in each.
fn published(tokens: u32, epoch: u64) -> Arc<Published> {
    let key = FingerprintKey::new([7; 32]);
    let entries = (0..tokens).chain([1_000_000 + u32::try_from(epoch).unwrap()]).map(|n| {
        let token = Token::parse(format!("fake-{n:08x}-of-a-test").as_bytes()).unwrap();
        Entry { fingerprint: Fingerprint::of(&key, &token), leak: 1, action: Action::Block, kind: token.kind() }
    });
    let mut source = IndexSource::from_entries(shard_bits(tokens.into(), None), entries.collect()).unwrap();
    let built = source.build("t", &key, epoch, 0).unwrap();
    let (root, differences) = (built.header.root(), Differences::default());
    let sealed = SigningKey::new(&[3; 32]).seal(built.header);
    Arc::new(Published { epoch, root, built_at: Time::now(), tokens: 1, bytes: 0, sealed, shards: built.shards, differences })
}

fn sent(push: &mut Push) -> Vec<Encoded> {
    let mut messages = Vec::new();
    while !push.is_done() {
        messages.push(push.next().unwrap());
    }
    assert!(push.next().is_none());
    messages
}

fn address(message: &Encoded) -> *const u8 {
    message.bytes().as_ptr()
}

/// The shards that a gateway puts together of it.
fn assembled(messages: &[Encoded]) -> BTreeMap<u32, Vec<u8>> {
    let mut messages = messages.iter().map(|encoded| wire::ToGateway::decode(encoded.bytes()).unwrap().message.unwrap());
    let Some(Message::Header(header)) = messages.next() else { panic!("no header") };
    let mut shards: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for message in messages {
        let Message::Shard(part) = message else { panic!("no part of a shard") };
        let shard = shards.entry(part.shard).or_default();
        assert_eq!((part.epoch, part.offset as usize), (header.epoch, shard.len()));
        shard.extend(part.bytes);
    }
    for sum in &header.shards {
        assert_eq!(shards[&sum.shard].len(), sum.length as usize);
        assert_eq!(blake3::hash(&shards[&sum.shard]).as_bytes().as_slice(), sum.hash);
    }
    assert_eq!(header.shards.len(), shards.len());
    shards
}

#[test]
fn gateways_that_have_the_same_are_sent_the_same_bytes() {
    let (old, new) = (published(20_000, 1), published(20_000, 2));
    let first = sent(&mut Push::new(Arc::clone(&new), Some(&old)));
    let second = sent(&mut Push::new(Arc::clone(&new), Some(&old)));
    assert_eq!(first.iter().map(address).collect::<Vec<_>>(), second.iter().map(address).collect::<Vec<_>>(), "not copied");
    let changed = assembled(&first);
    assert!((1..=2).contains(&changed.len()), "{} shards for two tokens", changed.len());

    let whole = assembled(&sent(&mut Push::new(Arc::clone(&new), None)));
    assert!(whole.len() > 2 && changed.iter().all(|(shard, bytes)| whole[shard] == *bytes));
}

#[test]
fn what_is_large_is_not_kept_twice() {
    let large = published(60_000, 1);
    let first = sent(&mut Push::new(Arc::clone(&large), None));
    let second = sent(&mut Push::new(Arc::clone(&large), None));
    assert_eq!(first, second);
    assert_eq!(address(&first[0]), address(&second[0]), "the header is shared all the same");
    assert_ne!(address(&first[1]), address(&second[1]));
    let shards = assembled(&first);
    assert!(shards.values().map(Vec::len).sum::<usize>() > MAX_SHARED);
}

#[test]
fn only_so_many_differences_are_remembered() {
    let newest = published(10, 1_000);
    for epoch in 1..=3 * MAX_DIFFERENCES as u64 {
        assert!(!Push::new(Arc::clone(&newest), Some(&published(10, epoch))).is_done());
        assert!(lock(&newest.differences.0).len() <= MAX_DIFFERENCES);
    }
    newest.differences.forget();
    assert!(lock(&newest.differences.0).is_empty());
}
