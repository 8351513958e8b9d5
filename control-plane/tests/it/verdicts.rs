//! Trying a request by the index that is in force, with the very module that gateways run.

use std::path::PathBuf;

use serde_json::{Value, json};
use stopleak::config::Config;
use stopleak::people::Role;

use crate::cli::Cli;
use crate::scans::token;
use crate::world::{DEADLINE, Data, World, eventually};

/// Of this checkout, as `just build` makes it.
fn filter() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = test.ancestors().nth(3).unwrap().join("stopleak_filter.wasm");
    assert!(file.is_file(), "{} is missing: run `just build`", file.display());
    file
}

/// A control plane whose leak 1 is patched and whose leak 2 is observed.
async fn world() -> World {
    let data = Data::new();
    let config = Config { filter: Some(filter()), ..data.config() };
    let world = World::start_with(data, &config).await;
    world.leak(&[&token(1)]);
    world.leak(&[&token(2)]);
    let decided = world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    let epoch = decided["epoch"].as_u64().unwrap();
    eventually("the index is published", || ask(&world, &json!({"url": "/"}))["epoch"] == epoch).await;
    world
}

fn ask(world: &World, body: &Value) -> Value {
    world.api.post("/verdicts", body).ok()
}

/// What stands in the text where the answer says that a token does.
fn part<'t>(text: &'t str, found: &Value) -> &'t str {
    let at = |end: &str| usize::try_from(found["range"][end].as_u64().unwrap()).unwrap();
    &text[at("start")..at("end")]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_a_request_is_judged_and_what_matched_is_told() {
    let world = world().await;
    let (blocked, observed) = (token(1), token(2));
    let raw = format!("GET /v1/things HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {blocked}\r\n\r\n");
    let curl = format!("curl -H 'X-Api-Key: {observed}' https://api.example/");
    let verdict = ask(&world, &json!({"raw": raw}));
    assert_eq!((&verdict["verdict"], &verdict["status"]), (&json!("block"), &json!(403)), "{verdict}");
    let found = &verdict["matches"][0];
    assert_eq!((&found["place"], &found["leak"], &found["title"]), (&json!("authorization"), &json!("LK-1"), &json!("a leak")));
    assert_eq!(part(&raw, found), blocked);

    let verdict = ask(&world, &json!({"curl": curl}));
    assert_eq!((&verdict["verdict"], &verdict["status"]), (&json!("observe"), &Value::Null), "{verdict}");
    let found = &verdict["matches"][0];
    assert_eq!((&found["place"], &found["name"], &found["leak"]), (&json!("header"), &json!("x-api-key"), &json!("LK-2")));
    assert_eq!(part(&curl, found), observed);

    let verdict = ask(&world, &json!({"url": "https://api.example/v1", "headers": {"accept": ["a/b", "*/*"]}, "body": "{}"}));
    assert_eq!((&verdict["verdict"], &verdict["matches"]), (&json!("pass"), &json!([])), "{verdict}");
    assert_eq!(world.api.get("/attempts").ok()["attempts"], json!([]), "nobody used a token");
}

