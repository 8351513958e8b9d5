//! How a control plane starts on a server, and what it says when that is gone.

use std::fs;
use std::process::{Command, Output};

use serde_json::json;
use stopleak_postgres::Postgres;

use crate::world::{Data, World, eventually};

fn run(data: &std::path::Path, arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
    command.args(arguments).arg("--data-dir").arg(data).env("STOPLEAK_DATABASE_URL", url).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_a_503_and_heals() {
    let mut world = World::start().await;
    let leak = json!({"title": "t", "tokens": ["fk_9aQ7zLm2Xw4RtB8v"]});
    world.data.postgres.as_mut().unwrap().stop();
    let detail = world.api.get("/leaks").problem(503, "database-unavailable");
    assert!(detail.contains("server"), "{detail}");
    world.api.post("/leaks", &leak).problem(503, "database-unavailable");
    assert_eq!(world.api.get_raw("/readyz").status, 503);
    assert_eq!(world.api.get_raw("/healthz").status, 200);
    world.data.postgres.as_mut().unwrap().start_again().unwrap();
    world.api.post("/leaks", &leak).created();
    eventually("it is ready", || world.api.get_raw("/readyz").status == 200).await;
}

#[test]
fn what_cannot_be_used_is_said_at_the_start_without_the_password() {
    let data = Data::new();
    let postgres = data.postgres.as_ref().unwrap();
    let nowhere = postgres.url().replacen("/postgres?", "/none?password=hunter22&", 1);
    for (url, code, expected) in [
        (nowhere.as_str(), 1, "cannot be used"),
        ("postgres://me:hunter22@127.0.0.1:1/x", 1, "cannot be used"),
        ("mysql://me:hunter22@127.0.0.1/x", 2, "STOPLEAK_DATABASE_URL"),
    ] {
        let output = run(data.path(), &["serve", "--http", "127.0.0.1:0", "--feed", "127.0.0.1:0"], url);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && text.contains(expected) && !text.contains("hunter22"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrators_token_is_renewed_on_a_server_too() {
    let world = World::start().await;
    let url = world.data.postgres.as_ref().map(Postgres::url).unwrap();
    let output = run(world.data.path(), &["admin-token"], &url);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.api.get("/leaks").problem(401, "unauthenticated");
    let new = fs::read_to_string(world.data.path().join("admin-token")).unwrap();
    world.api.with_token(&new).get("/leaks").ok();
}

/// Keys are no part of the database: whoever starts without them must not make others.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_use_is_not_started_on_with_new_keys() {
    let world = World::start().await;
    let url = world.data.postgres.as_ref().map(Postgres::url).unwrap();
    let other = tempfile::tempdir().unwrap();
    let output = run(other.path(), &["serve", "--http", "127.0.0.1:0", "--feed", "127.0.0.1:0"], &url);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("fingerprint.key is missing"), "{text}");
    assert!(!other.path().join("keys").exists());
}
