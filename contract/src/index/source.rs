//! The entries of a tenant by shard: what an index is built from, again and again, with little to do for each change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::{BuildError, BuiltIndex, check, encode, paths};
use super::entry;
use super::entry::Entry;
use super::header::{IndexHeader, ShardSum};
use super::path;
use super::prefilter;
use super::sharding::{self, MAX_SHARD_BITS};
use super::{FORMAT, Kinds};
use crate::token::Kind;
use crate::{Fingerprint, FingerprintKey};

/// The entries of one tenant, and the shards that were built from them as far as they still hold.
#[derive(Debug)]
pub struct IndexSource {
    shard_bits: u8,
    shards: Vec<ShardSource>,
    /// How many entries are of each kind.
    kinds: BTreeMap<Kind, usize>,
    tokens: usize,
}

/// The entries of a shard in the order of their fingerprints.
#[derive(Debug, Default)]
struct ShardSource {
    entries: Vec<Entry>,
    /// `None` after a change.
    built: Option<(ShardSum, Arc<[u8]>)>,
}

/// A change to the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entry is to be there; it replaces one of the same fingerprint and leak.
    Put(Entry),
    /// The fingerprint is not to be there.
    Remove(Fingerprint),
}

impl IndexSource {
    /// Without entries, in shards of fingerprints that share so many bits: [`shard_bits`](super::shard_bits) or the number in use before.
    #[must_use]
    pub fn new(shard_bits: u8) -> Self {
        let shard_bits = shard_bits.min(MAX_SHARD_BITS);
        let shards = std::iter::repeat_with(ShardSource::default).take(1 << shard_bits).collect();
        Self { shard_bits, shards, kinds: BTreeMap::new(), tokens: 0 }
    }

    /// With these entries, in whatever order they come.
    pub fn from_entries(shard_bits: u8, entries: Vec<Entry>) -> Result<Self, BuildError> {
        let mut source = Self { tokens: entries.len(), ..Self::new(shard_bits) };
        for entry in &entries {
            check(entry)?;
            *source.kinds.entry(entry.kind).or_default() += 1;
        }
        source.distribute(entries);
        for shard in &source.shards {
            for pair in shard.entries.array_windows::<2>() {
                let [one, other] = pair;
                if one.fingerprint == other.fingerprint {
                    return Err(BuildError::Duplicate(one.leak.min(other.leak), one.leak.max(other.leak)));
                }
            }
        }
        Ok(source)
    }

