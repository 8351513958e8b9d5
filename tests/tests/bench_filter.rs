//! `just bench-filter --quick` measures every variant; how much each takes is no matter of a test.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

#[test]
fn every_variant_is_measured_with_every_request() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-filter")).args(["--quick", "--json"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout)?;
    let reports = json["reports"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(reports.len(), 3, "{json}");
    for report in reports {
        let variants = report["variants"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(variants.len(), 8, "{report}");
        for variant in variants {
            let positive = |key: &str| variant[key].as_f64().is_some_and(|number| number > 0.0);
            assert!(positive("cpu_us") && positive("to_noop_wasm") && positive("p50_us") && positive("p99_us"), "{variant}");
            let service = variant["service_cpu_us"].as_f64().unwrap_or_default();
            assert!(service > 0.0 || !variant["variant"].to_string().contains("ext_authz"), "{variant}");
        }
    }
    Ok(())
}
