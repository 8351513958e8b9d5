//! What GitHub's secret scanning sends is taken when GitHub signed it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use stopleak::config::{Config, GithubConfig};
use stopleak::intake::IntakeError;
use stopleak::intake::github::{FRESH, KEY_HEADER, Keys, SIGNATURE_HEADER, USABLE};

use crate::world::{Answer, Api, Data, World};

/// A key as GitHub has some.
pub struct Signer {
    name: &'static str,
    pair: KeyPair,
}

/// Publishes keys, and counts how often they are asked for.
pub struct Published {
    address: SocketAddr,
    list: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Signer {
    pub fn new(name: &'static str) -> Self {
        Self { name, pair: KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap() }
    }

    fn published(&self) -> Value {
        json!({"key_identifier": self.name, "key": self.pair.public_key_pem(), "is_current": true})
    }

    fn sign(&self, body: &str) -> String {
        let is_p256 = self.pair.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256;
        let algorithm = if is_p256 { &ECDSA_P256_SHA256_ASN1_SIGNING } else { &ECDSA_P384_SHA384_ASN1_SIGNING };
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.pair.serialize_der(), &SystemRandom::new()).unwrap();
        STANDARD.encode(pair.sign(&SystemRandom::new(), body.as_bytes()).unwrap())
    }

    pub fn send(&self, api: &Api, body: &str) -> Answer {
        deliver(api, body, self.name, &self.sign(body))
    }
}

impl Published {
    pub fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let published = Self {
            address: listener.local_addr().unwrap(),
            list: Arc::new(Mutex::new(list(signers))),
            asked: Arc::default(),
            ended: Arc::default(),
        };
        let (list, asked, ended) = (Arc::clone(&published.list), Arc::clone(&published.asked), Arc::clone(&published.ended));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                answer(connection.unwrap(), &list.lock().unwrap());
            }
        });
        published
    }

    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn list(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.published()).collect();
    json!({"public_keys": keys}).to_string()
}

/// An empty text breaks the connection.
fn answer(mut connection: TcpStream, body: &str) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    if !body.is_empty() {
        let _ = write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    }
}

fn deliver(api: &Api, body: &str, key: &str, signature: &str) -> Answer {
    api.post_bare("/intake/github/default", body.as_bytes(), &[(KEY_HEADER, key), (SIGNATURE_HEADER, signature)])
}

async fn world(keys_url: String) -> World {
    let data = Data::new();
    let github = Some(GithubConfig { tenants: vec!["default".to_owned(), "gone".to_owned()], keys_url: Some(keys_url) });
    let config = Config { github, ..data.config() };
    World::start_with(data, &config).await
}

