//! `envoy/standalone/` without a control plane: Envoy accepts the file, alone and with the TLS of its README, the filter accepts
//! the settings in it, and nothing that it logs can hold a token. The end-to-end tests run the same file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use stopleak_contract::PluginConfig;

/// What an access log may print: nothing in here is text that a client chooses.
const LOGGED: [&str; 7] = [
    "%START_TIME%",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "%ROUTE_NAME%",
    "%RESPONSE_CODE%",
    "%DURATION%",
    "%FILTER_STATE(wasm.stopleak.verdict:PLAIN)%",
    "%FILTER_STATE(wasm.stopleak.leak:PLAIN)%",
];

#[test]
fn envoy_accepts_the_bootstrap_as_it_is() {
    assert_eq!(objection(&bootstrap()), None);
}

#[test]
fn envoy_accepts_the_bootstrap_with_the_tls_of_the_readme() {
    assert_eq!(objection(&with_tls()), None);
}

#[test]
fn envoy_refuses_a_misspelt_field_a_missing_module_and_an_unknown_setting() {
    let refused = |from: &str, to: &str, message: &str| {
        let text = with_tls();
        assert!(text.contains(from), "{from}");
        let objection = objection(&text.replace(from, to)).unwrap_or_else(|| panic!("{to} was accepted"));
        assert!(objection.contains(message), "{to}: {objection}");
    };
    refused("failure_policy:", "failure_polcy:", "failure_polcy");
    refused("match_typed_subject_alt_names:", "match_subject_names:", "match_subject_names");
    refused("stopleak_filter.wasm", "no_such_filter.wasm", "no_such_filter.wasm");
    refused("\"enforce\"", "\"enforced\"", "enforced");
}

#[test]
fn the_filter_cannot_be_bypassed_and_its_credential_is_not_in_the_file() {
    let wasm = &filters()[0]["typed_config"]["config"];
    assert_eq!(wasm["failure_policy"], "FAIL_RELOAD");
    assert!(wasm["vm_config"]["code"]["local"]["filename"].is_string(), "never `code.remote`: see README.md");
    let config = PluginConfig::from_json(wasm["configuration"]["value"].as_str().unwrap().as_bytes()).unwrap();
    assert!(config.credential.is_none());
    assert!(config.public_key.is_none());
}

#[test]
fn the_access_log_prints_nothing_that_a_client_chooses() {
    let manager = gateway();
    let log = &manager["access_log"].as_array().unwrap()[0]["typed_config"]["log_format"]["json_format"];
    let formats: Vec<_> = log.as_object().unwrap().values().map(|format| format.as_str().unwrap()).collect();
    assert_eq!(formats.len(), LOGGED.len());
    for format in formats {
        assert!(LOGGED.contains(&format), "{format} is logged");
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn bootstrap() -> String {
    fs::read_to_string(repository().join("envoy/standalone/envoy.yaml")).unwrap()
}

/// The HTTP connection manager of the listener `gateway`.
fn gateway() -> Value {
    let config: Value = serde_saphyr::from_str(&bootstrap()).unwrap();
    let listener = &config["static_resources"]["listeners"][0];
    assert_eq!(listener["name"], "gateway");
    listener["filter_chains"][0]["filters"][0]["typed_config"].clone()
}

fn filters() -> Vec<Value> {
    gateway()["http_filters"].as_array().unwrap().clone()
}

/// The bootstrap with the README's block put where the README says: in the cluster of the feed, which is the last one.
fn with_tls() -> String {
    let readme = fs::read_to_string(repository().join("envoy/standalone/README.md")).unwrap();
    let (_, after) = readme.split_once("```yaml\n").expect("the README has the block");
    let (block, _) = after.split_once("```").unwrap();
    let (before, feed) = bootstrap().split_once("- name: stopleak_feed").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(!feed.contains("- name:"), "the feed's cluster is the last one");
    format!("{before}- name: stopleak_feed{}{block}", feed.replace("STATIC", "STRICT_DNS"))
}

/// What Envoy has against a bootstrap. It loads the module too, so the filter also judges its settings.
fn objection(bootstrap: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("envoy.yaml");
    fs::write(&path, bootstrap).unwrap();
    let envoy =
        std::env::var_os("STOPLEAK_ENVOY").map_or_else(|| repository().join(".tools/envoy/envoy/_bin/envoy"), PathBuf::from);
    let output = Command::new(&envoy)
        .args(["--mode", "validate", "--log-level", "error", "--config-path"])
        .arg(&path)
        // The bootstrap names the module from the root of the repository.
        .current_dir(repository())
        .env("STOPLEAK_CREDENTIAL", "not-a-real-credential")
        .env("STOPLEAK_PUBLIC_KEY", format!("58{}", "66".repeat(31)))
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; run `just build`", envoy.display()));
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
