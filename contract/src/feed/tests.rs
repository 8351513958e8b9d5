//! A push as it comes over the wire, whole and broken.

use super::*;
use crate::index::{Action, BuiltIndex, Entry, IndexSource, SigningKey};
use crate::settings::{MAX_SETTINGS, Settings};
use crate::{Canonical, Fingerprint, FingerprintKey};

fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

fn entry(n: u32) -> Entry {
    let text = format!("fake-token-{n}");
    let text = Canonical::of(text.as_bytes());
    Entry { fingerprint: Fingerprint::of_canonical(&key(), &text), leak: n, action: Action::Block, kind: text.kind() }
}

fn built(shard_bits: u8, tokens: u32) -> BuiltIndex {
    let mut source = IndexSource::from_entries(shard_bits, (0..tokens).map(entry).collect()).unwrap();
    source.build("acme", &key(), 3, 0).unwrap()
}

/// Four shards, one of which is so large that it comes in two parts.
fn push() -> (SealedHeader, Vec<wire::ShardPart>) {
    let mut built = built(2, 100);
    let large = self::built(0, 100_000);
    built.header.shards[1] = large.header.shards[0];
    built.shards[1] = large.shards[0].clone();
    let parts: Vec<_> = (0..).zip(&built.shards).flat_map(|(shard, bytes)| parts(3, shard, bytes)).collect();
    assert_eq!(parts.len(), 5);
    (SigningKey::new(&[3; 32]).seal(built.header), parts)
}

fn verified(sealed: &SealedHeader) -> IndexHeader {
    let public_key = SigningKey::new(&[3; 32]).public_key();
    sealed.clone().verify(&public_key, "acme", &key(), 0).unwrap()
}

fn assembly(sealed: &SealedHeader) -> Assembly {
    Assembly::new(verified(sealed), vec![0, 1, 2, 3])
}

#[test]
fn a_header_survives_the_wire() {
    let (sealed, _) = push();
    let bytes = sealed.to_wire().encode_to_vec();
    let back = SealedHeader::from_wire(wire::IndexHeader::decode(bytes.as_slice()).unwrap(), None).unwrap();
    assert_eq!(back, sealed);
}

#[test]
fn parts_make_the_shards() {
    let (sealed, parts) = push();
    let mut assembly = assembly(&sealed);
    let mut places = Vec::new();
    for part in parts {
        assert!(!assembly.is_complete());
        if let Some((place, shard)) = assembly.push(&part).unwrap() {
            assert!(sealed.header().shards[place].belongs_to(shard.bytes()));
            places.push(place);
        }
    }
    assert!(assembly.is_complete());
    assert_eq!(places, [0, 1, 2, 3]);
}

#[test]
fn a_difference_is_completed_from_what_is_there() {
    let (sealed, parts) = push();
    let base = IndexHeader { epoch: 2, ..built(2, 100).header };
    let mut difference = sealed.to_wire();
    difference.shards.retain(|sum| sum.shard == 1);
    let completed = SealedHeader::from_wire(difference.clone(), Some(&base)).unwrap();
    assert_eq!(completed, sealed);
    let mut assembly = Assembly::new(verified(&completed), vec![1]);
    let parts: Vec<_> = parts.iter().filter(|part| part.shard == 1).collect();
    assert!(assembly.push(parts[0]).unwrap().is_none());
    assert_eq!(assembly.push(parts[1]).unwrap().map(|(place, _)| place), Some(1));
    assert!(assembly.is_complete());

    // From anything else, the signature does not fit.
    let wrong = SealedHeader::from_wire(difference.clone(), Some(&built(2, 101).header)).unwrap();
    let public_key = SigningKey::new(&[3; 32]).public_key();
    assert_eq!(wrong.verify(&public_key, "acme", &key(), 0), Err(HeaderError::Signature));
    let shards = HeaderError::Shards { expected: 4, got: 1 };
    assert_eq!(SealedHeader::from_wire(difference.clone(), None), Err(shards.clone()));
    assert_eq!(SealedHeader::from_wire(difference, Some(&built(3, 100).header)), Err(shards));
}