fn alerts(tokens: &[&str]) -> String {
    let url = "https://github.com/octo/hello/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt";
    let alert = |token: &&str| json!({"token": token, "type": "house_token", "url": url, "source": "content"});
    Value::Array(tokens.iter().map(alert).collect()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_signed_becomes_leaks_and_a_replay_does_nothing() {
    let signer = Signer::new("a");
    let published = Published::start(&[&signer]);
    let world = world(published.url()).await;
    let body = alerts(&["made-up-secret-number-1", "made-up-secret-number-2", "short"]);
    assert_eq!(signer.send(&world.api, &body).ok(), json!([]));

    let leak = world.api.get("/leaks/1").ok();
    assert_eq!(leak["title"], "octo/hello/foo/bar.txt in GitHub secret scanning");
    assert_eq!(leak["tokens"].as_array().unwrap().len(), 2);
    assert_eq!(leak["tokens"][0]["rule"], "house_token");
    assert_eq!(leak["tokens"][0]["occurrences"][0]["commit"], "12345600b9cbe38a219f39a9941c9319b600c002");
    let source = &world.api.get("/sources").ok()["sources"][0];
    assert_eq!((&source["kind"], &source["location"]), (&json!("github"), &json!("github")));
    world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({})).problem(422, "invalid");
    world.api.post("/sources", &json!({"location": "github"})).problem(422, "invalid");

    let before = (world.api.get("/leaks").ok(), leak, world.epoch());
    let signature = signer.sign(&body);
    for _ in 0..2 {
        assert_eq!(deliver(&world.api, &body, "a", &signature).ok(), json!([]));
    }
    assert_eq!((world.api.get("/leaks").ok(), world.api.get("/leaks/1").ok(), world.epoch()), before);
    let entries = world.api.get("/audit?action=source.deliver").ok()["entries"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["after"]["found_new"]), (1, &json!(2)), "{entries}");
    assert_eq!(published.asked(), 1, "the list is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_did_not_sign_is_refused() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let other_curve = Signer { name: "b", pair: KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap() };
    let published = Published::start(&[&signer, &other_curve]);
    let world = world(published.url()).await;
    let body = alerts(&["made-up-secret-number-1"]);
    let good = signer.sign(&body);

    let refused = |answer: Answer| answer.problem(401, "signature-rejected");
    refused(stranger.send(&world.api, &body));
    refused(other_curve.send(&world.api, &body));
    refused(deliver(&world.api, &body, "unknown", &good));
    refused(deliver(&world.api, &format!("{body} "), "a", &good));
    for signature in ["", "%", "AAAA", &STANDARD.encode([0x30, 0x06, 2, 1, 0, 2, 1, 0])] {
        refused(deliver(&world.api, &body, "a", signature));
    }
    let path = "/intake/github/default";
    refused(world.api.post_bare(path, body.as_bytes(), &[]));
    refused(world.api.post_bare(path, body.as_bytes(), &[(KEY_HEADER, "a")]));
    let twice = [(KEY_HEADER, "a"), (SIGNATURE_HEADER, good.as_str()), (SIGNATURE_HEADER, good.as_str())];
    refused(world.api.post_bare(path, body.as_bytes(), &twice));
    let headers = [(KEY_HEADER, "a"), (SIGNATURE_HEADER, good.as_str())];
    refused(world.api.post_bare("/intake/github/gone", body.as_bytes(), &headers));
    // Which tenants take part, nobody learns who is not GitHub.
    let told = refused(deliver(&world.api, &format!("{body} "), "a", &good));
    for tenant in ["other", "%ff", "%00"] {
        assert_eq!(
            refused(world.api.post_bare(&format!("/intake/github/{tenant}"), body.as_bytes(), &headers)),
            told,
            "{tenant}"
        );
    }

    for body in ["", "{}", "hunter22", r#"[{"token": 3}]"#, r#"[{"type": "hunter22"}]"#] {
        assert!(!signer.send(&world.api, body).problem(422, "report-rejected").contains("hunter22"), "{body}");
    }
    assert_eq!(world.api.get("/leaks").ok()["leaks"], json!([]), "nothing was kept");
    assert_eq!(published.asked(), 1, "strange names do not make us ask again and again");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_list_github_is_told_to_send_again() {
    let signer = Signer::new("a");
    let published = Published::start(&[&signer]);
    published.list.lock().unwrap().clear();
    let world = world(published.url()).await;
    let body = alerts(&["made-up-secret-number-1"]);
    let answer = signer.send(&world.api, &body);
    answer.problem(503, "keys-unavailable");
    signer.send(&world.api, &body).problem(503, "keys-unavailable");
    assert_eq!(published.asked(), 1, "a list that is down is not asked for at every request");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_part_has_no_receiver() {
    let world = World::start().await;
    Signer::new("a").send(&world.api, &alerts(&["made-up-secret-number-1"])).problem(404, "no-such-route");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_fetched_when_it_is_old_or_lacks_a_key_and_survives_for_a_day() {
    let (first, second) = (Signer::new("a"), Signer::new("b"));
    let published = Published::start(&[&first]);
    let keys = Keys::new(&published.url());
    let start = Instant::now();
    let after = |duration: Duration| start + duration;
    let has = async |name: &str, at: Instant| keys.get(name, at).await.map(|key| key.is_some());

    assert!(has("a", start).await.unwrap() && has("a", after(Duration::from_mins(59))).await.unwrap());
    assert_eq!(published.asked(), 1);
    assert!(has("a", after(FRESH)).await.unwrap());
    assert_eq!(published.asked(), 2, "an hour later it is fetched again");

    *published.list.lock().unwrap() = list(&[&first, &second]);
    assert!(!has("b", after(FRESH + Duration::from_secs(59))).await.unwrap());
    assert!(has("b", after(FRESH + Duration::from_mins(1))).await.unwrap());
    assert_eq!(published.asked(), 3, "for a key that it lacks it is fetched once a minute");

    *published.list.lock().unwrap() = list(&[&second]);
    assert!(has("b", after(3 * FRESH)).await.unwrap());
    assert!(!has("a", after(3 * FRESH)).await.unwrap(), "a key that was taken back is not used");

    published.list.lock().unwrap().clear();
    let (fetched, hour) = (3 * FRESH, Duration::from_hours(1));
    let almost = after(fetched + 23 * hour);
    assert!(has("b", almost).await.unwrap(), "GitHub's trouble is not ours for a day");
    assert!(matches!(has("a", almost).await, Err(IntakeError::NoKeys)));
    assert!(matches!(has("b", after(fetched + USABLE)).await, Err(IntakeError::NoKeys)));
    *published.list.lock().unwrap() = list(&[&second]);
    assert!(has("b", after(fetched + USABLE + hour)).await.unwrap());
    let endless = format!(r#"{{"public_keys": [], "more": "{}"}}"#, "x".repeat(300_000));
    *published.list.lock().unwrap() = endless;
    assert!(matches!(has("c", after(fetched + USABLE + 3 * hour)).await, Err(IntakeError::NoKeys)), "a list has its bounds");
}
