//! Size, speed and error of an index of made-up tokens.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};
use stopleak_contract::feed::{Message as _, parts, wire};
use stopleak_contract::index::{
    Action, BuildError, BuiltIndex, Change, Classes, Entry, Index, IndexSource, Kind, Kinds, Prefilter, Shard, ShardSum,
    SigningKey, shard_bits,
};
use stopleak_contract::{Fingerprint, FingerprintKey};

use super::rivals;

/// Rounds of a measurement of time, each with probes of its own, of which the fastest counts.
const ROUNDS: usize = 5;
/// Look-ups of all rounds.
const PROBES: usize = 200_000;
/// Strange fingerprints for the prefilter's pass rate: 0.4 % of them, give or take a thirtieth.
const STRANGERS: usize = 400_000;

pub(super) fn run(tokens: u32, bits: Option<u8>) -> anyhow::Result<Value> {
    let entries = entries(tokens);
    let bits = bits.unwrap_or_else(|| shard_bits(tokens.into(), None));
    let key = FingerprintKey::new([7; 32]);

    let given = entries.clone();
    let started = Instant::now();
    let mut source = IndexSource::from_entries(bits, given)?;
    let built = source.build("bench", &key, 1, 0)?;
    let whole = started.elapsed();
    let shards: Vec<_> = built.shards.iter().map(Shard::from_verified).collect::<Result<_, _>>()?;
    let (n, n_shards) = (f64::from(tokens), to_f64(shards.len()));

    let sizes: Vec<usize> = built.shards.iter().map(|bytes| bytes.len()).collect();
    let prefilters: Vec<Prefilter> = shards.iter().map(Shard::prefilter).collect();
    let in_prefilters: usize = prefilters.iter().map(|prefilter| prefilter.heap_size() + PREFILTER_HEAD).sum();
    let in_shards: usize = sizes.iter().sum();
    let in_heads = shards.len() * SHARD_HEAD;
    let in_header = shards.len() * size_of::<ShardSum>() + Kinds::SIZE;
    drop(shards);

    let (strangers, error) = (strangers(STRANGERS), source.false_match().log2());
    let pass = |fingerprint: &&Fingerprint| prefilters[built.header.shard_of(fingerprint)].may_hold(fingerprint);
    let pass_rate = to_f64(strangers.iter().filter(pass).count()) / to_f64(strangers.len());
    let worker = Worker::of(&prefilters);
    let change = change(&mut source, &built, &key, entries[0])?;

    let known: Vec<Fingerprint> = probes(&entries);
    let index = Index::open(built.header, built.shards)?;
    let look_up = |probes: &[Fingerprint]| fastest(probes, |fingerprint| index.look_up(fingerprint).is_some());
    let times = (look_up(&known), look_up(&strangers[..PROBES]));
    let peak = peak_memory();
    drop((index, source));

    Ok(json!({
        "tokens": tokens,
        "shards": sizes.len(),
        "bytes_per_token": {
            "all": to_f64(in_shards + in_header) / n,
            "maps": to_f64(in_shards - in_prefilters - in_heads) / n,
            "prefilters": to_f64(in_prefilters) / n,
            "heads": to_f64(in_heads) / n,
            "header": to_f64(in_header) / n,
        },
        "worker_bytes_per_token": {
            "all": to_f64(worker.prefilters + worker.beside + worker.once) / n,
            "prefilters": to_f64(worker.prefilters) / n,
            "beside_each_prefilter": to_f64(worker.beside) / n,
            "kinds": to_f64(worker.once) / n,
        },
        "shard_bytes": {
            "min": sizes.iter().min(),
            "mean": to_f64(in_shards) / n_shards,
            "max": sizes.iter().max(),
        },
        "false_match_log2": error,
        "prefilter_pass_rate": pass_rate,
        "look_up_ns": { "hit": times.0, "miss": times.1 },
        "build_ms": { "whole": whole.as_secs_f64() * 1e3, "after_one_change": change.milliseconds },
        "resent_bytes_for_one_change": { "all": change.header + change.shard, "header": change.header, "largest_shard": change.shard },
        "peak_memory_bytes": peak,
        "compared_with": rivals::run(&entries, &strangers[..PROBES], &known, error)?,
    }))
}

/// Seed and block length in front of a prefilter's blocks.
const PREFILTER_HEAD: usize = 12;
/// In front of a prefilter and a map.
const SHARD_HEAD: usize = 16;

/// What an index takes up in each worker's memory, as its allocator counts.
struct Worker {
    prefilters: usize,
    beside: usize,
    once: usize,
}

