//! A control plane that a test can talk to.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stopleak::api_tokens::{self, Role};
use stopleak::app::App;
use stopleak::config::Config;
use stopleak::secret::{Purpose, Secret};
use stopleak::serve::{Addresses, Server};
use stopleak::tenants::TenantId;
use stopleak::time::Time;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Gateway;

/// A control plane in this process.
pub struct World {
    pub data: tempfile::TempDir,
    pub addresses: Addresses,
    pub app: std::sync::Arc<App>,
    pub api: Api,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Calls the API with a token.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: String,
}

/// What the API said.
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub location: Option<String>,
    pub text: String,
}

/// Longest that anything may take that a test waits for.
pub const DEADLINE: Duration = Duration::from_secs(10);

impl World {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub async fn start_in(data: tempfile::TempDir) -> Self {
        let config = config(data.path());
        Self::start_with(data, &config).await
    }

    pub async fn start_with(data: tempfile::TempDir, config: &Config) -> Self {
        let server = Server::start(config).await.unwrap();
        let (addresses, app) = (server.addresses(), server.app());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let token = std::fs::read_to_string(data.path().join("admin-token")).unwrap();
        let api = Api::new(addresses, &token);
        Self { data, addresses, app, api, stop: Some(stop), running: Some(running) }
    }

    /// Stops the control plane and keeps its data.
    pub async fn stop(mut self) -> tempfile::TempDir {
        let _ = self.stop.take().unwrap().send(());
        self.running.take().unwrap().await.unwrap().unwrap();
        self.data
    }

    /// A new gateway: its id and credential.
    pub fn gateway(&self, name: &str) -> (i64, String) {
        let added = self.api.post("/gateways", &json!({"name": name})).created();
        (added["id"].as_i64().unwrap(), added["credential"].as_str().unwrap().to_owned())
    }

    /// A connected worker of a new gateway that has the newest index.
    pub async fn connected(&self, name: &str) -> Gateway {
        let (_, credential) = self.gateway(name);
        let mut gateway = Gateway::open(self, &credential).await.unwrap();
        gateway.hello().await;
        gateway.take_index().await;
        gateway
    }

    pub fn leak(&self, tokens: &[&str]) -> Value {
        self.api.post("/leaks", &json!({"title": "a leak", "tokens": tokens})).created()
    }

    /// A new API token of the role.
    pub async fn token(&self, role: Role) -> String {
        let secret = Secret::generate(Purpose::ApiToken).unwrap();
        let mut db = self.app.store.write().await.unwrap();
        api_tokens::add(&mut db, TenantId(1), "of a test", role, &secret, Time::now()).await.unwrap();
        db.commit().await.unwrap();
        secret.expose().to_owned()
    }

    pub fn epoch(&self) -> u64 {
        self.api.get("/gateways").ok()["epoch"].as_u64().unwrap()
    }
}

impl Api {
    pub fn new(addresses: Addresses, token: &str) -> Self {
        Self { base: format!("http://{}", addresses.http), token: token.to_owned() }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { base: self.base.clone(), token: token.to_owned() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_raw(&format!("/api/v1{path}"))
    }

    pub fn get_raw(&self, path: &str) -> Answer {
        call(agent().get(format!("{}{path}", self.base)).header("authorization", format!("Bearer {}", self.token)).call())
    }

    pub fn delete(&self, path: &str) -> Answer {
        let url = format!("{}/api/v1{path}", self.base);
        call(agent().delete(url).header("authorization", format!("Bearer {}", self.token)).call())
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        let request = agent()
            .patch(format!("{}/api/v1{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        call(request.send(body.to_string()))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string(), "application/json")
    }

    pub fn post_text(&self, path: &str, body: &str, content_type: &str) -> Answer {
        let request = agent()
            .post(format!("{}/api/v1{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", content_type);
        // Like curl: what is refused unread may otherwise break the connection before the answer is read.
        let request = if body.len() > 1_000_000 { request.header("expect", "100-continue") } else { request };
        call(request.send(body))
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    pub fn created(&self) -> Value {
        assert_eq!(self.status, 201, "{}", self.text);
        self.json()
    }

    /// A problem of this status and type; returns its detail.
    pub fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.content_type, "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:stopleak:problem:{kind}"), "{}", self.text);
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

pub fn config(data_dir: &Path) -> Config {
    Config {
        data_dir: Some(data_dir.to_owned()),
        http: "127.0.0.1:0".parse().ok(),
        feed: "127.0.0.1:0".parse().ok(),
        local_sources: vec![std::env::temp_dir()],
        ..Config::default()
    }
}

/// Asks until the answer is yes.
pub async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE)).build().into()
}

fn call(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = response.unwrap();
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (content_type, location) = (header("content-type").unwrap_or_default(), header("location"));
    let text = tokio::task::block_in_place(|| response.body_mut().read_to_string().unwrap());
    Answer { status: response.status().as_u16(), content_type, location, text }
}
