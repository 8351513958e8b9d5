//! The same facts in plainer ways, measured in the same run.

use serde_json::{Value, json};
use stopleak_contract::Fingerprint;
use stopleak_contract::index::{Action, Entry};

use super::bench::{fastest, to_f64};

/// Bits of action and leak number.
const FACT_BITS: f64 = 23.0;

/// Measures each with about the same error.
pub(super) fn run(entries: &[Entry], strange: &[Fingerprint], known: &[Fingerprint], error_log2: f64) -> anyhow::Result<Value> {
    let mut facts: Vec<(Fingerprint, u32)> = entries.iter().map(|entry| (entry.fingerprint, fact(entry))).collect();
    facts.sort_unstable();
    Ok(json!({
        "flat_sorted_array": flat(&facts, strange, known, error_log2),
        "fst_of_10_bytes": plain_fst(&facts, strange, known)?,
        "bloom_filter": {
            // 1.44 bits for each bit of error, in the optimal filter; cannot tell leak and action.
            "bytes_per_token": -error_log2 * std::f64::consts::LOG2_E / 8.0,
            "tells_leak_and_action": false,
        },
    }))
}

/// Leak number and action in 23 bits.
fn fact(entry: &Entry) -> u32 {
    entry.leak << 1 | u32::from(entry.action == Action::Block)
}

/// As many leading bits of each fingerprint as the error asks for, the fact after them, in whole bytes.
fn flat(facts: &[(Fingerprint, u32)], strange: &[Fingerprint], known: &[Fingerprint], error_log2: f64) -> Value {
    let key_bits = to_f64(facts.len()).log2() - error_log2;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some 12 bytes")]
    let width = ((key_bits + FACT_BITS) / 8.0).ceil() as usize;
    // The bits of the first byte of the fact that it does not need belong to the key.
    let key_bytes = width - 3;
    let mut array = Vec::with_capacity(facts.len() * width);
    for (fingerprint, fact) in facts {
        let bytes = fingerprint.as_bytes();
        let last = bytes[key_bytes] & 0x80;
        array.extend_from_slice(&bytes[..key_bytes]);
        array.extend_from_slice(&(u32::from(last) << 16 | fact).to_be_bytes()[1..]);
    }
    let look_up = |fingerprint: &Fingerprint| {
        let (bytes, mut low, mut high) = (fingerprint.as_bytes(), 0, facts.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let entry = &array[middle * width..][..width];
            let key = (&entry[..key_bytes], entry[key_bytes] & 0x80);
            match key.cmp(&(&bytes[..key_bytes], bytes[key_bytes] & 0x80)) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    };
    json!({
        "bytes_per_token": width,
        "hit_ns": fastest(known, look_up),
        "miss_ns": fastest(strange, look_up),
        "false_match_log2": to_f64(facts.len()).log2() - to_f64(key_bytes * 8 + 1),
    })
}

/// Ten bytes of each fingerprint in one `fst::Map`.
fn plain_fst(facts: &[(Fingerprint, u32)], strange: &[Fingerprint], known: &[Fingerprint]) -> anyhow::Result<Value> {
    const KEY: usize = 10;
    let mut map = fst::MapBuilder::memory();
    for (fingerprint, fact) in facts {
        map.insert(&fingerprint.as_bytes()[..KEY], u64::from(*fact))?;
    }
    let map = map.into_map();
    let look_up = |fingerprint: &Fingerprint| map.get(&fingerprint.as_bytes()[..KEY]).is_some();
    Ok(json!({
        "bytes_per_token": to_f64(map.as_fst().size()) / to_f64(facts.len()),
        "hit_ns": fastest(known, look_up),
        "miss_ns": fastest(strange, look_up),
        "false_match_log2": to_f64(facts.len()).log2() - 80.0,
    }))
}
