//! Builder against reader, and what a reader must refuse.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{FingerprintKey, Token};

fn fingerprint_key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

fn fingerprint(n: u32) -> Fingerprint {
    let token = Token::parse(format!("fake-token-{n}").as_bytes()).unwrap();
    Fingerprint::of(&fingerprint_key(), &token)
}

fn entry(n: u32) -> Entry {
    let action = if n.is_multiple_of(3) { Action::Block } else { Action::Observe };
    Entry { fingerprint: fingerprint(n), leak: n / 2 + 1, action, kind: Kind::of_length(12) }
}

fn index(entries: Vec<Entry>) -> Index {
    let built = build("acme", &fingerprint_key(), 1, 0, entries).unwrap();
    Index::open(built.header, built.shards).unwrap()
}

#[test]
fn every_entry_is_found_and_nothing_else() {
    for size in [0_u32, 1, 2, 3, 100, 2_500, 2_501, 20_000] {
        let index = index((0..size).map(entry).collect());
        assert_eq!(index.header().tokens, u64::from(size));
        assert_eq!(index.header().shards.len(), 1 << shard_bits(size.into(), None));
        for n in 0..size {
            let Entry { fingerprint, leak, action, .. } = entry(n);
            assert_eq!(index.look_up(&fingerprint), Some(Hit { leak, action }));
        }
        for n in size..size + 10_000 {
            assert_eq!(index.look_up(&fingerprint(n)), None);
        }
    }
}

#[test]
fn the_order_of_entries_does_not_matter() {
    let forward = build("acme", &fingerprint_key(), 1, 0, (0..50).map(entry).collect()).unwrap();
    let backward = build("acme", &fingerprint_key(), 1, 0, (0..50).rev().map(entry).collect()).unwrap();
    assert_eq!(forward.shards, backward.shards);
    assert_eq!(forward.header.root(), backward.header.root());
}

#[test]
fn a_fingerprint_twice_or_a_number_too_large_makes_no_index() {
    assert!(matches!(build("acme", &fingerprint_key(), 1, 0, vec![entry(1), entry(1)]), Err(BuildError::Duplicate(1, 1))));
    let large = Entry { leak: 1 << 22, ..entry(1) };
    assert!(matches!(build("acme", &fingerprint_key(), 1, 0, vec![large]), Err(BuildError::LeakNumber { got: 4_194_304 })));
    let largest = Entry { leak: (1 << 22) - 1, ..entry(1) };
    assert_eq!(index(vec![largest]).look_up(&fingerprint(1)).unwrap().leak, 4_194_303);
}

#[test]
fn any_changed_byte_of_a_shard_is_refused() {
    let built = build("acme", &fingerprint_key(), 1, 0, (0..20).map(entry).collect()).unwrap();
    let whole = built.shards.first().unwrap();
    for i in 0..whole.len() {
        let mut changed = whole.to_vec();
        changed[i] ^= 1;
        let refused = Index::open(built.header.clone(), vec![changed]).unwrap_err();
        assert!(matches!(refused, ShardError::Hash { .. }), "byte {i}: {refused}");
    }
    let refused = Index::open(built.header.clone(), vec![whole[1..].to_vec()]).unwrap_err();
    assert_eq!(refused, ShardError::Length { expected: whole.len(), got: whole.len() - 1 });
    let refused = Index::open(built.header, Vec::<Vec<u8>>::new()).unwrap_err();
    assert_eq!(refused, ShardError::Count { expected: 1, got: 0 });
}

#[test]
fn a_shard_of_another_layout_is_refused_although_its_hash_fits() {
    let built = build("acme", &fingerprint_key(), 1, 0, vec![entry(1)]).unwrap();
    for (at, value, message) in [
        (0, b'X', "does not begin with SLsh"),
        (4, 9, "unknown version"),
        (5, 2, "unknown kind of prefilter"),
        (5, 0, "the prefilter's length does not fit"),
        (6, 1, "reserved bytes are not zero"),
        (8, 0, "the lengths of prefilter and map do not fit"),
        (12, 0, "the lengths of prefilter and map do not fit"),
        (24, 0, "the prefilter's length does not fit"),
        (24, 12, "the prefilter's length does not fit"),
    ] {
        let mut bytes = built.shards[0].to_vec();
        bytes[at] = value;
        let mut header = built.header.clone();
        header.shards[0].hash = *blake3::hash(&bytes).as_bytes();
        assert_eq!(Shard::from_verified(&bytes[..]).unwrap_err(), ShardError::Layout(message));
        assert_eq!(Index::open(header, vec![bytes]).unwrap_err(), ShardError::Layout(message), "{at}");
    }
}

/// Gateways of this format are out there: these bytes have to be readable, and to be made, for as long as the format lives.
#[test]
fn the_golden_file_of_format_2_is_read_and_made() {
    let golden = include_bytes!("golden-v2.bin");
    let built = build("acme", &fingerprint_key(), 1, 0, (0..4).map(entry).collect()).unwrap();
    assert_eq!(&*built.shards[0], golden);
    let index = Index::open(built.header, vec![golden.to_vec()]).unwrap();
    for n in 0..4 {
        let Entry { fingerprint, leak, action, .. } = entry(n);
        assert_eq!(index.look_up(&fingerprint), Some(Hit { leak, action }));
    }
}

