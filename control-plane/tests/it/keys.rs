//! Keys are changed for new ones, and nothing is forgotten on the way.

use std::process::Command;

use serde_json::{Value, json};
use stopleak::keys::{FINGERPRINT, SIGNING};
use stopleak::serve::Server;
use stopleak_contract::index::Pinned;

use crate::cli::Cli;
use crate::client::Gateway;
use crate::webhooks::{Sender, ours};
use crate::world::{Data, World, eventually};

const OLD: &str = "fk_came-in-under-the-old-key-1";
const BACK: &str = "fk_turns-up-again-2";
const NEW: &str = "fk_came-in-under-the-new-key-3";

/// A gateway with this credential that has the newest index.
async fn connect(world: &World, credential: &str) -> Gateway {
    let mut gateway = Gateway::open(world, credential).await.unwrap();
    gateway.hello().await;
    gateway.take_index().await;
    gateway
}

/// What `stopleak keys` says, and whether it did what it was told.
fn keys(data: &Data, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
    command.arg("keys").args(arguments).arg("--data-dir").arg(data.path());
    if let Some(postgres) = &data.postgres {
        command.env("STOPLEAK_DATABASE_URL", postgres.url());
    }
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Of the fingerprint key with this number.
fn left(data: &Data, number: i64) -> Value {
    let (done, text) = keys(data, &["status", "--json"]);
    assert!(done, "{text}");
    let status: Value = serde_json::from_str(&text).unwrap();
    let is_it = |key: &&Value| key["kind"] == "fingerprint" && key["number"] == number;
    status["keys"].as_array().unwrap().iter().find(is_it).cloned().unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_key_is_changed_and_no_token_is_forgotten() {
    let world = World::start().await;
    world.api.patch("/tenants/default", &json!({"public_checks": true})).ok();
    let (_, credential) = world.gateway("edge");
    let webhook = Sender::add(&world.api, "ci");
    world.leak(&[OLD]);
    world.leak(&[BACK]);
    for leak in [1, 2] {
        world.api.post(&format!("/leaks/{leak}/decisions"), &json!({"action": "apply_virtual_patch"})).created();
    }
    let mut gateway = connect(&world, &credential).await;
    let late = gateway.attempt(1, 2, BACK);
    drop(gateway);
    let data = world.stop().await;

    // Both keys are known before the new one is used: so are those of several servers.
    assert!(keys(&data, &["add", "fingerprint"]).0);
    let world = World::start_in(data).await;
    gateway = connect(&world, &credential).await;
    assert!(gateway.keys.as_ref().unwrap().second.is_some());
    assert_eq!((gateway.verdict(OLD), gateway.verdict(BACK)), (Some((1, true)), Some((2, true))));
    drop(gateway);
    let data = world.stop().await;
    assert!(keys(&data, &["swap", "fingerprint"]).0);
    let world = World::start_in(data).await;
    gateway = connect(&world, &credential).await;
    assert_eq!((gateway.verdict(OLD), gateway.verdict(BACK)), (Some((1, true)), Some((2, true))), "under the second");

    // What comes in comes in under the new key, what was there is recognised, and what turns up again is brought under the new key.
    let epoch = world.leak(&[NEW])["epoch"].as_u64().unwrap();
    gateway.take_index_until(epoch).await;
    world.api.post("/leaks", &json!({"title": "again", "tokens": [BACK]})).problem(409, "token-already-leaked");
    let reason = json!({"action": "close", "reason": format!("it was {OLD}")});
    world.api.post("/leaks/3/decisions", &reason).problem(422, "invalid");
    gateway.take_index_until(world.epoch()).await;
    for (token, expected) in [(OLD, (1, true)), (BACK, (2, true)), (NEW, (3, false))] {
        assert_eq!(gateway.verdict(token), Some(expected), "{token}");
    }
    assert_ne!(gateway.fingerprint(BACK).as_bytes().as_slice(), late.fingerprint.as_slice());
    assert_eq!(gateway.index.as_ref().unwrap().header().tokens, 3);

    // An attempt that a gateway has kept since names the old fingerprint.
    let attempts = vec![late, gateway.attempt(2, 1, OLD), gateway.attempt(3, 3, NEW)];
    gateway.report(1, attempts).await;
    assert_eq!(world.api.get("/attempts").ok()["attempts"].as_array().unwrap().len(), 3);
    assert!(world.api.get_raw("/metrics").text.contains("stopleak_false_matches_total 0\n"));
    // A sender whose secret is of the old key.
    assert_eq!(webhook.send(&world.api, &ours(&[OLD])).ok()["found_new"], 0);

    let data = &world.data;
    assert_eq!(left(data, 1)["watched_tokens"], 0, "the delivery had the last one");
    let (done, text) = keys(data, &["retire", "fingerprint"]);
    assert!(!done && text.contains("1 webhooks are left"), "{text}");
    assert_eq!(world.api.delete(&format!("/webhooks/{}", webhook.id)).status, 204);
    assert!(keys(data, &["retire", "fingerprint"]).0);
    let last = world.epoch();
    let world = World::start_in(world.stop().await).await;
    gateway = connect(&world, &credential).await;
    assert!(gateway.keys.as_ref().unwrap().second.is_none());
    assert_eq!(gateway.index.as_ref().unwrap().header().epoch, last);
    for (token, expected) in [(OLD, (1, true)), (BACK, (2, true)), (NEW, (3, false))] {
        assert_eq!(gateway.verdict(token), Some(expected), "{token}");
    }
    assert!(left(&world.data, 1)["retired_at"].is_string());
    let audit = world.api.get("/audit?action=key.retire").ok();
    assert_eq!(audit["entries"][0]["object"], "key/fingerprint/1", "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_key_under_which_tokens_are_left_stays() {
    let world = World::start().await;
    world.leak(&[OLD]);
    let (_, credential) = world.gateway("edge");
    let data = world.stop().await;
    FINGERPRINT.add_second(data.path()).unwrap();
    FINGERPRINT.swap(data.path()).unwrap();
    let data = World::start_in(data).await.stop().await;
    let (done, text) = keys(&data, &["retire", "fingerprint"]);
    assert!(!done && text.contains("1 tokens that gateways watch"), "{text}");

    let second = FINGERPRINT.second_file(data.path());
    let aside = data.path().join("aside");
    std::fs::rename(&second, &aside).unwrap();
    let refused = Server::start(&data.config()).await.err().unwrap().to_string();
    assert!(refused.contains("1 tokens that gateways watch are under fingerprint key 1"), "{refused}");
    std::fs::rename(&aside, &second).unwrap();

    // A closed leak holds it up while it is observed, and no longer; what of it is opened again is not recognised.
    let world = World::start_in(data).await;
    world.api.post("/leaks/1/decisions", &json!({"action": "close"})).created();
    assert!(!keys(&world.data, &["retire", "fingerprint"]).0, "its use would not be seen any more");
    world.api.post("/leaks/1/decisions", &json!({"action": "reopen"})).created();
    world.api.send("PUT", "/api/v1/settings/closed-leaks", &json!({"observe_days": 0, "on_use": "reopen"})).ok();
    world.api.post("/leaks/1/decisions", &json!({"action": "close"})).created();
    assert!(keys(&world.data, &["retire", "fingerprint"]).0);
    let world = World::start_in(world.stop().await).await;
    world.api.post("/leaks/1/decisions", &json!({"action": "reopen"})).created();
    let gateway = connect(&world, &credential).await;
    assert_eq!((gateway.verdict(OLD), gateway.index.as_ref().unwrap().header().tokens), (None, 0));
    let data = world.stop().await;
    // A key that was retired does not come back.
    FINGERPRINT.add_second(data.path()).unwrap();
    std::fs::copy(&second, &aside).unwrap();
    World::start_in(data).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_ask_under_both_keys() {
    let world = World::start().await;
    world.leak(&[OLD]);
    let data = world.stop().await;
    FINGERPRINT.add_second(data.path()).unwrap();
    FINGERPRINT.swap(data.path()).unwrap();
    let world = World::start_in(data).await;
    world.leak(&[NEW]);
    let server = world.api.get("/checks").ok();
    assert!(server["second_key_check"].is_string() && server["key_check"] != server["second_key_check"]);
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let output = cli.output(&["check", "--json"], &format!("{OLD}\nfk_in-no-leak-at-all\n{NEW}\n"));
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checks["leaked"], 2, "{checks}");
    let of = |line: usize| (checks["checks"][line]["leak"].clone(), checks["checks"][line]["line"].clone());
    assert_eq!((of(0), of(1), of(2)), ((json!("LK-1"), json!(1)), (Value::Null, json!(2)), (json!("LK-2"), json!(3))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_is_changed_under_gateways_that_pin_both() {
    let world = World::start().await;
    world.leak(&[OLD]);
    let (_, credential) = world.gateway("edge");
    let old = world.app.keys.signing.public_key();
    let data = world.stop().await;
    let (done, text) = keys(&data, &["add", "signing"]);
    let world = World::start_in(data).await;
    let new = world.app.keys.next_public_key().unwrap();
    assert!(done && text.contains(&new.to_hex()), "{text}");
    assert_eq!(world.app.keys.signing.public_key(), old, "it seals with the old one until all gateways pin the new one");
    let shown = world.api.get("/gateways").ok();
    assert_eq!((&shown["public_key"], &shown["next_public_key"]), (&json!(old.to_hex()), &json!(new.to_hex())));
    let data = world.stop().await;
    SIGNING.swap(data.path()).unwrap();
    let world = World::start_in(data).await;
    let mut gateway = Gateway::open(&world, &credential).await.unwrap();
    gateway.pinned = Pinned::new(&[old, new]).unwrap();
    gateway.hello().await;
    gateway.take_index().await;
    assert_eq!(gateway.verdict(OLD), Some((1, false)));
    assert!(keys(&world.data, &["retire", "signing"]).0);
    let world = World::start_in(world.stop().await).await;
    assert_eq!((world.app.keys.signing.public_key(), world.app.keys.next_public_key()), (new, None));
    eventually("it is served", || world.api.get("/gateways").ok()["next_public_key"].is_null()).await;
}
