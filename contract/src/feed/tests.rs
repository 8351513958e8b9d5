//! A push as it comes over the wire, whole and broken.

use super::*;
use crate::index::{Action, Entry, IndexSource, SigningKey};
use crate::{Fingerprint, FingerprintKey, Token};

fn entry(n: u32) -> Entry {
    let token = Token::parse(format!("fake-token-{n}").as_bytes()).unwrap();
    let fingerprint = Fingerprint::of(&FingerprintKey::new([7; 32]), &token);
    Entry { fingerprint, leak: n, action: Action::Block, kind: token.kind() }
}

/// A push of more than one part.
fn push() -> (SealedHeader, Vec<wire::ShardPart>) {
    // In one shard, which no index would have with so many tokens.
    let mut source = IndexSource::from_entries(0, (0..100_000).map(entry).collect()).unwrap();
    let built = source.build("acme", &FingerprintKey::new([7; 32]), 3, 0).unwrap();
    let parts: Vec<_> = parts(3, 0, &built.shards[0]).collect();
    assert!(parts.len() > 1);
    (SigningKey::new(&[3; 32]).seal(built.header), parts)
}

fn assembly(sealed: &SealedHeader) -> Assembly {
    let key = SigningKey::new(&[3; 32]).public_key();
    Assembly::new(sealed.clone().verify(&key, "acme", &FingerprintKey::new([7; 32]), 0).unwrap())
}

#[test]
fn a_header_survives_the_wire() {
    let (sealed, _) = push();
    let bytes = wire::IndexHeader::from(&sealed).encode_to_vec();
    let back = SealedHeader::try_from(wire::IndexHeader::decode(bytes.as_slice()).unwrap()).unwrap();
    assert_eq!(back, sealed);
}

#[test]
fn parts_make_the_index() {
    let (sealed, parts) = push();
    let mut assembly = assembly(&sealed);
    for part in parts {
        assert!(!assembly.is_complete());
        assembly.push(&part).unwrap();
    }
    assert!(assembly.is_complete());
    let index = assembly.finish().unwrap();
    assert_eq!(index.look_up(&entry(42).fingerprint).unwrap().leak, 42);
}

#[test]
fn reordered_repeated_foreign_and_surplus_parts_are_refused() {
    let (sealed, parts) = push();
    let refused = assembly(&sealed).push(&parts[1]).unwrap_err();
    assert!(matches!(refused, PushError::Order { shard: 0, offset: 0, got_shard: 0, .. }), "{refused}");

    let mut twice = assembly(&sealed);
    twice.push(&parts[0]).unwrap();
    assert!(matches!(twice.push(&parts[0]), Err(PushError::Order { offset: MAX_PART, got_offset: 0, .. })));

    let other = wire::ShardPart { epoch: 2, ..parts[0].clone() };
    assert_eq!(assembly(&sealed).push(&other), Err(PushError::Epoch { expected: 3, got: 2 }));

    let mut full = assembly(&sealed);
    for part in &parts {
        full.push(part).unwrap();
    }
    let surplus = wire::ShardPart { epoch: 3, shard: 1, offset: 0, bytes: vec![1] };
    assert!(matches!(full.push(&surplus), Err(PushError::Order { shard: 1, .. })));

    let mut long = parts[1].clone();
    long.bytes.push(0);
    let mut assembly = assembly(&sealed);
    assembly.push(&parts[0]).unwrap();
    assert!(matches!(assembly.push(&long), Err(PushError::TooLong { shard: 0, .. })));
}

#[test]
fn a_changed_part_is_refused() {
    let (sealed, mut parts) = push();
    parts[1].bytes[10] ^= 1;
    let mut assembly = assembly(&sealed);
    for part in parts {
        assembly.push(&part).unwrap();
    }
    assert!(matches!(assembly.finish(), Err(PushError::Shard(crate::index::ShardError::Hash { .. }))));
}

#[test]
fn malformed_headers_are_refused() {
    let (sealed, _) = push();
    let good = wire::IndexHeader::from(&sealed);
    let refusal = |wire| SealedHeader::try_from(wire).unwrap_err();

    let mut wire = good.clone();
    wire.signature.pop();
    assert_eq!(refusal(wire), HeaderError::Malformed("a signature has 64 bytes"));
    let mut wire = good.clone();
    wire.key_check.pop();
    assert_eq!(refusal(wire), HeaderError::Malformed("a key check has 32 bytes"));
    let mut wire = good.clone();
    wire.kinds.pop();
    assert_eq!(refusal(wire), HeaderError::Malformed("kinds have 2048 bytes"));
    let mut wire = good.clone();
    wire.shards[0].hash.pop();
    assert_eq!(refusal(wire), HeaderError::Malformed("a hash has 32 bytes"));
    let mut wire = good.clone();
    wire.shards[0].shard = 1;
    assert_eq!(refusal(wire), HeaderError::Malformed("shards are not in order"));
    let wire = wire::IndexHeader { shard_bits: 300, ..good };
    assert_eq!(refusal(wire), HeaderError::Malformed("too many shards"));
}
