//! Public checks: anybody may ask by a prefix, when the tenant wants it, and so often.

use ring::digest::{SHA256, digest};
use serde_json::json;
use stopleak::people::Role;

use crate::cli::Cli;
use crate::webhooks::Sender;
use crate::world::{Answer, World};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn sha256(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap();
    blake3::Hash::from_bytes(hash).to_hex().to_string()
}

fn ask(world: &World, tenant: &str, prefix: &str) -> Answer {
    world.api.with_token("").get_raw(&format!("/public/v1/{tenant}/checks/{prefix}"))
}

/// What the answer says of a token; every answer has the shape of every other.
fn leaked(world: &World, text: &str) -> bool {
    let hash = sha256(text);
    let answer = ask(world, "default", &hash[..5]);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "text/plain; charset=utf-8"), "{}", answer.text);
    let lines: Vec<&str> = answer.text.lines().collect();
    assert_eq!((lines.len(), answer.text.len()), (64, 64 * 62), "an answer's size tells nothing");
    assert!(lines.is_sorted());
    lines.contains(&format!("{}:1", &hash[5..]).as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_off_until_a_tenant_switches_them_on() {
    let world = World::start().await;
    world.leak(&["fk_taken-in-before-1"]);
    for tenant in ["default", "of-nobody", "%ff", "%00", "a%00"] {
        ask(&world, tenant, "00000").problem(404, "no-such-route");
    }
    assert_eq!(world.api.patch("/tenants/default", &json!({"public_checks": true})).ok()["public_checks"], true);
    world.leak(&[TOKEN, "hunter22-but-no"]);
    world.leak(&["fk_marked-as-false-1"]);
    let sender = Sender::add(&world.api, "ci");
    sender.send(&world.api, r#"{"findings": [{"secret": "fk_of-a-webhook-77-x"}]}"#).ok();

    assert!(leaked(&world, TOKEN) && leaked(&world, "fk_of-a-webhook-77-x") && leaked(&world, "fk_marked-as-false-1"));
    assert!(!leaked(&world, "fk_something-else-1"));
    assert!(!leaked(&world, "fk_taken-in-before-1"), "its hash was not kept");
    world.api.post("/leaks/3/decisions", &json!({"action": "mark_false"})).created();
    assert!(!leaked(&world, "fk_marked-as-false-1"));
    world.api.post("/leaks/2/decisions", &json!({"action": "close"})).created();
    assert!(leaked(&world, TOKEN), "a leak that was closed was one");
    assert_eq!(ask(&world, "default", &sha256(TOKEN)[..5].to_uppercase()).text.lines().filter(|l| l.ends_with(":1")).count(), 1);

    for prefix in ["", "0000", "000000", "0000g", "%ff", "%00000", TOKEN] {
        let answer = ask(&world, "default", prefix);
        assert!(matches!(answer.status, 404 | 422) && !answer.text.contains(TOKEN), "{prefix}: {}", answer.text);
    }
    let acme = world.tenant("acme").await;
    ask(&world, "acme", "00000").problem(404, "no-such-route");
    let theirs = world.api.with_token(&world.token_of(acme, Role::Administrator).await);
    theirs.patch("/tenants/acme", &json!({"public_checks": true})).problem(403, "forbidden");
    world.api.patch("/tenants/acme", &json!({"public_checks": true})).ok();
    let of_acme = ask(&world, "acme", &sha256(TOKEN)[..5]);
    assert!(of_acme.status == 200 && !of_acme.text.contains(":1"), "{}", of_acme.text);

    world.api.patch("/tenants/default", &json!({"public_checks": false})).ok();
    ask(&world, "default", "00000").problem(404, "no-such-route");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_somebody_could_guess_is_not_told() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    assert_eq!(cli.json(&["tenant", "set", "default", "--public-checks", "on"], "")["public_checks"], true);
    let weak = ["hunter22", "changeme-please-1", "correct-horse-battery"];
    let leak = world.leak(&weak);
    assert!(leak["tokens"].as_array().unwrap().iter().all(|token| token["weakness"].is_string()), "{leak}");
    for text in weak {
        assert!(!leaked(&world, text), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_has_no_hash_that_could_be_tested_against_a_guess() {
    let world = World::start().await;
    world.api.patch("/tenants/default", &json!({"public_checks": true})).ok();
    world.leak(&[TOKEN]);
    assert!(leaked(&world, TOKEN));
    let data = world.stop().await;
    if data.postgres.is_some() {
        // Its files belong to a server; what is written there is the same.
        return;
    }
    let database = std::fs::read(data.path().join("stopleak.db")).unwrap();
    let hash = digest(&SHA256, TOKEN.as_bytes());
    let hex = sha256(TOKEN);
    assert!(!database.windows(6).any(|part| part == &hash.as_ref()[..6] || part == &hash.as_ref()[3..9]), "the hash");
    assert!(!database.windows(12).any(|part| part == &hex.as_bytes()[..12]), "its digits");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_ask_only_so_often() {
    let world = World::start().await;
    let started = std::time::Instant::now();
    let refused = (0..200).map(|_| ask(&world, "default", "00000")).find(|answer| answer.status == 429);
    let answer = refused.unwrap_or_else(|| panic!("200 checks in {:?}", started.elapsed()));
    assert!(!answer.problem(429, "rate-limited").is_empty());
    assert_eq!(world.api.get("/leaks").status, 200, "only public checks are counted");
}