    /// How many entries there are.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens as u64
    }

    /// How many leading bits the fingerprints of a shard share.
    #[must_use]
    pub fn shard_bits(&self) -> u8 {
        self.shard_bits
    }

    /// The entries, in the order of their fingerprints.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shards.iter().flat_map(|shard| &shard.entries)
    }

    /// The entries of one shard, in the order of their fingerprints.
    #[must_use]
    pub fn shard_entries(&self, shard: usize) -> &[Entry] {
        self.shards.get(shard).map(|shard| shard.entries.as_slice()).unwrap_or_default()
    }

    /// Which kinds the entries are of, and how many are of each.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, usize)> {
        self.kinds.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Makes a change, and says whether it was one.
    pub fn apply(&mut self, change: Change) -> Result<bool, BuildError> {
        match change {
            Change::Put(entry) => self.put(entry),
            Change::Remove(fingerprint) => Ok(self.remove(&fingerprint)),
        }
    }

    /// Cuts the entries anew when they have become too many or too few for their shards, and says whether it did.
    pub fn fit(&mut self) -> bool {
        let shard_bits = sharding::shard_bits(self.tokens(), Some(self.shard_bits));
        let unfit = shard_bits != self.shard_bits;
        if unfit {
            let mut entries = Vec::with_capacity(self.tokens);
            self.shards.drain(..).for_each(|shard| entries.extend(shard.entries));
            *self = Self { kinds: std::mem::take(&mut self.kinds), tokens: self.tokens, ..Self::new(shard_bits) };
            self.distribute(entries);
        }
        unfit
    }

    /// Builds the index; its fingerprints were made with `key`. Only shards that changed since the last time are built.
    ///
    /// The same entries in the same number of shards give the same bytes, whatever led to them.
    pub fn build(&mut self, tenant: &str, key: &FingerprintKey, epoch: u64, built_at_ms: u64) -> Result<BuiltIndex, BuildError> {
        let (mut sums, mut shards) = (Vec::with_capacity(self.shards.len()), Vec::with_capacity(self.shards.len()));
        for shard in &mut self.shards {
            let (sum, bytes) = shard.build(self.shard_bits)?;
            sums.push(sum);
            shards.push(bytes);
        }
        let header = IndexHeader {
            format: FORMAT,
            tenant: tenant.to_owned(),
            key_check: key.check(),
            epoch,
            shard_bits: self.shard_bits,
            tokens: self.tokens(),
            kinds: self.kinds.keys().copied().collect::<Kinds>(),
            built_at_ms,
            shards: sums,
            settings: Vec::new(),
        };
        Ok(BuiltIndex { header, shards })
    }

    /// The probability that a fingerprint which is not there is taken for one that is.
    ///
    /// It must lead to a key, whose path of `n` bits one of 2ⁿ fingerprints follows, agree with its check, and have passed the prefilter;
    /// each of the three looks at bits of its own.
    #[must_use]
    pub fn false_match(&self) -> f64 {
        let led_to_a_key: f64 = self.shards.iter().map(|shard| shard.led_to_a_key(self.shard_bits)).sum();
        led_to_a_key * 0.5_f64.powi((entry::CHECK_BITS + prefilter::BITS).cast_signed())
    }

    fn put(&mut self, entry: Entry) -> Result<bool, BuildError> {
        check(&entry)?;
        let Some(shard) = self.shards.get_mut(sharding::shard_of(&entry.fingerprint, self.shard_bits)) else { return Ok(false) };
        match shard.place(&entry.fingerprint) {
            Ok(place) => {
                let Some(there) = shard.entries.get_mut(place) else { return Ok(false) };
                if there.leak != entry.leak {
                    return Err(BuildError::Duplicate(there.leak.min(entry.leak), there.leak.max(entry.leak)));
                }
                if *there == entry {
                    return Ok(false);
                }
                let before = std::mem::replace(there, entry);
                if before.action != entry.action {
                    shard.built = None;
                }
                self.forget(before.kind);
            }
            Err(place) => {
                shard.entries.insert(place, entry);
                shard.built = None;
                self.tokens += 1;
            }
        }
        *self.kinds.entry(entry.kind).or_default() += 1;
        Ok(true)
    }

    fn remove(&mut self, fingerprint: &Fingerprint) -> bool {
        let Some(shard) = self.shards.get_mut(sharding::shard_of(fingerprint, self.shard_bits)) else { return false };
        let Ok(place) = shard.place(fingerprint) else { return false };
        let entry = shard.entries.remove(place);
        shard.built = None;
        self.tokens -= 1;
        self.forget(entry.kind);
        true
    }

    /// Takes a kind away with its last entry.
    fn forget(&mut self, kind: Kind) {
        if let Some(count) = self.kinds.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                self.kinds.remove(&kind);
            }
        }
    }

    /// Puts entries into their shards, each of which gets exactly the room that it needs.
    fn distribute(&mut self, entries: Vec<Entry>) {
        let mut counts = vec![0; self.shards.len()];
        let shard_of = |entry: &Entry| sharding::shard_of(&entry.fingerprint, self.shard_bits);
        for entry in &entries {
            if let Some(count) = counts.get_mut(shard_of(entry)) {
                *count += 1;
            }
        }
        for (shard, count) in self.shards.iter_mut().zip(counts) {
            shard.entries.reserve_exact(count);
        }
        for entry in entries {
            if let Some(shard) = self.shards.get_mut(sharding::shard_of(&entry.fingerprint, self.shard_bits)) {
                shard.entries.push(entry);
            }
        }
        for shard in &mut self.shards {
            shard.entries.sort_unstable_by_key(|entry| entry.fingerprint);
        }
    }
}

impl ShardSource {
    fn place(&self, fingerprint: &Fingerprint) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.fingerprint.cmp(fingerprint))
    }

    /// Of all fingerprints, the part that leads to one of the keys.
    fn led_to_a_key(&self, shard_bits: u8) -> f64 {
        let lead = path::lead(shard_bits, self.entries.len());
        // A path has a few steps: the numbers are small.
        let bits = |(_, steps): (_, usize)| i32::from(lead) + 8 * i32::try_from(steps - 1).unwrap_or(i32::MAX / 16);
        paths(lead, &self.entries).map(|path| 0.5_f64.powi(bits(path))).sum()
    }

    fn build(&mut self, shard_bits: u8) -> Result<(ShardSum, Arc<[u8]>), BuildError> {
        if let Some(built) = &self.built {
            return Ok(built.clone());
        }
        let bytes = encode(shard_bits, &self.entries)?;
        let length = u32::try_from(bytes.len()).map_err(|_| BuildError::TooLarge)?;
        let sum = ShardSum { hash: *blake3::hash(&bytes).as_bytes(), length };
        Ok(self.built.insert((sum, bytes.into())).clone())
    }
}
