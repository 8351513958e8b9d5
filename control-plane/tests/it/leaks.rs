//! Adding and reading leaks, and every bad input.

use serde_json::json;

use crate::world::World;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";
const OTHER: &str = "fk_Zq3Lm8Xw2RtB7vK1";

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_a_set_of_tokens_shown_as_previews() {
    let world = World::start().await;
    let body = json!({"title": " stolen laptop ", "risk": "critical", "tokens": [TOKEN, OTHER, format!("\"{TOKEN}\"")]});
    let answer = world.api.post("/leaks", &body);
    let leak = answer.created();
    assert_eq!(answer.location.as_deref(), Some("/api/v1/leaks/1"));
    assert_eq!((&leak["id"], &leak["title"], &leak["risk"]), (&json!("LK-1"), &json!("stolen laptop"), &json!("critical")));
    assert_eq!(leak["tokens"].as_array().unwrap().len(), 2, "the same token twice is one token");
    assert_eq!(leak["tokens"][0]["preview"].as_str().unwrap().chars().count(), 7);
    for path in ["/leaks/1", "/leaks/LK-1", "/leaks/lk-1"] {
        let shown = world.api.get(path).ok();
        assert_eq!((&shown["number"], &shown["status"], &shown["virtual_patch"]), (&json!(1), &json!("open"), &json!(null)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_and_page() {
    let world = World::start().await;
    for (n, risk) in [(1, "low"), (2, "high"), (3, "high")] {
        world.api.post("/leaks", &json!({"title": "t", "risk": risk, "tokens": [format!("{TOKEN}{n}")]})).created();
    }
    world.api.post("/leaks/2/decisions", &json!({"action": "apply_virtual_patch"})).created();
    world.api.post("/leaks/3/decisions", &json!({"action": "close"})).created();
    let numbers = |query: &str| -> Vec<i64> {
        let list = world.api.get(&format!("/leaks{query}")).ok();
        list["leaks"].as_array().unwrap().iter().map(|leak| leak["number"].as_i64().unwrap()).collect()
    };
    for (query, expected) in [
        ("", vec![3, 2, 1]),
        ("?risk=high", vec![3, 2]),
        ("?status=closed", vec![3]),
        ("?patched=true", vec![2]),
        ("?patched=false&status=open", vec![1]),
        ("?limit=2", vec![3, 2]),
    ] {
        assert_eq!(numbers(query), expected, "{query}");
    }
    let next = world.api.get("/leaks?limit=2").ok()["next"].as_str().unwrap().to_owned();
    assert_eq!(numbers(&format!("?limit=2&cursor={next}")), [1]);
    assert_eq!(world.api.get("/leaks?limit=5").ok()["next"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_named_by_position_and_nothing_is_kept() {
    let world = World::start().await;
    let detail = world.api.post("/leaks", &json!({"title": "t", "tokens": [TOKEN, "abcde"]})).problem(422, "token-rejected");
    assert!(detail.contains("token 2") && detail.contains("at least 6 bytes") && !detail.contains("abcde"), "{detail}");
    assert_eq!(world.api.get("/leaks").ok()["leaks"], json!([]));
    world.leak(&[TOKEN]);

    let epoch = world.epoch();
    world.api.post("/leaks", &json!({"title": "t", "tokens": [OTHER]})).created();
    world.api.post("/leaks/2/decisions", &json!({"action": "mark_false"})).created();
    let answer = world.api.post("/leaks", &json!({"title": "t", "tokens": ["fk_never-seen-before-1", OTHER]}));
    let detail = answer.problem(409, "token-already-leaked");
    assert!(detail.contains("LK-2") && detail.contains("false positive") && detail.contains("token 2"), "{detail}");
    assert_eq!((&answer.json()["leak"], &answer.json()["leak_status"]), (&json!("LK-2"), &json!("false_positive")));
    assert_eq!(world.api.get("/leaks").ok()["leaks"].as_array().unwrap().len(), 2, "nothing is half-written");
    assert_eq!(world.epoch(), epoch + 2);
    world.api.post("/leaks", &json!({"title": "t", "tokens": ["fk_never-seen-before-1"]})).created();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_without_an_echo() {
    let world = World::start().await;
    let secret = "s3cr3t-value-9aQ7zLm2";
    for (body, status, kind) in [
        (format!(r#"{{"title": "t", "tokens": ["{secret}"], "{secret}": 1}}"#), 400, "malformed"),
        (format!(r#"{{"title": ["{secret}"], "tokens": []}}"#), 400, "malformed"),
        (format!(r#"{{"title": "t", "tokens": ["{secret}"], "risk": "{secret}"}}"#), 400, "malformed"),
        (format!(r#"{{"title": "t", "tokens": "{secret}"}}"#), 400, "malformed"),
        (format!(r#"{{"title": "t", "tokens": ["{secret}""#), 400, "malformed"),
        (format!(r#"{{"tokens": ["{secret}"]}}"#), 400, "malformed"),
        (format!(r#"{{"title": " ", "tokens": ["{secret}"]}}"#), 422, "invalid"),
        (format!(r#"{{"title": "about {secret}", "tokens": ["{secret}"]}}"#), 422, "invalid"),
        (format!(r#"{{"title": "t", "tokens": ["{secret}"], "tokens": ["{secret}"]}}"#), 400, "malformed"),
        (format!(r#"{{"title": {}"#, "[".repeat(100_000)), 400, "malformed"),
        (r#"{"title": "t", "tokens": []}"#.to_owned(), 422, "invalid"),
        (String::new(), 400, "malformed"),
        (format!(r#"{{"title": "{}", "tokens": ["{secret}"]}}"#, "x".repeat(3_000_000)), 413, "too-large"),
    ] {
        let answer = world.api.post_text("/leaks", &body, "application/json");
        answer.problem(status, kind);
        assert!(!answer.text.contains(secret), "{}", answer.text);
    }
    world.api.post_text("/leaks", "title=t", "application/x-www-form-urlencoded").problem(415, "not-json");
    assert_eq!(world.api.get("/leaks").ok()["leaks"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_without_sense_are_refused() {
    let world = World::start().await;
    for path in [
        "/leaks?status=opn",
        "/leaks?risk=9",
        "/leaks?state=open",
        "/attempts?outcome=maybe",
        "/attempts?cursor=x",
        "/attempts?cursor=",
        "/audit?cursor=1e3",
        "/imports?cursor=99999999999999999999",
    ] {
        world.api.get(path).problem(400, "malformed");
    }
    world.api.get("/leaks?limit=0").problem(422, "invalid");
    world.api.get("/leaks?limit=5000").problem(422, "invalid");
    world.api.get("/attempts?leak=seven").problem(422, "invalid");
    for path in ["/leaks/1", "/leaks/LK-", "/leaks/-1", "/leaks/99999999999999", "/scans/1"] {
        world.api.get(path).problem(404, "not-found");
    }
    world.api.get("/nothing").problem(404, "no-such-route");
    world.api.delete("/leaks/1").problem(405, "method-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_tokens_may_call_and_only_administrators_may_change() {
    let world = World::start().await;
    let (_, gateway) = world.gateway("edge");
    let detail = world.api.with_token(&gateway).get("/leaks").problem(401, "unauthenticated");
    assert!(detail.contains("gateway"), "{detail}");
    world.api.with_token("slk_unknown").get("/leaks").problem(401, "unauthenticated");
    world.api.with_token("").get("/leaks").problem(401, "unauthenticated");

    let analyst = world.token(stopleak::people::Role::Analyst).await;
    let analyst = world.api.with_token(&analyst);
    for path in ["/leaks", "/attempts", "/sources", "/gateways"] {
        analyst.get(path).ok();
    }
    analyst.post("/leaks", &json!({"title": "t", "tokens": [TOKEN]})).problem(403, "forbidden");
    analyst.post("/leaks/1/decisions", &json!({"action": "close"})).problem(403, "forbidden");
    analyst.post("/gateways", &json!({"name": "g"})).problem(403, "forbidden");
    analyst.post("/sources", &json!({"location": "https://example.com/r"})).problem(403, "forbidden");
    analyst.post("/sources/1/scans", &json!({})).problem(403, "forbidden");
    analyst.delete("/gateways/1").problem(403, "forbidden");
}

/// `PostgreSQL` takes none within a text: that is the caller's mistake, and nobody else's trouble.
#[tokio::test(flavor = "multi_thread")]
async fn a_zero_byte_is_refused_or_found_nowhere() {
    let world = World::start().await;
    let document = world.api.get("/openapi.json").ok();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("get") else { continue };
        let of_all = world.api.get_raw(&filled(path, "%00"));
        assert!(of_all.status < 500, "{path}: {}", of_all.text);
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query") {
            let question = format!("{}?{}=%00", filled(path, "1"), parameter["name"].as_str().unwrap());
            let answer = world.api.get_raw(&question);
            assert!(answer.status < 500, "{question}: {}", answer.text);
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
    let stranger = world.api.with_token("");
    for name in [json!({"name": "a\0b", "password": "x"}), json!({"name": "ada", "password": "x", "tenant": "a\0"})] {
        let answer = stranger.post("/session", &name);
        assert!(matches!(answer.status, 400 | 401), "{}", answer.text);
    }
}

/// A path of the document with this in place of its parameters.
fn filled(path: &str, value: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { value.to_owned() } else { segment.to_owned() };
    let path = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    if ["/api", "/public", "/healthz", "/readyz", "/metrics"].iter().any(|own| path.starts_with(own)) {
        path
    } else {
        format!("/api/v1{path}")
    }
}
