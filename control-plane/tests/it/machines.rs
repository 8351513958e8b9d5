//! What happens without a person: risk by rule, regressions, policies, and the end of a pause.

use std::time::Duration;

use serde_json::{Value, json};
use stopleak::config::Config;
use stopleak::time::Time;

use crate::scans::{Repository, scan, token};
use crate::world::{Data, World, eventually};

const OWN: &str = r#"
[[rule]]
id = "acme-key"
name = "Acme key"
risk = "high"
keywords = ["acme_"]
pattern = 'acme_[0-9A-Za-z]{30}'
reference = "https://acme.example/docs"
examples = ["acme_{alnum:30}"]
negative_examples = ["acme_{alnum:29}"]

[[rule]]
id = "acme-session"
name = "Acme session"
risk = "high"
short_lived = true
keywords = ["acmes_"]
pattern = 'acmes_[0-9A-Za-z]{30}'
reference = "https://acme.example/docs"
examples = ["acmes_{alnum:30}"]
negative_examples = ["acmes_{alnum:29}"]
"#;

/// With the operator's own formats.
async fn world() -> World {
    let data = Data::new();
    let rules = data.path().join("own.toml");
    std::fs::write(&rules, OWN).unwrap();
    let config = Config { rules: Some(rules), ..data.config() };
    World::start_with(data, &config).await
}

