//! Webhooks: what is signed is taken, once; nothing else is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stopleak::people::Role;
use stopleak::secret::Secret;
use stopleak::signature::{self, HEADER};

use crate::scans::token;
use crate::world::{Answer, Api, World};

/// Somebody who has a webhook's secret.
pub struct Sender {
    pub id: String,
    pub secret: Secret,
}

impl Sender {
    pub fn add(api: &Api, name: &str) -> Self {
        let added = api.post("/webhooks", &json!({"name": name})).created();
        assert_eq!(added["path"], format!("/api/v1/intake/webhooks/{}", added["id"]));
        Self { id: added["id"].to_string(), secret: Secret::presented(added["secret"].as_str().unwrap()) }
    }

    fn path(&self) -> String {
        format!("/intake/webhooks/{}", self.id)
    }

    fn sign(&self, seconds: u64, body: &str) -> String {
        signature::sign(self.secret.expose(), seconds, body.as_bytes())
    }

    pub fn send(&self, api: &Api, body: &str) -> Answer {
        self.send_signed(api, body, &self.sign(seconds(), body))
    }

    fn send_signed(&self, api: &Api, body: &str, signature: &str) -> Answer {
        api.post_bare(&self.path(), body.as_bytes(), &[(HEADER, signature)])
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn ours(secrets: &[&str]) -> String {
    let finding = |secret: &&str| json!({"secret": secret, "rule": "house", "path": "deploy.env", "line": 4, "column": 2});
    json!({"findings": secrets.iter().map(finding).collect::<Vec<_>>()}).to_string()
}

fn refused(answer: &Answer) {
    answer.problem(401, "signature-rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_delivery_becomes_leaks_and_a_replay_does_nothing() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let sender = Sender::add(&world.api, "ci");
    let body = ours(&[&token(1), "made-up-secret-number-1", "short"]);
    let signature = sender.sign(seconds(), &body);
    let receipt = sender.send_signed(&world.api, &body, &signature).ok();
    assert_eq!(receipt, json!({"findings": 3, "found_new": 2, "passed_over": 1, "replayed": false}));

    let leak = world.api.get("/leaks/1").ok();
    assert_eq!(leak["title"], "deploy.env in ci");
    let place = &leak["tokens"][1]["occurrences"][0];
    assert_eq!((&place["path"], &place["line"], &place["column"]), (&json!("deploy.env"), &json!(4), &json!(2)));
    assert_eq!(leak["tokens"][1]["rule"], "house");
    let epoch = world.epoch();
    gateway.take_index_until(epoch).await;
    assert_eq!(gateway.verdict(&token(1)), Some((1, false)), "gateways observe it");

    let before = (world.api.get("/leaks").ok(), leak);
    assert_eq!(sender.send_signed(&world.api, &body, &signature).ok()["replayed"], true);
    // Signed anew it is another delivery, of findings that are known.
    let again = sender.send_signed(&world.api, &body, &sender.sign(seconds() - 60, &body)).ok();
    assert_eq!((&again["found_new"], &again["replayed"]), (&json!(0), &json!(false)));
    assert_eq!((world.api.get("/leaks").ok(), world.api.get("/leaks/1").ok()), before, "nothing was done twice");
    assert_eq!(world.epoch(), epoch, "nothing is pushed when nothing is new");

    let webhook = &world.api.get("/webhooks").ok()["webhooks"][0];
    assert_eq!((&webhook["deliveries"], &webhook["findings"], &webhook["found_new"]), (&json!(2), &json!(6), &json!(2)));
    let entries = world.api.get("/audit?action=webhook.deliver").ok()["entries"].clone();
    let entry = &entries[1];
    assert_eq!((&entry["actor"]["name"], &entry["object"]), (&json!("webhook ci"), &json!("webhook/1")), "{entry}");
    assert_eq!((entries.as_array().unwrap().len(), &entry["after"]["found_new"]), (2, &json!(2)));

    // What was told before reopens nothing; what is told of another place does.
    world.api.post("/leaks/1/decisions", &json!({"action": "close"})).created();
    sender.send(&world.api, &body).ok();
    assert_eq!(world.api.get("/leaks/1").ok()["status"], "closed");
    sender.send(&world.api, &body.replace("deploy.env", "other.env")).ok();
    assert_eq!(world.api.get("/leaks/1").ok()["status"], "open");

    let data = world.stop().await;
    let world = World::start_in(data).await;
    assert_eq!(sender.send_signed(&world.api, &body, &signature).ok()["replayed"], true, "a restart forgets no delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_comes_many_times_at_once_counts_once() {
    let world = World::start().await;
    let sender = Sender::add(&world.api, "ci");
    let body = ours(&["made-up-secret-number-1", "made-up-secret-number-2"]);
    let signature = sender.sign(seconds(), &body);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sender.send_signed(&world.api, &body, &signature).ok());
        }
    });
    let webhook = &world.api.get("/webhooks").ok()["webhooks"][0];
    assert_eq!((&webhook["deliveries"], &webhook["findings"], &webhook["found_new"]), (&json!(1), &json!(2), &json!(2)));
    let leaks = world.api.get("/leaks").ok()["leaks"].clone();
    assert_eq!((leaks.as_array().unwrap().len(), &leaks[0]["token_count"]), (1, &json!(2)), "{leaks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_so_is_refused() {
    let world = World::start().await;
    let (sender, other) = (Sender::add(&world.api, "one"), Sender::add(&world.api, "two"));
    let (body, now) = (ours(&["made-up-secret-number-1"]), seconds());
    let good = sender.sign(now, &body);

    refused(&world.api.post_bare(&sender.path(), body.as_bytes(), &[]));
    refused(&world.api.post_bare(&sender.path(), body.as_bytes(), &[(HEADER, &good), (HEADER, &good)]));
    let (head, last) = good.split_at(good.len() - 1);
    let flipped = format!("{head}{}", if last == "0" { "1" } else { "0" });
    for signature in ["", "v1=00", &good[..good.len() - 2], &flipped, &good.replace("t=", "t=+"), &sender.sign(now - 301, &body)]
    {
        refused(&sender.send_signed(&world.api, &body, signature));
    }
    refused(&sender.send_signed(&world.api, &body, &sender.sign(now + 330, &body)));
    refused(&sender.send_signed(&world.api, &format!("{body} "), &good));
    refused(&sender.send_signed(&world.api, &body, &other.sign(now, &body)));
    let at = |id: &str| world.api.post_bare(&format!("/intake/webhooks/{id}"), body.as_bytes(), &[(HEADER, &good)]);
    // Who has no secret learns nothing of which webhooks there are.
    let told: Vec<String> = [&other.id, "999"].map(|id| at(id).problem(401, "signature-rejected")).to_vec();
    assert_eq!(told[0], told[1]);
    at("x").problem(404, "not-found");

    world.api.delete(&format!("/webhooks/{}", sender.id));
    assert_eq!(sender.send(&world.api, &body).problem(401, "signature-rejected"), told[0]);
    assert_eq!(world.api.get("/leaks").ok()["leaks"], json!([]), "nothing was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_no_report_is_refused_without_repeating_it() {
    let world = World::start().await;
    let sender = Sender::add(&world.api, "ci");
    for body in ["", "hunter22-hunter22", r#"{"hunter22-hunter22": 1}"#, r#"{"findings": [{"secret": 3}]}"#] {
        let answer = sender.send(&world.api, body);
        assert!(!answer.problem(422, "report-rejected").contains("hunter22"));
    }
    let large = " ".repeat(2 * 1024 * 1024 + 1);
    sender.send(&world.api, &large).problem(413, "too-large");
    // The same body may be right the next time: a refusal is not remembered as a delivery.
    assert_eq!(world.api.get("/webhooks").ok()["webhooks"][0]["deliveries"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_an_import_is_read() {
    let world = World::start().await;
    let sender = Sender::add(&world.api, "ci");
    let many: Vec<Value> = (0..450)
        .map(|n| json!({"RuleID": "r", "Secret": format!("made-up-secret-number-{n:04}"), "File": "f", "StartLine": n}))
        .collect();
    let receipt = sender.send(&world.api, &Value::Array(many).to_string()).ok();
    assert_eq!((&receipt["findings"], &receipt["found_new"]), (&json!(450), &json!(450)));
    let line = r#"{"DetectorName":"r","Raw":"made-up-secret-number-9999","SourceMetadata":{"Data":{"Git":{"file":"g"}}}}"#;
    assert_eq!(sender.send(&world.api, line).ok()["found_new"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_made_and_revoked_by_administrators() {
    let world = World::start().await;
    let first = Sender::add(&world.api, "ci");
    world.api.post("/webhooks", &json!({"name": "ci"})).problem(409, "name-taken");
    world.api.post("/webhooks", &json!({"name": "a\nb"})).problem(422, "invalid");
    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    analyst.post("/webhooks", &json!({"name": "mine"})).problem(403, "forbidden");
    analyst.delete(&format!("/webhooks/{}", first.id)).problem(403, "forbidden");
    let list = analyst.get("/webhooks");
    assert!(!list.text.contains(first.secret.expose()) && list.ok()["webhooks"][0]["name"] == "ci");

    assert_eq!(world.api.delete(&format!("/webhooks/{}", first.id)).status, 204);
    world.api.delete(&format!("/webhooks/{}", first.id)).problem(404, "not-found");
    let second = Sender::add(&world.api, "ci");
    assert_ne!(first.secret.expose(), second.secret.expose());
    assert_eq!(second.send(&world.api, &ours(&["made-up-secret-number-1"])).ok()["found_new"], 1);
    let source = world.api.get("/webhooks").ok()["webhooks"][0]["source"].as_i64().unwrap();
    world.api.post(&format!("/sources/{source}/scans"), &json!({})).problem(422, "invalid");
}

/// Whoever sends slowly and has not shown who they are keeps nobody else out.
#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_keep_nobody_out() {
    let world = World::start().await;
    let sender = Sender::add(&world.api, "ci");
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut connection = TcpStream::connect(world.api.base.strip_prefix("http://").unwrap()).unwrap();
            let signature = sender.sign(seconds(), "");
            let path = sender.path();
            write!(
                connection,
                "POST /api/v1{path} HTTP/1.1\r\nhost: x\r\n{HEADER}: {signature}\r\ncontent-length: 2000000\r\n\r\n["
            )
            .unwrap();
            connection
        })
        .collect();
    assert_eq!(sender.send(&world.api, &ours(&["made-up-secret-number-1"])).ok()["found_new"], 1);
    let mut last = slow.into_iter().next_back().unwrap();
    let mut answer = [0; 12];
    last.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400", "a body that does not come is not waited for");
}

/// Not with as many connections as they like, either.
#[tokio::test(flavor = "multi_thread")]
async fn one_who_sends_slowly_on_many_connections_leaves_turns_to_others() {
    let world = World::start().await;
    let sender = Sender::add(&world.api, "ci");
    let head = format!(
        "POST /api/v1{} HTTP/1.1\r\nhost: x\r\n{HEADER}: {}\r\ncontent-length: 2000000\r\n\r\n[",
        sender.path(),
        sender.sign(seconds(), "")
    );
    let mut slow = Vec::new();
    for _ in 0..64 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut connection = socket.connect(world.addresses.http).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut connection, head.as_bytes()).await.unwrap();
        slow.push(connection);
    }
    // One of them is told that there is no turn: by then the others have theirs.
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(slow.last_mut().unwrap(), &mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    assert_eq!(sender.send(&world.api, &ours(&["made-up-secret-number-1"])).ok()["found_new"], 1);
}
