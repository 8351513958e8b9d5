//! A control plane that a test can talk to.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stopleak::api_tokens;
use stopleak::app::App;
use stopleak::config::Config;
use stopleak::index::Published;
use stopleak::people::Role;
use stopleak::secret::{Purpose, Secret};
use stopleak::serve::{Addresses, Server};
use stopleak::tenants::TenantId;
use stopleak::time::Time;
use stopleak_postgres::Postgres;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::client::Gateway;

/// A control plane in this process.
pub struct World {
    pub data: Data,
    pub addresses: Addresses,
    pub app: Arc<App>,
    pub api: Api,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

/// What outlives a control plane: its data folder, and the server of its database where it is not a file there.
pub struct Data {
    pub folder: tempfile::TempDir,
    pub postgres: Option<Postgres>,
}

/// Calls the API with a token.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    pub token: String,
    tenant: Option<String>,
}

/// What the API said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub location: Option<String>,
    pub etag: Option<String>,
    pub text: String,
    /// All of them.
    pub headers: Vec<(String, String)>,
}

/// Of every account of a test.
pub const PASSWORD: &str = "four blue kettles sing";
/// Longest that anything may take that a test waits for.
pub const DEADLINE: Duration = Duration::from_secs(10);

impl World {
    pub async fn start() -> Self {
        Self::start_in(Data::new()).await
    }

    pub async fn start_in(data: Data) -> Self {
        let config = data.config();
        Self::start_with(data, &config).await
    }

    pub async fn start_with(data: Data, config: &Config) -> Self {
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
    pub async fn stop(mut self) -> Data {
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
        self.token_of(TenantId(1), role).await
    }

    /// A new API token of a tenant.
    pub async fn token_of(&self, tenant: TenantId, role: Role) -> String {
        let secret = Secret::generate(Purpose::ApiToken).unwrap();
        let mut db = self.app.store.write().await.unwrap();
        api_tokens::add(&mut db, tenant, "of a test", role, &secret, None, Time::now()).await.unwrap();
        db.commit().await.unwrap();
        secret.expose().to_owned()
    }

    /// A new tenant.
    pub async fn tenant(&self, name: &str) -> TenantId {
        self.api.post("/tenants", &json!({"name": name})).created();
        let mut db = self.app.store.read().await.unwrap();
        stopleak::tenants::find(&mut db, name).await.unwrap().unwrap().id
    }

    pub fn epoch(&self) -> u64 {
        self.api.get("/gateways").ok()["epoch"].as_u64().unwrap()
    }
}

impl Data {
    /// Of the database that these tests are for.
    pub fn new() -> Self {
        let postgres = crate::ON_POSTGRES.then(|| Postgres::start().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), postgres }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> Config {
        let database = self.postgres.as_ref().map(|postgres| postgres.url().into());
        Config { database, ..config(self.path()) }
    }
}

impl Api {
    pub fn new(addresses: Addresses, token: &str) -> Self {
        Self { base: format!("http://{}", addresses.http), token: token.to_owned(), tenant: None }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// As somebody who chooses this tenant.
    pub fn of_tenant(&self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self.clone() }
    }

    /// Any method, with a body as JSON.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(method, path, body, &[])
    }

    /// The same, with further headers.
    pub fn send_with(&self, method: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        let request = match &self.tenant {
            Some(tenant) => request.header("stopleak-tenant", tenant),
            None => request,
        };
        let request =
            if self.token.is_empty() { request } else { request.header("authorization", format!("Bearer {}", self.token)) };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let body = if method == "GET" { String::new() } else { body.to_string() };
        call(|| agent().run(request.body(body).unwrap()))
    }

    /// A change under the condition that the object still has this version.
    pub fn send_if(&self, method: &str, path: &str, body: &Value, etag: &str) -> Answer {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.base))
            .header("content-type", "application/json")
            .header("if-match", etag)
            .header("authorization", format!("Bearer {}", self.token));
        call(|| agent().run(request.body(body.to_string()).unwrap()))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", &format!("/api/v1{path}"), body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_raw(&format!("/api/v1{path}"))
    }

    pub fn get_raw(&self, path: &str) -> Answer {
        self.send("GET", path, &Value::Null)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", &format!("/api/v1{path}"), &Value::Null)
    }

    pub fn put_text(&self, path: &str, body: &str) -> Answer {
        let request = agent().put(format!("{}/api/v1{path}", self.base));
        call(|| request.header("authorization", format!("Bearer {}", self.token)).send(body))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", &format!("/api/v1{path}"), body)
    }

    /// As somebody without an API token.
    pub fn post_bare(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let request = agent().post(format!("{}/api/v1{path}", self.base));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = if body.len() > 1_000_000 { request.header("expect", "100-continue") } else { request };
        call(|| request.send(body))
    }

    pub fn post_text(&self, path: &str, body: &str, content_type: &str) -> Answer {
        let request = agent()
            .post(format!("{}/api/v1{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", content_type);
        // Like curl: what is refused unread may otherwise break the connection before the answer is read.
        let request = if body.len() > 1_000_000 { request.header("expect", "100-continue") } else { request };
        call(|| request.send(body))
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

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
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

/// Whether the newest epoch is published. The answer is had first: who borrows keeps the publisher from publishing, and with it the API from
/// answering.
pub fn is_published(world: &World, index: &watch::Receiver<Arc<Published>>) -> bool {
    let decided = world.epoch();
    index.borrow().epoch == decided
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
    ureq::Agent::config_builder()
        // A page that leads to another one is an answer, and who is redirected has no token any more.
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .timeout_await_100(Some(DEADLINE))
        .build()
        .into()
}

/// Off the runtime's thread: the server shares it, and what that thread has just woken would wait for the answer too.
fn call(send: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = tokio::task::block_in_place(send).unwrap();
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (content_type, location) = (header("content-type").unwrap_or_default(), header("location"));
    let etag = header("etag");
    let all = response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let headers = all.collect();
    let text = tokio::task::block_in_place(|| response.body_mut().read_to_string().unwrap());
    Answer { status: response.status().as_u16(), content_type, location, etag, text, headers }
}
