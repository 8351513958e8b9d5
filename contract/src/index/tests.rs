//! Builder against reader, and what a reader must refuse.

mod changes;
mod seal;
mod tampering;

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
        (6, 25, "the lead is too large or a reserved byte is not zero"),
        (7, 1, "the lead is too large or a reserved byte is not zero"),
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

#[test]
fn an_empty_shard_passes_nothing() {
    let built = build("acme", &fingerprint_key(), 1, 0, Vec::new()).unwrap();
    let shard = Shard::open(&built.header.shards[0], &built.shards[0]).unwrap();
    let passes = |n: &u32| shard.prefilter().may_hold(&fingerprint(*n)) || shard.look_up(&fingerprint(*n)).is_some();
    assert_eq!((0..1_000).find(passes), None);
}

#[test]
fn a_prefilter_passes_what_is_there_and_little_else() {
    let built = build("acme", &fingerprint_key(), 1, 0, (0..2_000).map(entry).collect()).unwrap();
    let prefilter = Shard::from_verified(&built.shards[0]).unwrap().prefilter();
    assert!((0..2_000).all(|n| prefilter.may_hold(&fingerprint(n))));
    let passed = (2_000..102_000).filter(|&n| prefilter.may_hold(&fingerprint(n))).count();
    assert!((300..500).contains(&passed), "{passed} of 100,000, not one in 256");
}

/// Gateways with shards of this version are out there: these bytes have to be readable, and to be made, for as long as it lives. Headers
/// of format 3 have shards of version 2.
#[test]
fn the_golden_file_of_shards_of_version_2_is_read_and_made() {
    let golden = include_bytes!("golden-v2.bin");
    let built = build("acme", &fingerprint_key(), 1, 0, (0..4).map(entry).collect()).unwrap();
    assert_eq!(&*built.shards[0], golden);
    let index = Index::open(built.header, vec![golden.to_vec()]).unwrap();
    for n in 0..4 {
        let Entry { fingerprint, leak, action, .. } = entry(n);
        assert_eq!(index.look_up(&fingerprint), Some(Hit { leak, action }));
    }
}

/// Fingerprints that share long prefixes, which random ones never do.
fn crowded() -> impl Strategy<Value = [u8; 32]> {
    (0..16_usize, any::<u8>()).prop_map(|(at, byte)| {
        let mut bytes = [0; 32];
        bytes[at] = byte;
        bytes
    })
}

/// Some of few fingerprints, so that changes meet.
fn any_fingerprint() -> impl Strategy<Value = Fingerprint> {
    prop_oneof![crowded(), any::<[u8; 32]>()].prop_map(|bytes| Fingerprint::from_stored(&bytes).unwrap())
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (6..12_usize).prop_map(Kind::of_length),
        (6..12_usize, 1..4_u8).prop_map(|(length, bits)| Kind::new(length, Classes::from_bits(bits).unwrap())),
    ]
}

/// Leak numbers follow from the fingerprint: another one would be refused.
fn any_entry() -> impl Strategy<Value = Entry> {
    (any_fingerprint(), any::<bool>(), any_kind()).prop_map(|(fingerprint, block, kind)| {
        let leak = LeakNumber::from(fingerprint.as_bytes()[3]) << 14;
        Entry { fingerprint, leak, action: if block { Action::Block } else { Action::Observe }, kind }
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![3 => any_entry().prop_map(Change::Put), 2 => any_fingerprint().prop_map(Change::Remove)]
}

/// What an index is to say.
type Oracle = BTreeMap<Fingerprint, Entry>;

fn assert_agree(built: BuiltIndex, oracle: &Oracle, probes: &[Fingerprint]) -> Result<(), TestCaseError> {
    prop_assert_eq!(built.header.tokens, oracle.len() as u64);
    prop_assert_eq!(&built.header.kinds, &oracle.values().map(|entry| entry.kind).collect::<Kinds>());
    let index = Index::open(built.header, built.shards).unwrap();
    for (fingerprint, &Entry { leak, action, .. }) in oracle {
        prop_assert_eq!(index.look_up(fingerprint), Some(Hit { leak, action }));
    }
    for probe in probes.iter().filter(|probe| !oracle.contains_key(probe)) {
        // What agrees with a key in its path, in the prefilter's bits and in the check: the false match that the format allows.
        let twins = |known: &&Fingerprint| known.words()[2..] == probe.words()[2..];
        prop_assert!(index.look_up(probe).is_none() || oracle.keys().any(|known| twins(&known)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_opening_a_shard_or_its_prefilter_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in any::<prop::sample::Index>(),
        entries in 0..40_u32,
    ) {
        let built = build("acme", &fingerprint_key(), 1, 0, (0..entries).map(entry).collect()).unwrap();
        let mut bytes = built.shards[0].to_vec();
        for (at, byte) in changes {
            // The head is where it matters.
            let end = if byte % 4 == 0 { bytes.len() } else { 32.min(bytes.len()) };
            bytes[at.index(end)] = byte;
        }
        bytes.truncate(length.index(bytes.len() * 8).saturating_add(1));
        let whole = *built.shards[0] == bytes[..];
        prop_assert_eq!(Shard::open(&built.header.shards[0], &bytes).is_ok(), whole);
        if let Ok(shard) = Shard::from_verified(&bytes) {
            prop_assert!(!whole || (0..entries).all(|n| shard.prefilter().may_hold(&fingerprint(n))));
            prop_assert!((0..100).filter(|&n| shard.prefilter().may_hold(&fingerprint(n))).count() <= 100);
        }
    }

    #[test]
    fn reader_agrees_with_a_btree_map(
        entries in prop::collection::vec(any_entry(), 0..60),
        bits in 0..=3_u8,
        probes in prop::collection::vec(any_fingerprint(), 20),
    ) {
        let oracle: Oracle = entries.iter().map(|&entry| (entry.fingerprint, entry)).collect();
        let mut source = IndexSource::from_entries(bits, oracle.values().copied().collect()).unwrap();
        assert_agree(source.build("acme", &fingerprint_key(), 1, 0).unwrap(), &oracle, &probes)?;
    }

    #[test]
    fn changes_give_what_building_from_scratch_gives(
        rounds in prop::collection::vec(prop::collection::vec(any_change(), 0..25), 1..4),
        bits in 0..=3_u8,
    ) {
        let mut oracle = Oracle::new();
        let mut source = IndexSource::new(bits);
        for changes in rounds {
            for change in changes {
                let differs = match change {
                    Change::Put(entry) => oracle.insert(entry.fingerprint, entry) != Some(entry),
                    Change::Remove(fingerprint) => oracle.remove(&fingerprint).is_some(),
                };
                prop_assert_eq!(source.apply(change).unwrap(), differs);
            }
            let built = source.build("acme", &fingerprint_key(), 1, 0).unwrap();
            let mut afresh = IndexSource::from_entries(bits, oracle.values().rev().copied().collect()).unwrap();
            let scratch = afresh.build("acme", &fingerprint_key(), 1, 0).unwrap();
            prop_assert_eq!(&built.shards, &scratch.shards);
            prop_assert_eq!(built.header.root(), scratch.header.root());
            let absent: Vec<_> = (0..20).map(fingerprint).collect();
            assert_agree(built, &oracle, &absent)?;
        }
    }
}
