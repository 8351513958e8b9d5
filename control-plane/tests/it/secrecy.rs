//! No token in any byte that the control plane leaves behind.

use std::fs;
use std::path::Path;

use serde_json::json;

use stopleak::intake::github::SIGNATURE_HEADER;
use stopleak::serve::Addresses;
use stopleak_contract::index::PublicKey;
use tonic::transport::Channel;

use crate::client::Gateway;
use crate::github::{Published, Signer};
use crate::start::Process;
use crate::webhooks::Sender;
use crate::world::{Answer, Api};

const SEEDED: [&str; 3] = ["fk_9aQ7zLm2Xw4RtB8v-seed", "Correct-Horse-Battery-1", "0A1B2C3D4E5F60718293A4B5C6D7E8F9"];
/// A part of a channel's address.
const SEALED: &str = "T0SEALED9aQ7zLm2";

#[tokio::test(flavor = "multi_thread")]
async fn seeded_tokens_are_in_no_file_and_in_no_log() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("stopleak.toml");
    let signer = Signer::new("a");
    let published = Published::start(&[&signer]);
    let github = format!("[github]\ntenants = [\"default\"]\nkeys_url = \"{}\"\n", published.url());
    fs::write(&config, format!("log = \"trace\"\nallow_private_destinations = true\n{github}")).unwrap();
    let mut process = Process::serve(data.path(), &["--config", config.to_str().unwrap(), "--log-format", "json"]);
    // The pipe would fill and stop the server otherwise.
    let log = process.drain();
    process.wait_until_ready(data.path());
    let addresses: Addresses = serde_json::from_slice(&fs::read(data.path().join("addresses.json")).unwrap()).unwrap();
    let api = Api::new(addresses, &fs::read_to_string(data.path().join("admin-token")).unwrap());

    let add = |tokens: &[&str]| -> Answer { api.post("/leaks", &json!({"title": "t", "tokens": tokens})) };
    add(&SEEDED).created();
    add(&[SEEDED[0]]).problem(409, "token-already-leaked");
    add(&[SEEDED[1], "short"]).problem(422, "token-rejected");
    api.post("/leaks", &json!({"title": "t", "tokens": [SEEDED[0]], SEEDED[1]: SEEDED[2]})).problem(400, "malformed");
    api.get(&format!("/leaks?status={}", SEEDED[1])).problem(400, "malformed");
    api.get(&format!("/leaks/{}", SEEDED[1])).problem(404, "not-found");
    api.get(&format!("/{}", SEEDED[1])).problem(404, "no-such-route");
    api.with_token(SEEDED[1]).get("/leaks").problem(401, "unauthenticated");
    api.post("/leaks", &json!({"title": format!("about {}.", SEEDED[0]), "tokens": ["fk_some-other-token-1"]}))
        .problem(422, "invalid");
    let reason = format!("see ({})", SEEDED[2].to_lowercase());
    api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch", "reason": reason})).problem(422, "invalid");
    for reason in [format!("curl https://api.example/?key={}&a=b", SEEDED[0]), format!("token={}", SEEDED[1])] {
        let body = json!({"action": "set_risk", "risk": "low", "reason": reason});
        api.post("/leaks/1/decisions", &body).problem(422, "invalid");
    }
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    api.post("/leaks", &json!({"title": format!("id {}", uuid.to_uppercase()), "tokens": [uuid]})).problem(422, "invalid");
    let (raw, curl) = (
        format!("GET /?key={} HTTP/1.1\nauthorization: Bearer {}\n\n", SEEDED[0], SEEDED[2]),
        format!("curl -b 'session={}' --{} https://api.example/", SEEDED[1], SEEDED[0]),
    );
    let tried = api.post("/verdicts", &json!({"raw": raw}));
    assert_eq!((tried.status, &tried.json()["verdict"]), (200, &json!("observe")), "{}", tried.text);
    let untried = api.post("/verdicts", &json!({"curl": curl}));
    untried.problem(422, "invalid");
    assert!(SEEDED.iter().all(|token| !tried.text.contains(token) && !untried.text.contains(token)));
    api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();

    let import = api.post("/imports", &json!({"name": "gitleaks"})).created();
    let report = json!([
        {"RuleID": SEEDED[0], "Secret": SEEDED[0], "File": format!("a/{}.env", SEEDED[0]), "StartLine": 1},
        {"RuleID": "x", "Secret": "another-made-up-secret-1", "Match": SEEDED[1], "File": "b", "Message": SEEDED[1]},
    ]);
    api.put_text(&format!("/imports/{}/report", import["id"]), &report.to_string()).ok();

    let sender = Sender::add(&api, "ci");
    let place = format!("c/{}.env", SEEDED[0]);
    let findings = json!({"findings": [{"secret": SEEDED[0], "rule": SEEDED[0], "path": place, "line": 1}, {"secret": "x", "more": SEEDED[1]}]});
    let findings = findings.to_string();
    assert_eq!(sender.send(&api, &findings).ok()["findings"], 2);
    sender.send(&api, &findings[..findings.len() - 3]).problem(422, "report-rejected");
    let url = format!("https://github.com/octo/{}/issues/1", SEEDED[2]);
    let alerts = json!([{"token": SEEDED[2], "type": SEEDED[2], "url": url, "source": SEEDED[1]}]).to_string();
    signer.send(&api, &alerts).ok();
    signer.send(&api, &alerts[1..]).problem(422, "report-rejected");
    api.post_bare("/intake/github/default", alerts.as_bytes(), &[(SIGNATURE_HEADER, SEEDED[1])])
        .problem(401, "signature-rejected");

    let added = api.post("/gateways", &json!({"name": "edge"})).created();
    let credential = added["credential"].as_str().unwrap();
    let key = PublicKey::from_hex(added["public_key"].as_str().unwrap()).unwrap();
    let channel = Channel::from_shared(format!("http://{}", addresses.feed)).unwrap();
    let mut gateway = Gateway::open_by(channel, Some(&format!("Bearer {credential}")), key).await.unwrap();
    gateway.hello().await;
    gateway.take_index().await;
    gateway.report(1, vec![gateway.attempt(1, 1, SEEDED[0])]).await;

    // Nobody listens there.
    let url = format!("http://127.0.0.1:1/in/{SEALED}");
    let channel = api.post("/notifications/channels", &json!({"name": "siem", "kind": "webhook", "url": url})).created();
    api.post("/leaks", &json!({"title": "t", "tokens": [SEEDED[0].to_owned() + "-2"]})).created();
    let test = api.post("/notifications/channels/1/test", &json!({}));
    assert!(test.ok()["error"].as_str().unwrap().contains("connection") && !test.text.contains(SEALED), "{}", test.text);

    assert_clean(data.path(), &["stopleak.db", "stopleak.db-wal"]);
    process.terminate();
    assert_clean(data.path(), &["stopleak.db"]);
    let log = log.join().unwrap();
    assert!(log.contains("leak added"), "{log}");
    for token in SEEDED {
        assert!(!log.contains(token) && !log.contains(&token.to_lowercase()), "{token} is in the log");
    }
    assert!(log.contains("notification given up"), "{log}");
    assert!(
        !log.contains(SEALED) && !log.contains(channel["secret"].as_str().unwrap()),
        "a channel's address or secret is in the log"
    );
    assert!(!log.contains(credential), "a gateway's credential is in the log");
    assert!(!log.contains(sender.secret.expose()), "a webhook's secret is in the log");
    let database = fs::read(data.path().join("stopleak.db")).unwrap();
    let secret = sender.secret.expose().as_bytes();
    assert!(!database.windows(secret.len()).any(|part| part == secret), "a webhook's secret is in the database");
    let admin = fs::read_to_string(data.path().join("admin-token")).unwrap();
    assert!(!log.contains(&admin));
}

fn assert_clean(folder: &Path, must_be_there: &[&str]) {
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        for token in SEEDED.into_iter().chain([SEALED]) {
            for form in [token.to_owned(), token.to_lowercase()] {
                let found = bytes.windows(form.len()).any(|part| part == form.as_bytes());
                assert!(!found, "{form} is in {}", entry.path().display());
            }
        }
        seen.push(entry.file_name().into_string().unwrap());
    }
    for file in must_be_there {
        assert!(seen.iter().any(|name| name == file), "{file} was not looked at: {seen:?}");
    }
}
