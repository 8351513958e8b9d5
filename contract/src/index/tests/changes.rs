//! Sources of an index through puts, removals and cutting anew.

use super::*;

fn source(entries: u32) -> IndexSource {
    IndexSource::from_entries(shard_bits(entries.into(), None), (0..entries).map(entry).collect()).unwrap()
}

fn build(source: &mut IndexSource) -> BuiltIndex {
    source.build("acme", &fingerprint_key(), 1, 0).unwrap()
}

/// Which shards differ, by their hashes and by their memory.
fn changed(before: &BuiltIndex, after: &BuiltIndex) -> Vec<usize> {
    let shards = 0..after.shards.len();
    let by_hash: Vec<_> = shards.clone().filter(|&i| before.header.shards[i] != after.header.shards[i]).collect();
    let by_memory: Vec<_> = shards.filter(|&i| !Arc::ptr_eq(&before.shards[i], &after.shards[i])).collect();
    assert_eq!(by_hash, by_memory);
    by_hash
}

#[test]
fn one_token_changes_one_shard() {
    let mut source = source(20_000);
    let first = build(&mut source);
    assert_eq!(first.shards.len(), 8);
    assert_eq!(changed(&first, &build(&mut source)), [] as [usize; 0]);

    let patched = Entry { action: Action::Block, ..entry(1) };
    let shard = first.header.shard_of(&patched.fingerprint);
    for change in [Change::Put(patched), Change::Remove(patched.fingerprint), Change::Put(entry(1))] {
        let before = build(&mut source);
        assert!(source.apply(change).unwrap());
        assert_eq!(changed(&before, &build(&mut source)), [shard], "{change:?}");
        assert!(!source.apply(change).unwrap(), "nothing is left to do");
    }
    assert_eq!(build(&mut source).header.root(), first.header.root(), "all is as it was");
}

#[test]
fn the_last_of_a_kind_takes_the_kind_with_it() {
    let (digits, short) = (Kind::new(20, Classes::DIGIT), Kind::of_length(7));
    let mut source = IndexSource::new(0);
    for (n, kind) in [(1, digits), (2, digits), (3, short)] {
        source.apply(Change::Put(Entry { kind, ..entry(n) })).unwrap();
    }
    source.apply(Change::Remove(fingerprint(1))).unwrap();
    assert!(build(&mut source).header.kinds.hold(digits), "there is another one");
    source.apply(Change::Put(Entry { kind: short, ..entry(2) })).unwrap();
    let kinds = build(&mut source).header.kinds;
    assert!(!kinds.hold(digits) && kinds.hold(short));
}

#[test]
fn a_fingerprint_stays_with_its_leak() {
    let mut source = IndexSource::new(0);
    source.apply(Change::Put(entry(1))).unwrap();
    let other = Entry { leak: 9, ..entry(1) };
    assert!(matches!(source.apply(Change::Put(other)), Err(BuildError::Duplicate(1, 9))));
    let too_large = Entry { leak: MAX_LEAK + 1, ..entry(2) };
    assert!(matches!(source.apply(Change::Put(too_large)), Err(BuildError::LeakNumber { got: 4_194_304 })));
    assert_eq!(source.tokens(), 1);
}

#[test]
fn a_set_is_cut_anew_only_when_it_has_left_its_borders() {
    let mut source = source(2_499);
    let mut cuts = Vec::new();
    let mut step = |source: &mut IndexSource, change: Change| {
        source.apply(change).unwrap();
        if source.fit() {
            cuts.push((source.tokens(), source.shard_bits()));
            let mut afresh = IndexSource::from_entries(source.shard_bits(), source.entries().copied().collect()).unwrap();
            assert_eq!(build(source).header.root(), build(&mut afresh).header.root());
        }
    };
    let grown = 5_010;
    for n in 2_499..grown {
        step(&mut source, Change::Put(entry(n)));
    }
    // To and fro over a border.
    for _ in 0..3 {
        for n in 4_990..grown {
            step(&mut source, Change::Remove(fingerprint(n)));
        }
        for n in 4_990..grown {
            step(&mut source, Change::Put(entry(n)));
        }
    }
    for n in 0..grown {
        step(&mut source, Change::Remove(fingerprint(n)));
    }
    assert_eq!(cuts, [(2_501, 1), (5_001, 2), (3_199, 1), (1_599, 0)]);
    assert_eq!(build(&mut source).header.root(), build(&mut IndexSource::new(0)).header.root());
}

#[test]
fn fingerprints_that_no_path_tells_apart_make_no_index() {
    let mut bytes = [9; 32];
    let entry = |bytes: [u8; 32]| Entry { fingerprint: Fingerprint::from_stored(&bytes).unwrap(), ..entry(1) };
    let mut source = IndexSource::new(0);
    source.apply(Change::Put(entry(bytes))).unwrap();
    bytes[16] = 8;
    source.apply(Change::Put(entry(bytes))).unwrap();
    assert!(matches!(source.build("acme", &fingerprint_key(), 1, 0), Err(BuildError::Collision)));
}

#[test]
fn the_error_stays_below_its_bound() {
    for entries in [1, 24, 25, 2_500, 40_000] {
        let error = source(entries).false_match().log2();
        assert!(error < -52.4, "{entries}: {error}");
    }
    assert!(source(0).false_match() == 0.0);
}
