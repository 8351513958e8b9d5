//! Reports of other scanners become leaks, once, whatever happens on the way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use stopleak::people::Role;

use crate::scans::token;
use crate::world::{Api, World, eventually};

/// What Gitleaks writes.
fn gitleaks(findings: impl IntoIterator<Item = Value>) -> String {
    Value::Array(findings.into_iter().collect()).to_string()
}

fn finding(secret: &str, file: &str) -> Value {
    json!({
        "RuleID": "github-pat", "Secret": secret, "Match": secret, "File": file, "StartLine": 3, "StartColumn": 9,
        "Commit": "d25de391071d5c761999d7d243bef643b02747b0", "Date": "2026-03-01T11:29:06Z", "Message": "m",
    })
}

fn made_up(n: usize) -> String {
    format!("made-up-secret-number-{n:06}")
}

fn add(world: &World, name: &str) -> String {
    world.api.post("/imports", &json!({"name": name})).created()["id"].to_string()
}

fn report(id: &str) -> String {
    format!("/imports/{id}/report")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_becomes_leaks_and_only_once() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let text = gitleaks([
        finding(&token(1), "deploy/api.env"),
        finding(&made_up(1), "deploy/api.env"),
        finding(&made_up(2), &format!("named/{}", made_up(2))),
        finding("REDACTED", "hidden"),
        finding("short", "short"),
        finding("-----BEGIN PRIVATE KEY-----\nMIIx", "key.pem"),
    ]);
    let id = add(&world, "team/api");
    let done = world.api.put_text(&report(&id), &text).ok();
    let counts = ["findings", "found_new", "redacted", "unfit", "with_white_space"].map(|member| done[member].as_u64().unwrap());
    assert_eq!((done["status"].as_str(), counts), (Some("done"), [6, 3, 1, 1, 1]), "{done}");

    let leaks = world.api.get("/leaks").ok()["leaks"].clone();
    assert_eq!((&leaks[1]["title"], &leaks[1]["risk"]), (&json!("deploy/api.env in team/api"), &json!("medium")));
    assert!(!leaks.to_string().contains(&made_up(2)), "a path that holds the token is shown without it");
    for (rule, expected) in [("github-pat", vec!["LK-2", "LK-1"]), ("github-personal-access-token", vec!["LK-1"])] {
        let found = world.api.get(&format!("/leaks?rule={rule}")).ok()["leaks"].clone();
        let ids: Vec<_> = found.as_array().unwrap().iter().map(|leak| leak["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{rule}");
    }
    let leak = world.api.get("/leaks/1").ok();
    let (known, other) = (&leak["tokens"][0], &leak["tokens"][1]);
    assert_eq!((&known["rule"], &other["rule"]), (&json!("github-personal-access-token"), &json!("github-pat")));
    assert_eq!(known["occurrences"][0]["commit"], "d25de391071d5c761999d7d243bef643b02747b0");
    let epoch = world.epoch();
    gateway.take_index_until(epoch).await;
    assert_eq!(gateway.verdict(&made_up(1)), Some((1, false)), "gateways observe it");

    world.api.put_text(&report(&id), &text).problem(409, "import-done");
    let again = add(&world, "team/api");
    assert_eq!(world.api.put_text(&report(&again), &text).ok()["found_new"], 0);
    assert_eq!(world.epoch(), epoch, "nothing is pushed when nothing is new");
    assert_eq!(world.api.get("/imports").ok()["imports"].as_array().unwrap().len(), 2);
    let source = done["source"].as_i64().unwrap();
    world.api.post(&format!("/sources/{source}/scans"), &json!({})).problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_connection_broke_goes_on_where_it_was() {
    let world = World::start().await;
    let all: Vec<Value> = (0..1_000).map(|n| finding(&made_up(n), &format!("file-{n}"))).collect();
    let text = gitleaks(all);
    let id = add(&world, "huge");
    let import = || world.api.get(&format!("/imports/{id}")).ok();

    send_part(&world.api, &report(&id), &text, text.len() * 7 / 10);
    eventually("the broken report ends", || import()["error"].is_string()).await;
    let broken = import();
    let read = broken["findings"].as_u64().unwrap();
    assert!(broken["status"] == "waiting" && (200..1_000).contains(&read), "{broken}");

    let other = gitleaks((0..1_000).map(|n| finding(&made_up(n + 5), "other")));
    world.api.put_text(&report(&id), &other).problem(409, "other-report");
    world.api.put_text(&report(&id), "[]").problem(409, "other-report");
    assert_eq!(import()["findings"], read, "what was read stays");

    let done = world.api.put_text(&report(&id), &text).ok();
    assert_eq!((&done["findings"], &done["found_new"], &done["error"]), (&json!(1_000), &json!(1_000), &Value::Null), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_report_and_who_may_not_is_refused() {
    let world = World::start().await;
    let id = add(&world, "x");
    for text in ["", "hunter22-hunter22", r#"{"hunter22-hunter22": 1}"#, r#"[{"Secret": 3}]"#] {
        let detail = world.api.put_text(&report(&id), text).problem(422, "report-rejected");
        assert!(!detail.contains("hunter22"), "{detail}");
    }
    world.api.put_text(&report("999"), "[]").problem(404, "not-found");
    world.api.post("/imports", &json!({"name": " "})).problem(422, "invalid");
    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    analyst.put_text(&report(&id), "[]").problem(403, "forbidden");
    analyst.post("/imports", &json!({"name": "y"})).problem(403, "forbidden");
    assert_eq!(analyst.get("/imports").ok()["imports"][0]["status"], "waiting");
    assert_eq!(world.api.put_text(&report(&id), "[]").ok()["findings"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_readers_of_one_import_do_not_mix() {
    let world = World::start().await;
    let id = add(&world, "x");
    let mut first = open(&world.api, &report(&id), 1_000_000);
    first.write_all(b"[").unwrap();
    eventually("the first is being read", || world.api.get(&format!("/imports/{id}")).ok()["reading_until"].is_string()).await;
    world.api.put_text(&report(&id), "[]").problem(409, "import-under-way");
}

fn open(api: &Api, path: &str, length: usize) -> TcpStream {
    let mut connection = TcpStream::connect(api.base.strip_prefix("http://").unwrap()).unwrap();
    write!(
        connection,
        "PUT /api/v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
        api.token
    )
    .unwrap();
    connection
}

/// Sends so many bytes of the body, and goes away.
fn send_part(api: &Api, path: &str, body: &str, bytes: usize) {
    let mut connection = open(api, path, body.len());
    connection.write_all(&body.as_bytes()[..bytes]).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = connection.read(&mut [0]);
}
