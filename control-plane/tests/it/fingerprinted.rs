//! Leaks whose tokens stayed where they were: the server is given fingerprints.

use serde_json::{Value, json};
use stopleak::tenants::TenantId;
use stopleak_contract::index::Classes;
use stopleak_contract::{Fingerprint, FingerprintKey, Token, Weakness};

use crate::world::World;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

fn key(world: &World) -> FingerprintKey {
    world.app.keys.fingerprint(TenantId(1)).all().first.clone()
}

/// What somebody else's program makes of a token.
fn fingerprinted(world: &World, text: &str) -> Value {
    let token = Token::parse(text.as_bytes()).unwrap();
    json!({
        "fingerprint": hex(Fingerprint::of(&key(world), &token).as_bytes()),
        "length": token.as_bytes().len(),
        "classes": Classes::of(token.as_bytes()).bits(),
        "weakness": token.weakness().map(Weakness::as_str),
        "preview": token.preview(),
    })
}

fn leak(world: &World, tokens: &[Value]) -> Value {
    json!({"title": "a laptop", "fingerprinted": {"key_check": hex(&key(world).check()), "tokens": tokens}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_of_fingerprints_is_one_of_tokens() {
    let world = World::start().await;
    let added =
        world.api.post("/leaks", &leak(&world, &[fingerprinted(&world, TOKEN), fingerprinted(&world, "changeme")])).created();
    assert_eq!((&added["id"], &added["token_count"]), (&json!("LK-1"), &json!(2)));
    world.api.post("/leaks", &json!({"title": "t", "tokens": [TOKEN]})).problem(409, "token-already-leaked");
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).problem(409, "confirmation-required");

    // In every respect: another tenant's server could not tell which way it came.
    world.leak(&["fk_5bQ7zLm2Xw4RtB8w"]);
    let rows: Vec<(i64, i64, Option<String>)> =
        sqlx::query_as("SELECT length, classes, weakness FROM tokens WHERE weakness IS NULL ORDER BY id")
            .fetch_all(&mut *world.app.store.read().await.unwrap())
            .await
            .unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_together_is_refused() {
    let world = World::start().await;
    let with = |member: &str, value: Value| {
        let mut token = fingerprinted(&world, TOKEN);
        token[member] = value;
        leak(&world, &[token])
    };
    for (member, value) in [
        ("preview", json!(TOKEN)),
        ("preview", json!("fk_9a…RtB8v")),
        ("length", json!(5)),
        ("length", json!(1_000_000)),
        ("classes", json!(0)),
        ("classes", json!(64)),
        ("weakness", json!("none")),
        ("fingerprint", json!("00")),
        ("sha256", json!("00")),
        ("second_fingerprint", json!("0".repeat(64))),
    ] {
        let detail = world.api.post("/leaks", &with(member, value.clone())).problem(422, "invalid");
        assert!(detail.contains("token 1") && !detail.contains(TOKEN), "{member} {value}: {detail}");
    }
    let mut other = leak(&world, &[fingerprinted(&world, TOKEN)]);
    other["fingerprinted"]["key_check"] = json!("0".repeat(64));
    assert!(world.api.post("/leaks", &other).problem(422, "invalid").contains("ask for the keys again"));

    // A title or a rule may hold no token, whether the server has seen it or not.
    let mut titled = leak(&world, &[fingerprinted(&world, TOKEN)]);
    titled["title"] = json!(format!("found {TOKEN}"));
    world.api.post("/leaks", &titled).problem(422, "invalid");
    world.api.post("/leaks", &with("rule", json!(TOKEN))).problem(422, "invalid");
    assert_eq!(world.api.get("/leaks").ok()["leaks"], json!([]), "nothing was added");

    // Whatever is said of a short one.
    let mut short = fingerprinted(&world, "s3cr3t-pw");
    short["weakness"] = Value::Null;
    let added = world.api.post("/leaks", &leak(&world, &[short])).created();
    assert_eq!(added["tokens"][0]["weakness"], "short");
}

#[tokio::test(flavor = "multi_thread")]
async fn public_checks_know_what_came_with_its_hash() {
    let world = World::start().await;
    world.api.patch("/tenants/default", &json!({"public_checks": true})).ok();
    let hash: [u8; 32] = ring::digest::digest(&ring::digest::SHA256, TOKEN.as_bytes()).as_ref().try_into().unwrap();
    let mut token = fingerprinted(&world, TOKEN);
    token["sha256"] = json!(hex(&hash));
    world.api.post("/leaks", &leak(&world, &[token])).created();
    let digits = hex(&hash);
    let answer = world.api.with_token("").get_raw(&format!("/public/v1/default/checks/{}", &digits[..5]));
    assert!(answer.text.contains(&format!("{}:1", &digits[5..])), "{}", answer.text);
}