/// An index is proved with its settings, and published with them.
#[tokio::test(flavor = "multi_thread")]
async fn scopes_the_response_and_a_pause_are_proved_and_tried() {
    let world = world().await;
    let url = |host: &str| json!({"url": format!("https://{host}/"), "headers": {"x-api-key": token(1)}});
    let tried = async |changed: Value, host: &str| {
        let published = || ask(&world, &json!({"url": "/"}))["epoch"] == changed["epoch"];
        eventually("the index is published", published).await;
        let verdict = ask(&world, &url(host));
        (verdict["verdict"].as_str().unwrap().to_owned(), verdict["status"].as_u64())
    };
    let (block, observe) = (|status| ("block".to_owned(), Some(status)), ("observe".to_owned(), None));

    let response = json!({"status": 451, "content_type": "text/plain", "body": "ask us"});
    let chosen = world.api.send("PUT", "/api/v1/settings/response", &response).ok();
    assert_eq!(tried(chosen, "a.example").await, block(451));
    let scope = json!({"hosts": ["a.example"], "exempt_networks": ["0.0.0.0/0", "::/0"]});
    let narrow = world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch", "scope": scope})).created();
    assert_eq!(tried(narrow.clone(), "b.example").await, observe);
    assert_eq!(tried(narrow, "a.example").await, block(451), "what is tried comes from nobody");
    let until = stopleak::time::Time::now().plus(std::time::Duration::from_hours(1));
    let paused = world.api.post("/pause", &json!({"reason": "checkout is down", "until": until})).ok();
    assert_eq!(tried(paused, "a.example").await, observe);
    assert_eq!(tried(world.api.delete("/pause").ok(), "a.example").await, block(451));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_place_of_a_request_is_named() {
    let world = world().await;
    let token = token(1);
    for (request, place, name, segment) in [
        (json!({"url": format!("/v1?page=2&api_key={token}")}), "query", json!("api_key"), Value::Null),
        (json!({"url": format!("/v1/{token}/things")}), "path", Value::Null, json!(2)),
        (json!({"url": "/", "headers": {"cookie": format!("a=b; session={token}")}}), "cookie", json!("session"), Value::Null),
        (
            json!({"url": "/", "body": format!("{{\"key\": \"{token}\"}}"), "headers": {"content-type": "application/json"}}),
            "body",
            Value::Null,
            Value::Null,
        ),
        (json!({"curl": format!("curl -u user:{token} x.example")}), "authorization", Value::Null, Value::Null),
    ] {
        let verdict = ask(&world, &request);
        let found = &verdict["matches"][0];
        assert_eq!((&found["place"], &found["segment"]), (&json!(place), &segment), "{verdict}");
        if place != "authorization" {
            assert_eq!(found["name"], name, "{verdict}");
        }
        assert!(!verdict.to_string().contains(&token), "the answer has the token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_leaked_tokens_of_a_request_are_told_and_the_one_that_decides_first() {
    let world = world().await;
    let raw = format!("POST /?a={} HTTP/1.1\n\n{{\"b\": \"{}\"}}", token(2), token(1));
    let verdict = ask(&world, &json!({"raw": raw}));
    let leaks: Vec<_> = verdict["matches"].as_array().unwrap().iter().map(|found| found["leak"].as_str().unwrap()).collect();
    assert_eq!((&verdict["verdict"], leaks.as_slice()), (&json!("block"), ["LK-1", "LK-2"].as_slice()), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_without_repeating_it() {
    let world = world().await;
    for (body, detail) in [
        (json!({}), "is missing"),
        (json!({"raw": "GET /", "curl": "curl x"}), "one of"),
        (json!({"raw": "GET /", "body": "x"}), "one of"),
        (json!({"raw": "secret"}), "GET /path"),
        (json!({"curl": "curl --secret 1 x"}), "--secret"),
        (json!({"curl": "curl x -d @secret-file"}), "file"),
        (json!({"url": "ftp://x"}), "http"),
        (json!({"raw": format!("GET / HTTP/1.1\n\n{}", "x".repeat(300_000))}), "bytes"),
    ] {
        let told = world.api.post("/verdicts", &body).problem(422, "invalid");
        assert!(told.contains(detail) && !told.contains("secret-file"), "{body} → {told}");
    }
    world.api.post("/verdicts", &json!({"raw": 1})).problem(400, "malformed");
    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    assert_eq!(analyst.post("/verdicts", &json!({"url": "/"})).ok()["verdict"], "pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_module_the_answer_says_so_and_decisions_are_enforced_all_the_same() {
    let world = World::start().await;
    let told = world.api.post("/verdicts", &json!({"url": "/"})).problem(503, "no-filter-module");
    assert!(told.contains("--filter"), "{told}");
    let leak = world.leak(&[&token(1)]);
    let mut gateway = world.connected("edge").await;
    assert!(leak["epoch"].as_u64().unwrap() >= 1);
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    gateway.take_index().await;
    assert!(world.api.get_raw("/metrics").text.contains("stopleak_index_proof_enabled 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_module_ends_the_start() {
    let data = Data::new();
    let file = data.path().join("filter.wasm");
    std::fs::write(&file, "no module").unwrap();
    let config = Config { filter: Some(file), ..data.config() };
    let error = stopleak::serve::Server::start(&config).await.err().unwrap();
    assert!(format!("{error:#}").contains("filter.wasm"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tries_requests_and_tells_by_its_exit_code() {
    let world = world().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let (blocked, observed) = (token(1), token(2));
    let output = cli.output(&["try", "curl", "-H", &format!("X-Key: it's {blocked}"), "https://api.example/"], "");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.contains("answers 403") && shown.contains("LK-1") && !shown.contains(&blocked), "{shown}");
    let raw = format!("GET / HTTP/1.1\nAuthorization: Bearer {observed}\n\n");
    let output = cli.output(&["try", "--json"], &raw);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["matches"][0]["leak"], "LK-2");
    assert!(cli.ok(&["try"], "{\"url\": \"https://api.example/\"}").contains("goes on"));
    let file = world.data.path().join("request.http");
    std::fs::write(&file, raw).unwrap();
    assert_eq!(cli.output(&["try", file.to_str().unwrap()], "").status.code(), Some(4));
    let error = cli.fault(&["try", "curl", "--frobnicate", "x"], "", 1);
    assert!(error.contains("--frobnicate"), "{error}");
    cli.fault(&["try", "/no/such/file"], "", 2);
}

/// As large as it may be, and full of a leaked token: what that costs grows with its size and no faster.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_nothing_but_one_token_is_answered_in_time() {
    let world = world().await;
    let head = format!("POST / HTTP/1.1\ncontent-type: text/plain\nauthorization: Bearer {}\n\n", token(1));
    let part = format!("{} ", token(1));
    let raw = format!("{head}{}", part.repeat((256 * 1024 - head.len()) / part.len()));
    let began = std::time::Instant::now();
    let verdict = ask(&world, &json!({"raw": raw}));
    assert_eq!((&verdict["verdict"], verdict["matches"].as_array().unwrap().len()), (&json!("block"), 1), "{verdict}");
    assert!(began.elapsed() < DEADLINE * 2, "{:?}", began.elapsed());
}