#[test]
fn settings_that_have_not_changed_are_completed_from_what_is_there() {
    let public_key = SigningKey::new(&[3; 32]).public_key();
    let settings = |until| Settings::new(None, until, Vec::new()).to_bytes();
    let header = IndexHeader { settings: settings(7), ..built(0, 5).header };
    let sealed = SigningKey::new(&[3; 32]).seal(header);
    let difference = wire::IndexHeader { settings: None, ..sealed.to_wire() };
    let base = |settings| IndexHeader { settings, epoch: 2, ..built(0, 5).header };
    assert_eq!(SealedHeader::from_wire(difference.clone(), Some(&base(settings(7)))), Ok(sealed.clone()));
    let wrong = SealedHeader::from_wire(difference.clone(), Some(&base(settings(8)))).unwrap();
    assert_eq!(wrong.verify(&public_key, "acme", &key(), 0), Err(HeaderError::Signature));
    let missing = HeaderError::Malformed("settings are missing or too large");
    assert_eq!(SealedHeader::from_wire(difference, None), Err(missing.clone()));
    let large = wire::IndexHeader { settings: Some(vec![0; MAX_SETTINGS + 1]), ..sealed.to_wire() };
    assert_eq!(SealedHeader::from_wire(large, None), Err(missing));
}

#[test]
fn reordered_repeated_foreign_and_surplus_parts_are_refused() {
    let (sealed, parts) = push();
    let refused = assembly(&sealed).push(&parts[1]).unwrap_err();
    assert!(matches!(refused, PushError::Order { shard: Some(0), offset: 0, got_shard: 1, .. }), "{refused}");

    let mut twice = assembly(&sealed);
    twice.push(&parts[0]).unwrap();
    twice.push(&parts[1]).unwrap();
    assert!(matches!(twice.push(&parts[1]), Err(PushError::Order { offset: MAX_PART, got_offset: 0, .. })));

    let other = wire::ShardPart { epoch: 2, ..parts[0].clone() };
    assert!(matches!(assembly(&sealed).push(&other), Err(PushError::Epoch { expected: 3, got: 2 })));

    let mut full = assembly(&sealed);
    for part in &parts {
        full.push(part).unwrap();
    }
    let surplus = wire::ShardPart { epoch: 3, shard: 4, offset: 0, bytes: vec![1] };
    assert!(matches!(full.push(&surplus), Err(PushError::Order { shard: None, .. })));

    let mut long = parts[0].clone();
    long.bytes.push(0);
    assert!(matches!(assembly(&sealed).push(&long), Err(PushError::TooLong { shard: 0, .. })));
}

#[test]
fn a_changed_part_is_refused() {
    let (sealed, mut parts) = push();
    parts[0].bytes[10] ^= 1;
    let refused = assembly(&sealed).push(&parts[0]);
    assert!(matches!(refused, Err(PushError::Shard(crate::index::ShardError::Hash { .. }))));
}

#[test]
fn malformed_headers_are_refused() {
    let good = push().0.to_wire();
    let refusal = |change: fn(&mut wire::IndexHeader)| {
        let mut wire = good.clone();
        change(&mut wire);
        SealedHeader::from_wire(wire, None).unwrap_err()
    };
    assert_eq!(refusal(|h| h.signature.truncate(63)), HeaderError::Malformed("a signature has 64 bytes"));
    assert_eq!(refusal(|h| h.key_check.truncate(31)), HeaderError::Malformed("a key check has 32 bytes"));
    assert_eq!(refusal(|h| h.kinds.truncate(9)), HeaderError::Malformed("kinds are a set of 2,048 bytes"));
    assert_eq!(refusal(|h| h.shards[0].hash.truncate(31)), HeaderError::Malformed("a hash has 32 bytes"));
    assert_eq!(refusal(|h| h.shards[0].shard = 1), HeaderError::Malformed("shards are not in order"));
    assert_eq!(refusal(|h| h.shards[3].shard = 4), HeaderError::Malformed("a shard is not among those that there are"));
    assert_eq!(refusal(|h| h.shard_bits = 300), HeaderError::Malformed("too many shards"));
    assert_eq!(refusal(|h| h.shard_bits = 15), HeaderError::Malformed("too many shards"));
}
