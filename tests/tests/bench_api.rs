//! `just bench-api --quick` fills both databases, finds that everything is counted rightly, and asks everything; how long that takes is no
//! matter of a test.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

fn everything_is_asked(database: &str) -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-api")).args(["--quick", "--json", "--database", database]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&json["leaks"], &json["attempts"]), (&2_000.into(), &20_000.into()));
    let more_than =
        |name: &str, least: f64| assert!(json[name].as_f64().is_some_and(|number| number > least), "{name} in {json}");
    more_than("tokens", 19_000.0);
    more_than("indexed_tokens", 10_000.0);
    more_than("resident_bytes_at_start", 1e6);
    more_than("published_after_seconds", 0.0);
    let series = json["series"].as_array().map(Vec::as_slice).unwrap_or_default();
    for group in ["leaks", "attempts", "one leak", "charts' numbers", "decisions"] {
        assert!(series.iter().any(|series| series["group"] == group), "{group}");
    }
    for series in series {
        let number = |name: &str| series[name].as_f64().unwrap_or_default();
        let ordered = [0.001, number("p50_ms"), number("p95_ms"), number("p99_ms"), number("worst_ms")];
        assert!(ordered.is_sorted(), "{series}");
        assert_eq!(series["missed"].as_bool(), Some(series["goal_ms"].as_f64().is_some_and(|goal| number("p95_ms") > goal)));
    }
    Ok(())
}

#[test]
fn everything_is_asked_of_a_postgres() -> Result<()> {
    everything_is_asked("postgres")
}

#[test]
fn everything_is_asked_of_an_sqlite_file() -> Result<()> {
    everything_is_asked("sqlite")
}