impl Worker {
    fn of(prefilters: &[Prefilter]) -> Self {
        // Beside each prefilter: where it lies, the shard's sum, and the version of its page that was verified.
        let slot = size_of::<Prefilter>() + size_of::<ShardSum>() + size_of::<u32>();
        Self {
            prefilters: prefilters.iter().map(|prefilter| allocation(prefilter.heap_size())).sum(),
            beside: allocation(prefilters.len() * slot),
            once: size_of::<Kinds>() + allocation(Kinds::SIZE),
        }
    }
}

/// What common allocators take for so many bytes: a word in front, in steps of 16. With the words of 32 bits that a worker has, it is less.
fn allocation(bytes: usize) -> usize {
    (bytes + size_of::<usize>()).next_multiple_of(16)
}

/// What it takes to make one token's leak a patched one, in the worst case.
struct ChangeCost {
    milliseconds: f64,
    header: usize,
    shard: usize,
}

fn change(source: &mut IndexSource, before: &BuiltIndex, key: &FingerprintKey, entry: Entry) -> Result<ChangeCost, BuildError> {
    let action = if entry.action == Action::Block { Action::Observe } else { Action::Block };
    let started = Instant::now();
    source.apply(Change::Put(Entry { action, ..entry }))?;
    let after = source.build("bench", key, 2, 0)?;
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;

    let changed =
        |shard: &wire::ShardSum| before.header.shards.get(shard.shard as usize) != after.header.shards.get(shard.shard as usize);
    let largest = (0..).zip(&after.shards).max_by_key(|(_, bytes)| bytes.len());
    let parts = largest.into_iter().flat_map(|(place, bytes)| parts(2, place, bytes));
    let shard = parts.map(|part| message(wire::to_gateway::Message::Shard(part))).sum();
    let mut header = SigningKey::new(&[3; 32]).seal(after.header.clone()).to_wire();
    header.shards.retain(changed);
    Ok(ChangeCost { milliseconds, header: message(wire::to_gateway::Message::Header(header)), shard })
}

/// Bytes of a message on the wire.
fn message(message: wire::to_gateway::Message) -> usize {
    wire::ToGateway { message: Some(message) }.encoded_len()
}

/// Tokens of a dozen kinds, in no order: fingerprints are the same in each run.
fn entries(tokens: u32) -> Vec<Entry> {
    let (lower, upper, digit) = (Classes::LOWER, Classes::UPPER, Classes::DIGIT);
    let classes = [lower.with(digit), lower.with(upper).with(digit), lower.with(upper).with(digit).with(Classes::DASH)];
    let lengths = [20, 32, 40, 64];
    let mut stream = blake3::Hasher::new_derive_key("stopleak index bench tokens").finalize_xof();
    let entry = |n: u32| {
        let mut bytes = [0; 32];
        stream.fill(&mut bytes);
        let action = if n.is_multiple_of(4) { Action::Block } else { Action::Observe };
        let kind = Kind::new(lengths[n as usize % lengths.len()], classes[n as usize % classes.len()]);
        Entry { fingerprint: fingerprint(&bytes), leak: n / 12 + 1, action, kind }
    };
    (0..tokens).map(entry).collect()
}

/// Fingerprints that the index does not have.
fn strangers(number: usize) -> Vec<Fingerprint> {
    let mut bytes = vec![0; number * 32];
    blake3::Hasher::new_derive_key("stopleak index bench strangers").finalize_xof().fill(&mut bytes);
    bytes.chunks_exact(32).map(fingerprint).collect()
}

/// Fingerprints of the index, from all over it.
fn probes(entries: &[Entry]) -> Vec<Fingerprint> {
    (0..PROBES).map(|n| entries[n * 7_919 % entries.len()].fingerprint).collect()
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    Fingerprint::from_stored(bytes).expect("made with 32 bytes")
}

/// Nanoseconds of one look-up, in the fastest round.
pub(super) fn fastest(probes: &[Fingerprint], look_up: impl Fn(&Fingerprint) -> bool) -> f64 {
    let round = |probes: &[Fingerprint]| {
        let started = Instant::now();
        black_box(probes.iter().filter(|probe| look_up(probe)).count());
        started.elapsed().as_secs_f64() * 1e9 / to_f64(probes.len())
    };
    probes.chunks_exact(PROBES / ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

#[expect(clippy::cast_precision_loss, reason = "counts and sizes of a benchmark")]
pub(super) fn to_f64(number: usize) -> f64 {
    number as f64
}

/// The most memory that this process ever had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
