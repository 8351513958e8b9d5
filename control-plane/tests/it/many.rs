//! One decision on many leaks, and what a decision would do.

use serde_json::{Value, json};

use crate::world::World;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn add(world: &World, count: usize) {
    for n in 1..=count {
        let body = json!({"title": format!("leak {n}"), "risk": if n % 2 == 0 { "low" } else { "high" }, "tokens": [format!("{TOKEN}{n}")]});
        world.api.post("/leaks", &body).created();
    }
}

fn outcomes(answer: &Value) -> Vec<String> {
    let outcome = |result: &Value| format!("{} {}", result["leak"].as_str().unwrap(), result["outcome"].as_str().unwrap());
    answer["results"].as_array().unwrap().iter().map(outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_decisions_are_one_push_and_each_leak_has_a_result() {
    let world = World::start().await;
    add(&world, 5);
    world.api.post("/leaks", &json!({"title": "weak", "tokens": ["changeme"]})).created();
    world.api.post("/leaks/2/decisions", &json!({"action": "close"})).created();
    let epoch = world.epoch();
    let body = json!({"action": "apply_virtual_patch", "leaks": ["LK-1", "2", "LK-3", "LK-3", "LK-6", "LK-77"], "reason": "all of them"});
    let mut dry = body.clone();
    dry["dry_run"] = json!(true);
    let expected = ["LK-1 decided", "LK-2 refused", "LK-3 decided", "LK-6 refused", "LK-77 not_found"];
    assert_eq!(outcomes(&world.api.post("/decisions", &dry).ok()), expected);
    assert_eq!((world.epoch(), world.api.get("/leaks/1").ok()["decisions"].clone()), (epoch, json!([])), "nothing has happened");
    let done = world.api.post("/decisions", &body).ok();
    assert_eq!(outcomes(&done), expected);
    assert!(done["results"][1]["detail"].as_str().unwrap().contains("the leak is closed"), "{done}");
    assert_eq!((done["epoch"].as_u64(), world.epoch()), (Some(epoch + 1), epoch + 1), "one push for all");
    assert_eq!(world.api.get("/leaks/3").ok()["decisions"][0]["reason"], "all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_decided_on_batch_by_batch() {
    let world = World::start().await;
    add(&world, 9);
    let (mut cursor, mut decided) = (Value::Null, Vec::new());
    loop {
        let body = json!({"action": "close", "filter": {"risk": "high", "status": "open"}, "limit": 2, "cursor": cursor});
        let done = world.api.post("/decisions", &body).ok();
        decided.extend(outcomes(&done));
        cursor = done["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(decided, ["LK-9 decided", "LK-7 decided", "LK-5 decided", "LK-3 decided", "LK-1 decided"]);
    assert_eq!(world.api.get("/leaks?status=closed").ok()["leaks"].as_array().unwrap().len(), 5);
    for body in [
        json!({"action": "close"}),
        json!({"action": "close", "leaks": []}),
        json!({"action": "close", "leaks": ["LK-1"], "filter": {}}),
        json!({"action": "close", "leaks": ["seven"]}),
        json!({"action": "close", "leaks": vec!["LK-1"; 201]}),
        json!({"action": "close", "filter": {}, "limit": 201}),
        json!({"action": "close", "filter": {}, "cursor": "7"}),
        json!({"action": "close", "leaks": ["LK-1"], "reason": format!("it was {TOKEN}1")}),
    ] {
        world.api.post("/decisions", &body).problem(422, "invalid");
    }
    world.api.post("/decisions", &json!({"action": "close", "filter": {"state": "open"}})).problem(400, "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_a_patch_would_have_refused() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    world.leak(&[TOKEN]);
    gateway.take_index_until(world.epoch()).await;
    let now = stopleak::time::Time::now().as_millis();
    let attempts = (0..6_u8).map(|id| {
        let mut attempt = gateway.attempt(id, 1, TOKEN);
        attempt.outcome = stopleak_contract::feed::wire::Outcome::Observed.into();
        attempt.client = format!("192.0.2.{}", id % 3);
        attempt.path = format!("/v1/{}", id % 2);
        attempt.status = if id == 0 { 401 } else { 200 };
        // The last one is older than what is asked for.
        attempt.last_seen_ms = if id == 5 { now - 40 * 24 * 3_600_000 } else { now };
        attempt
    });
    let attempts = attempts.collect();
    gateway.report(1, attempts).await;
    let epoch = world.epoch();
    let dry = world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch", "dry_run": true})).ok();
    assert_eq!(
        (&dry["outcome"], &dry["after"]["patched"], &dry["after"]["index_changes"]),
        (&json!("decided"), &json!(true), &json!(true))
    );
    let impact = &dry["impact"];
    let numbers = json!([impact["requests"], impact["succeeded"], impact["clients"], impact["routes"], impact["truncated"]]);
    assert_eq!(numbers, json!([15, 12, 3, 2, false]), "{impact}");
    assert_eq!(
        impact["top_routes"][0],
        json!({"method": "GET", "host": "api.example", "path": "/v1/0", "requests": 9, "succeeded": 6})
    );
    assert_eq!(world.epoch(), epoch);
    assert_eq!(world.api.get("/leaks/1").ok()["virtual_patch"], json!(null));
    assert_eq!(world.api.get("/leaks/1/impact?days=60").ok()["requests"], 18);
    // Of a patch that does not apply everywhere, or not to everybody.
    let scoped = json!({"action": "apply_virtual_patch", "dry_run": true,
                        "scope": {"path_prefixes": ["/v1/1"], "exempt_networks": ["192.0.2.1/32"]}});
    let impact = world.api.post("/leaks/1/decisions", &scoped).ok()["impact"].clone();
    assert_eq!(json!([impact["requests"], impact["succeeded"], impact["clients"], impact["routes"]]), json!([3, 3, 1, 1]));
    for (query, requests) in [
        ("path_prefixes=/v1/1", 6),
        ("path_prefixes=/v1/1,/v1/0", 15),
        ("path_prefixes=/v2", 0),
        ("hosts=api.example", 15),
        ("hosts=*.other.example", 0),
        ("hosts=&exempt_networks=192.0.2.0/31", 3),
        ("path_prefixes=/v1/1&exempt_networks=192.0.2.0/24", 0),
    ] {
        assert_eq!(world.api.get(&format!("/leaks/1/impact?{query}")).ok()["requests"], requests, "{query}");
    }
    for bad in ["path_prefixes=v1", "hosts=a%20b", "exempt_networks=192.0.2.0/33"] {
        world.api.get(&format!("/leaks/1/impact?{bad}")).problem(422, "invalid");
    }
    world.api.get("/leaks/1/impact?days=0").problem(422, "invalid");
    world.api.get("/leaks/2/impact").problem(404, "not-found");
    world.api.post("/leaks/1/decisions", &json!({"action": "reopen", "dry_run": true})).problem(409, "illegal-transition");
}
