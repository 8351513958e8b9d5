//! The shard's parser and its look-ups.
//!
//! Three things: bytes of any make are parsed; a shard that was changed on its way is refused; and a shard of fingerprints that the fuzzer
//! makes up answers as a plain map does.

use std::collections::BTreeMap;

use stopleak_contract::Fingerprint;
use stopleak_contract::index::{Action, Entry, Hit, Index, Kind, Shard, ShardSum, build};

use super::bytes::Bytes;
use super::world::key;

/// More would only be slower.
const MAX_ENTRIES: usize = 64;

/// See above.
pub fn shard(data: &[u8]) {
    parses_anything(data);
    let mut bytes = Bytes(data);
    let oracle = entries(&mut bytes);
    let built = build("acme", &key(), 1, 0, oracle.values().copied().collect()).expect("the fingerprints differ");
    let index = Index::open(built.header.clone(), built.shards.clone()).expect("what was built can be opened");
    for (fingerprint, Entry { leak, action, .. }) in &oracle {
        assert_eq!(index.look_up(fingerprint), Some(Hit { leak: *leak, action: *action }));
    }
    for (sum, shard) in built.header.shards.iter().zip(&built.shards) {
        damage_is_noticed(sum, shard, &mut bytes);
    }
    while !bytes.is_empty() {
        let probe = fingerprint(&mut bytes);
        if let Some(hit) = index.look_up(&probe) {
            // A stranger that differs from a key only where neither path, check nor prefilter look is a false match that the format allows.
            let known = |entry: &Entry| (entry.leak, entry.action) == (hit.leak, hit.action);
            assert!(oracle.get(&probe).or_else(|| oracle.values().find(|entry| known(entry))).is_some_and(known));
        }
    }
}

/// `fst` trusts its bytes, so that nothing is looked up in what was not verified; but parsing it and asking its prefilter is safe.
fn parses_anything(data: &[u8]) {
    let probe = Fingerprint::from_stored(&[0x5a; 32]).expect("32 bytes");
    for bytes in [data.to_vec(), [b"SLsh\x02\x01\0\0", data].concat()] {
        if let Ok(shard) = Shard::from_verified(bytes) {
            let _ = shard.prefilter().may_hold(&probe);
            assert!(shard.prefilter().heap_size() <= shard.bytes().len());
        }
    }
}

fn damage_is_noticed(sum: &ShardSum, shard: &[u8], bytes: &mut Bytes<'_>) {
    let mut damaged = shard.to_vec();
    match bytes.byte() % 4 {
        0 => damaged.truncate(bytes.below(shard.len() + 1)),
        1 => damaged.extend_from_slice(bytes.take(8)),
        2 => damaged = bytes.take(shard.len()).to_vec(),
        _ => {
            let at = bytes.below(shard.len());
            damaged[at] ^= bytes.byte();
        }
    }
    let is_same = damaged == shard;
    // Its layout alone may be right or wrong; no more is asked than that it is said.
    let _ = Shard::from_verified(damaged.clone());
    assert_eq!(Shard::open(sum, damaged).is_ok(), is_same);
}

fn entries(bytes: &mut Bytes<'_>) -> BTreeMap<Fingerprint, Entry> {
    let mut entries = BTreeMap::new();
    for _ in 0..usize::from(bytes.byte()) % MAX_ENTRIES {
        let fingerprint = fingerprint(bytes);
        let choice = bytes.byte();
        let action = if choice & 1 == 0 { Action::Block } else { Action::Observe };
        let entry = Entry { fingerprint, leak: u32::from(choice) * 7, action, kind: Kind::of_length(usize::from(choice)) };
        // Two that differ in their last 128 bits only are a collision, which no index can hold.
        let half = |fingerprint: &Fingerprint| fingerprint.as_bytes().first_chunk::<16>().copied();
        if !entries.keys().any(|known| half(known) == half(&fingerprint)) {
            entries.insert(fingerprint, entry);
        }
    }
    entries
}

/// Mostly zeros with a byte somewhere: random ones would never share a prefix.
fn fingerprint(bytes: &mut Bytes<'_>) -> Fingerprint {
    let mut fingerprint = [0; 32];
    let choice = bytes.byte();
    if choice >= 0xf0 {
        let random = bytes.take(32);
        fingerprint[..random.len()].copy_from_slice(random);
    } else {
        fingerprint[usize::from(choice) % 16] = bytes.byte();
        fingerprint[usize::from(choice / 32)] ^= bytes.byte();
    }
    Fingerprint::from_stored(&fingerprint).expect("32 bytes")
}
