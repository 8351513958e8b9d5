//! What the document of the API says, held against what the API does: [Schemathesis](https://schemathesis.io) calls every operation with
//! what its schemas allow, and with what they do not, and looks whether each answer is one that the document promises.

use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use stopleak::config::Config;

use crate::world::{Api, Data, PASSWORD, World};

/// The tenant that is called. The token belongs to another one, so that nothing that is removed or revoked there is the caller's own.
const TENANT: &str = "fuzz";
/// Cases for each operation, beside those that cover its schemas one by one.
const EXAMPLES: &str = "6";

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_does_what_the_document_says() {
    let data = Data::new();
    let config = Config {
        requests_per_minute: NonZeroU32::new(4_000_000),
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..data.config()
    };
    let world = World::start_with(data, &config).await;
    world.tenant(TENANT).await;
    let place = world.data.path().join("place");
    std::fs::create_dir(&place).unwrap();
    fill(&world.api.of_tenant(TENANT), &place);

    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemathesis");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let run = Command::new("python3")
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(here.join("schemathesis.toml"))
        .arg("run")
        .arg(root.join("docs/openapi.json"))
        .args(["--url", &world.api.base])
        .args(["--header", &format!("Authorization: Bearer {}", world.api.token)])
        .args(["--header", &format!("Stopleak-Tenant: {TENANT}")])
        .args(["--max-examples", EXAMPLES, "--generation-deterministic", "--continue-on-failure", "--no-color"])
        .current_dir(world.data.path())
        .env("PYTHONPATH", root.join(".tools/schemathesis").canonicalize().expect("scripts/setup fetches it"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", here.join("hooks.py"))
        .output();
    let run = tokio::task::block_in_place(|| run).expect("Python runs schemathesis");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    // It would also be content with a server that refuses everything.
    let tested = told.lines().find_map(|line| line.trim().strip_prefix("Tested: ")).map(str::parse::<usize>);
    assert_eq!(tested, Some(Ok(stopleak::api::rights::routes().len())), "{told}");
    world.api.get("/leaks").ok();
}

/// Something of each kind, so that the first number leads somewhere, and `LK-7`.
fn fill(api: &Api, place: &Path) {
    for leak in 1..=9 {
        let token = format!("fk_{leak}aQ7zLm2Xw4RtB8v");
        api.post("/leaks", &json!({"title": format!("leak {leak}"), "tokens": [token]})).created();
    }
    api.post("/leaks/LK-7/comments", &json!({"text": "seen"})).created();
    api.post("/leaks/LK-7/decisions", &json!({"action": "close", "at": "2040-01-01T00:00:00Z"}));
    api.post("/policies", &json!({"name": "old", "action": "close", "age_days": 900})).created();
    api.post("/sources", &json!({"location": place})).created();
    api.post("/imports", &json!({"name": "a report"})).created();
    api.post("/gateways", &json!({"name": "edge"})).created();
    api.post("/users", &json!({"name": "ann", "role": "administrator", "password": PASSWORD})).created();
    api.post("/api-tokens", &json!({"name": "ci", "role": "analyst"})).created();
}
