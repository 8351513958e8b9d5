//! `stopleak index bench`: what it promises of the index, as far as that is the same on every machine.

use std::process::Command;

use serde_json::Value;

#[test]
fn an_index_of_100_000_tokens_is_compact_and_exact() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_stopleak")).args(["index", "bench", "--tokens", "100000", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number =
        |path: &str| measured.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {measured:#}"));

    // (what, at least, at most); times only have to be there.
    for (path, least, most) in [
        ("/tokens", 100_000.0, 100_000.0),
        ("/shards", 64.0, 64.0),
        ("/bytes_per_token/all", 12.0, 13.0),
        ("/bytes_per_token/maps", 11.0, 11.7),
        ("/bytes_per_token/prefilters", 1.23, 1.26),
        ("/bytes_per_token/heads", 0.01, 0.02),
        ("/bytes_per_token/header", 0.04, 0.05),
        // 1.3 with a million; here the kinds alone are 0.02.
        ("/worker_bytes_per_token/all", 1.2, 1.33),
        ("/worker_bytes_per_token/prefilters", 1.23, 1.27),
        ("/worker_bytes_per_token/beside_each_prefilter", 0.03, 0.05),
        ("/worker_bytes_per_token/kinds", 0.02, 0.025),
        ("/shard_bytes/min", 15_000.0, 20_000.0),
        ("/shard_bytes/mean", 19_000.0, 21_000.0),
        ("/shard_bytes/max", 20_000.0, 25_000.0),
        ("/false_match_log2", -60.0, -52.0),
        ("/prefilter_pass_rate", 0.0035, 0.0043),
        ("/resent_bytes_for_one_change/all", 20_000.0, 40_000.0),
        ("/resent_bytes_for_one_change/header", 2_048.0, 3_000.0),
        ("/resent_bytes_for_one_change/largest_shard", 18_000.0, 38_000.0),
        ("/look_up_ns/hit", 0.0, f64::MAX),
        ("/look_up_ns/miss", 0.0, f64::MAX),
        ("/build_ms/whole", 0.0, f64::MAX),
        ("/build_ms/after_one_change", 0.0, f64::MAX),
        ("/compared_with/flat_sorted_array/bytes_per_token", 12.0, 13.0),
        ("/compared_with/flat_sorted_array/false_match_log2", -65.0, -52.0),
        ("/compared_with/flat_sorted_array/hit_ns", 0.0, f64::MAX),
        ("/compared_with/flat_sorted_array/miss_ns", 0.0, f64::MAX),
        ("/compared_with/fst_of_10_bytes/bytes_per_token", 17.0, 25.0),
        ("/compared_with/fst_of_10_bytes/false_match_log2", -65.0, -52.0),
        ("/compared_with/fst_of_10_bytes/hit_ns", 0.0, f64::MAX),
        ("/compared_with/fst_of_10_bytes/miss_ns", 0.0, f64::MAX),
        ("/compared_with/bloom_filter/bytes_per_token", 9.0, 10.0),
    ] {
        let got = number(path);
        assert!((least..=most).contains(&got), "{path} is {got}, expected {least} to {most}");
    }
}
