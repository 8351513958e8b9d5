//! `just bench-feed --quick` measures every part; how long each takes is no matter of a test.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

#[test]
fn every_part_is_measured() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-feed")).args(["--quick", "--json"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout)?;
    let enforced = &json["enforced"];
    let number = |part: &Value, key: &str| part[key].as_f64().with_context(|| format!("no {key} in {part}"));
    let ordered =
        [0.0, number(enforced, "enforced_p50_ms")?, number(enforced, "enforced_p99_ms")?, number(enforced, "enforced_worst_ms")?];
    assert!(ordered.is_sorted() && enforced["decisions"] == 5, "{enforced}");
    assert!(
        number(enforced, "answered_p50_ms")? < number(enforced, "enforced_p50_ms")?,
        "answered before it is enforced: {enforced}"
    );

    let fleet = &json["fleets"][0];
    assert_eq!((&fleet["streams"], &fleet["decisions"]), (&20.into(), &3.into()), "{fleet}");
    let ordered =
        [0.0, number(fleet, "first_p50_ms")?, number(fleet, "everywhere_p50_ms")?, number(fleet, "everywhere_worst_ms")?];
    assert!(ordered.is_sorted() && number(fleet, "resident_bytes_before")? > 1e6, "{fleet}");

    let first_load = &json["first_load"];
    assert!(first_load["tokens"] == 2_000 && number(first_load, "in_force_seconds")? > 0.0, "{first_load}");
    Ok(())
}