fn own(prefix: &str, seed: u8) -> String {
    let letters = b"q8Zr2LmXw4RtB9vK1nYpD6sHc3JgFa";
    let body: String = letters.iter().cycle().skip(usize::from(seed)).take(30).map(|&b| char::from(b)).collect();
    format!("{prefix}{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_risk_comes_from_the_rule_until_a_person_says_otherwise() {
    let world = world().await;
    let repository = Repository::new();
    repository.commit("third.env", &format!("A={}\n", token(1)));
    repository.commit("own.env", &format!("A={}\n", own("acme_", 1)));
    repository.commit("session.env", &format!("A={}\n", own("acmes_", 1)));
    let source = world.api.post("/sources", &json!({"location": repository.location()})).created();
    scan(&world, &source).await;
    let risk_of = |path: &str| -> Value {
        let leaks = world.api.get("/leaks?sort=path").ok();
        let leak = leaks["leaks"].as_array().unwrap().iter().find(|leak| leak["path"] == path).cloned().unwrap();
        json!([leak["risk"], leak["risk_from"]])
    };
    assert_eq!(risk_of("own.env"), json!(["high", "rule"]), "a long-lived credential of the operator's own");
    assert_eq!(risk_of("third.env"), json!(["medium", "rule"]), "somebody else's");
    assert_eq!(risk_of("session.env"), json!(["low", "rule"]), "one that soon ends by itself");

    let leaks = world.api.get("/leaks?text=session").ok();
    let number = leaks["leaks"][0]["number"].as_i64().unwrap();
    world.api.patch(&format!("/leaks/{number}"), &json!({"risk": "medium"})).ok();
    repository.commit("session.env", &format!("A={}\n", own("acme_", 5)));
    scan(&world, &source).await;
    assert_eq!(risk_of("session.env"), json!(["medium", "person"]), "a worse token does not override a person");
    let rules = world.api.get("/leaks?rule=acme-key").ok();
    assert_eq!(rules["leaks"].as_array().unwrap().len(), 2);
    assert_eq!(world.api.get("/leaks?source_kind=folder").ok()["leaks"].as_array().unwrap().len() % 3, 0);
    assert_eq!(world.api.get(&format!("/leaks?source={}", source["id"])).ok()["leaks"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_occurrence_reopens_a_closed_leak_and_never_a_false_one() {
    let world = World::start().await;
    let repository = Repository::new();
    repository.commit("closed.env", &format!("A={}\n", token(1)));
    repository.commit("false.env", &format!("A={}\n", token(2)));
    let source = world.api.post("/sources", &json!({"location": repository.location()})).created();
    scan(&world, &source).await;
    let number = |path: &str| {
        let leaks = world.api.get("/leaks").ok();
        leaks["leaks"].as_array().unwrap().iter().find(|leak| leak["path"] == path).unwrap()["number"].clone()
    };
    let (closed, marked) = (number("closed.env"), number("false.env"));
    world.api.post(&format!("/leaks/{closed}/decisions"), &json!({"action": "close"})).created();
    world.api.post(&format!("/leaks/{marked}/decisions"), &json!({"action": "mark_false"})).created();
    let epoch = world.epoch();
    scan(&world, &source).await;
    assert_eq!(world.api.get(&format!("/leaks/{closed}")).ok()["status"], "closed", "the same places say nothing new");
    assert_eq!(world.epoch(), epoch);

    repository.commit("other.env", &format!("A={}\nB={}\n", token(1), token(2)));
    scan(&world, &source).await;
    let reopened = world.api.get(&format!("/leaks/{closed}")).ok();
    let decision = reopened["decisions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&reopened["status"], &decision["author"], &decision["origin"]),
        (&json!("open"), &json!("regression"), &json!("regression"))
    );
    assert!(decision["reason"].as_str().unwrap().contains("other.env"), "{decision}");
    assert_eq!(world.api.get(&format!("/leaks/{marked}")).ok()["status"], "false_positive");
    assert_eq!(world.epoch(), epoch + 1);
    let index = world.app.publisher.subscribe(stopleak::tenants::TenantId(1)).unwrap();
    eventually("gateways are told", || index.borrow().epoch == epoch + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_decides_only_when_it_is_on_and_only_where_no_person_has() {
    let world = world().await;
    let written = json!({"name": "own and alive", "action": "apply_virtual_patch", "own_format": true, "life": "alive"});
    let policy = world.api.post("/policies", &written).created();
    assert_eq!((&policy["enabled"], &policy["own_format"]), (&json!(false), &json!(true)), "off until somebody switches it on");
    world.api.post("/policies", &written).problem(409, "name-taken");

    let repository = Repository::new();
    for (path, token) in [("1.env", own("acme_", 1)), ("2.env", own("acme_", 2)), ("3.env", token(3)), ("4.env", own("acme_", 4))]
    {
        repository.commit(path, &format!("A={token}\n"));
    }
    let source = world.api.post("/sources", &json!({"location": repository.location()})).created();
    scan(&world, &source).await;
    let leak_of = |path: &str| {
        let leaks = world.api.get("/leaks").ok();
        leaks["leaks"].as_array().unwrap().iter().find(|leak| leak["path"] == path).cloned().unwrap()
    };
    let seen_alive = async |paths: &[&str]| {
        for path in paths {
            let mut db = world.app.store.write().await.unwrap();
            sqlx::query("UPDATE tokens SET life = 'alive', life_since = 1 WHERE leak = $1")
                .bind(leak_of(path)["number"].as_i64())
                .execute(&mut *db)
                .await
                .unwrap();
            db.commit().await.unwrap();
        }
    };
    seen_alive(&["1.env", "2.env", "3.env"]).await;
    // A person has looked at this one and left it without a patch.
    let decided = format!("/leaks/{}/decisions", leak_of("2.env")["number"]);
    world.api.post(&decided, &json!({"action": "close"})).created();
    world.api.post(&decided, &json!({"action": "reopen"})).created();
    let preview = world.api.get("/policies/1/preview").ok();
    assert_eq!(
        preview,
        json!({"leaks": [leak_of("1.env")["id"]], "truncated": false}),
        "alive, its own, and decided on by nobody"
    );
    assert!(leak_of("1.env")["virtual_patch"].is_null(), "it is off");

    world.api.patch("/policies/1", &json!({"enabled": true})).ok();
    eventually("the policy decides", || leak_of("1.env")["virtual_patch"].is_object()).await;
    let leak = world.api.get(&format!("/leaks/{}", leak_of("1.env")["number"])).ok();
    let decision = &leak["decisions"][0];
    assert_eq!((&decision["author"], &decision["origin"]), (&json!("policy own and alive"), &json!("policy")));
    for path in ["2.env", "3.env", "4.env"] {
        assert!(leak_of(path)["virtual_patch"].is_null(), "{path}");
    }
    // Whoever takes the patch away has decided.
    world.api.post(&format!("/leaks/{}/decisions", leak["number"]), &json!({"action": "remove_virtual_patch"})).created();
    seen_alive(&["4.env"]).await;
    eventually("the policy has come round", || leak_of("4.env")["virtual_patch"].is_object()).await;
    assert!(leak_of("1.env")["virtual_patch"].is_null());

    for (body, kind) in [
        (json!({"name": "n", "action": "close"}), "invalid"),
        (json!({"name": "n", "action": "reopen", "life": "dead"}), "invalid"),
        (json!({"name": "n", "action": "close", "age_days": 9, "life_days": 3}), "invalid"),
        (json!({"name": " ", "action": "close", "age_days": 9}), "invalid"),
        (json!({"name": "n", "action": "close", "life": "dead", "life_days": 99_999}), "invalid"),
    ] {
        world.api.post("/policies", &body).problem(422, kind);
    }
    world.api.post("/policies", &json!({"name": "n", "action": "close", "life": "asleep"})).problem(400, "malformed");
    assert_eq!(world.api.delete("/policies/1").status, 204);
    world.api.get("/policies/1/preview").problem(404, "not-found");
    world.tenant("other").await;
    assert_eq!(world.api.of_tenant("other").get("/policies").ok()["policies"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_closes_only_what_is_dead_altogether_and_patches_nothing_weak() {
    let world = World::start().await;
    world.leak(&["fk_9aQ7zLm2Xw4RtB8v", "fk_Zq3Lm8Xw2RtB7vK1"]);
    world.leak(&["fk_7aQ7zLm2Xw4RtB8v"]);
    world.leak(&["changeme"]);
    let mut db = world.app.store.write().await.unwrap();
    let days_ago = |days: u64| Time::now().minus(Duration::from_hours(24 * days));
    sqlx::query("UPDATE tokens SET life = 'dead', life_since = $1").bind(days_ago(9)).execute(&mut *db).await.unwrap();
    sqlx::query("UPDATE tokens SET life = 'alive' WHERE id = 1").execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    for body in [
        json!({"name": "dead", "action": "close", "life": "dead", "life_days": 7, "risk": "high"}),
        json!({"name": "long dead", "action": "close", "life": "dead", "life_days": 30}),
        json!({"name": "weak", "action": "apply_virtual_patch", "life": "dead"}),
    ] {
        world.api.post("/policies", &body).created();
    }
    let would = |id: i64| world.api.get(&format!("/policies/{id}/preview")).ok()["leaks"].clone();
    assert_eq!((would(1), would(2)), (json!(["LK-3", "LK-2"]), json!([])), "one token of LK-1 is alive");
    assert_eq!(would(3), json!(["LK-2", "LK-1"]), "what could match by accident is not blocked without a person");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_has_a_reason_and_an_end() {
    let world = World::start().await;
    assert_eq!(world.api.get("/pause").ok()["pause"], json!(null));
    let until = |millis| json!(Time::now().plus(Duration::from_millis(millis)));
    for body in [
        json!({"reason": "r", "until": until(0)}),
        json!({"reason": " ", "until": until(9_000)}),
        json!({"reason": "r", "until": until(8 * 24 * 3_600_000)}),
    ] {
        world.api.post("/pause", &body).problem(422, "invalid");
    }
    world.api.post("/pause", &json!({"reason": "r"})).problem(400, "malformed");
    let epoch = world.epoch();
    let paused = world.api.post("/pause", &json!({"reason": "checkout is down", "until": until(60_000)})).ok();
    assert_eq!((&paused["pause"]["reason"], &paused["pause"]["author"]), (&json!("checkout is down"), &json!("admin-token")));
    assert_eq!(paused["epoch"].as_u64(), Some(epoch + 1));
    assert_eq!(world.api.delete("/pause").ok()["epoch"].as_u64(), Some(epoch + 2));
    world.api.delete("/pause").problem(404, "not-found");

    world.api.post("/pause", &json!({"reason": "again", "until": until(1_200)})).ok();
    let world = World::start_in(world.stop().await).await;
    eventually("the pause ends by itself", || world.api.get("/pause").ok()["pause"].is_null() && world.epoch() == epoch + 4)
        .await;
    let index = world.app.publisher.subscribe(stopleak::tenants::TenantId(1)).unwrap();
    eventually("gateways are told", || index.borrow().epoch == epoch + 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_observe_what_they_would_block_while_a_pause_goes_on() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let (patched, later) = ("fk_9aQ7zLm2Xw4RtB8v-one", "fk_9aQ7zLm2Xw4RtB8v-two");
    for (number, token) in [(1, patched), (2, later)] {
        world.leak(&[token]);
        if number == 1 {
            world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
        }
    }
    gateway.take_index_until(world.epoch()).await;
    assert_eq!(gateway.verdict(patched), Some((1, true)));

    let until = Time::now().plus(Duration::from_hours(1));
    world.api.post("/pause", &json!({"reason": "checkout is down", "until": until})).ok();
    gateway.take_index_until(world.epoch()).await;
    assert_eq!(gateway.verdict(patched), Some((1, false)));
    // Nor does what is decided meanwhile block.
    world.api.post("/leaks/2/decisions", &json!({"action": "apply_virtual_patch"})).created();
    gateway.take_index_until(world.epoch()).await;
    assert_eq!(gateway.verdict(later), Some((2, false)));

    world.api.delete("/pause").ok();
    gateway.take_index_until(world.epoch()).await;
    assert_eq!((gateway.verdict(patched), gateway.verdict(later)), (Some((1, true)), Some((2, true))));
}