mod seal {
    use super::*;

    fn sealed() -> (PublicKey, SealedHeader) {
        let key = SigningKey::new(&[3; 32]);
        let built = build("acme", &fingerprint_key(), 5, 1_000, vec![entry(1)]).unwrap();
        (key.public_key(), key.seal(built.header))
    }

    #[test]
    fn holds_for_its_tenant_and_from_the_epoch_in_force_on() {
        let (key, sealed) = sealed();
        assert!(sealed.clone().verify(&key, "acme", &fingerprint_key(), 0).is_ok());
        assert!(sealed.clone().verify(&key, "acme", &fingerprint_key(), 5).is_ok());
        let older = sealed.clone().verify(&key, "acme", &fingerprint_key(), 6).unwrap_err();
        assert_eq!(older, HeaderError::Epoch { have: 6, got: 5 });
        let strange = sealed.clone().verify(&key, "acme", &FingerprintKey::new([8; 32]), 0).unwrap_err();
        assert_eq!(strange, HeaderError::Key);
        let foreign = sealed.verify(&key, "other", &fingerprint_key(), 0).unwrap_err();
        assert_eq!(foreign, HeaderError::Tenant { expected: "other".into(), got: "acme".into() });
    }

    #[test]
    fn breaks_with_any_change() {
        type Change = fn(&mut SealedHeader);
        let changes: [(&str, Change); 9] = [
            ("key check", |s| s.header.key_check[0] ^= 1),
            ("kinds", |s| s.header.kinds.add(Kind::of_length(99))),
            ("tenant", |s| s.header.tenant.push('x')),
            ("epoch", |s| s.header.epoch += 1),
            ("tokens", |s| s.header.tokens += 1),
            ("built_at_ms", |s| s.header.built_at_ms += 1),
            ("shard hash", |s| s.header.shards[0].hash[0] ^= 1),
            ("shard length", |s| s.header.shards[0].length += 1),
            ("signature", |s| s.signature[0] ^= 1),
        ];
        for (what, change) in changes {
            let (key, mut sealed) = sealed();
            change(&mut sealed);
            assert_eq!(sealed.verify(&key, "acme", &fingerprint_key(), 0).unwrap_err(), HeaderError::Signature, "{what}");
        }
        let (_, sealed) = sealed();
        let other = SigningKey::new(&[4; 32]).public_key();
        assert_eq!(sealed.verify(&other, "acme", &fingerprint_key(), 0).unwrap_err(), HeaderError::Signature);
    }

    #[test]
    fn another_format_or_a_wrong_number_of_shards_is_refused() {
        let key = SigningKey::new(&[3; 32]);
        let mut header = sealed().1.header;
        header.format = 1;
        let refused = key.seal(header.clone()).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
        assert_eq!(refused, HeaderError::Format { expected: 2, got: 1 });
        header.format = 2;
        header.shard_bits = 1;
        let refused = key.seal(header.clone()).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
        assert_eq!(refused, HeaderError::Shards { expected: 2, got: 1 });
        header.shard_bits = MAX_SHARD_BITS + 1;
        let refused = key.seal(header).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
        assert_eq!(refused, HeaderError::Malformed("too many shards"));
    }

    #[test]
    fn a_public_key_survives_its_text() {
        let key = SigningKey::new(&[3; 32]).public_key();
        assert_eq!(PublicKey::from_hex(&key.to_hex()), Some(key));
        assert_eq!(PublicKey::from_hex("zz"), None);
    }
}

/// Fingerprints that share long prefixes, which random ones never do.
fn crowded() -> impl Strategy<Value = [u8; 32]> {
    (0..=31_usize, any::<u8>()).prop_map(|(at, byte)| {
        let mut bytes = [0; 32];
        bytes[at] = byte;
        bytes
    })
}

proptest! {
    #[test]
    fn reader_agrees_with_a_btree_map(
        facts in prop::collection::btree_map(prop_oneof![crowded(), any::<[u8; 32]>()], (0..1_000_u32, any::<bool>()), 0..60),
        probes in prop::collection::vec(crowded(), 20),
    ) {
        let oracle: BTreeMap<Fingerprint, Hit> = facts.iter().map(|(bytes, (leak, block))| {
            let action = if *block { Action::Block } else { Action::Observe };
            (Fingerprint::from_stored(bytes).unwrap(), Hit { leak: *leak, action })
        }).collect();
        let index = index(oracle.iter().map(|(&fingerprint, &Hit { leak, action })| Entry { fingerprint, leak, action, kind: Kind::of_length(40) }).collect());
        for (fingerprint, hit) in &oracle {
            prop_assert_eq!(index.look_up(fingerprint), Some(*hit));
        }
        for probe in probes {
            let probe = Fingerprint::from_stored(&probe).unwrap();
            // A probe that differs from a key between its path and its check bits is the false match that the format allows.
            if let Some(hit) = index.look_up(&probe) {
                prop_assert!(oracle.contains_key(&probe) || oracle.values().any(|known| *known == hit));
            }
        }
    }
}
