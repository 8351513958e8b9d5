//! The real `stopleak serve` and the API that it offers.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::running::Running;
use crate::small_disk::SmallDisk;
use crate::tools::Tools;
use crate::world::eventually;

/// A control plane with its data directory.
#[derive(Debug)]
pub struct ControlPlane {
    tools: Tools,
    data_dir: PathBuf,
    /// What its configuration says beside what every test needs.
    config: String,
    running: Running,
    addresses: Addresses,
    api: Api,
    /// Of its disk, when it has one of its own.
    megabytes: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    http: SocketAddr,
    feed: SocketAddr,
}

/// Where it says where it listens.
const ADDRESSES: &str = "addresses.json";

/// How long a start may take: an index of ten million tokens is read and proved before.
const PATIENCE: Duration = Duration::from_mins(10);

impl ControlPlane {
    /// Starts one on free ports.
    pub fn start(tools: &Tools, data_dir: &Path) -> Result<Self> {
        Self::start_on(tools, data_dir, None)
    }

    /// Starts one whose database is at a URL.
    pub fn start_on(tools: &Tools, data_dir: &Path, database: Option<String>) -> Result<Self> {
        let config = database.map(|url| format!("database = \"{url}\"\n")).unwrap_or_default();
        Self::start_with(tools, data_dir, config)
    }

    /// Starts one with some keys of its configuration.
    pub fn start_with(tools: &Tools, data_dir: &Path, config: String) -> Result<Self> {
        Self::begin(tools, data_dir, config, None)
    }

    /// Starts one whose data directory is a disk of its own, of so many megabytes. It does not outlive the process.
    pub fn start_on_small_disk(tools: &Tools, data_dir: &Path, megabytes: u64) -> Result<Self> {
        Self::begin(tools, data_dir, String::new(), Some(megabytes))
    }

    fn begin(tools: &Tools, data_dir: &Path, config: String, megabytes: Option<u64>) -> Result<Self> {
        let (running, addresses, api) = serve(tools, data_dir, &config, megabytes)?;
        Ok(Self { tools: tools.clone(), data_dir: data_dir.to_owned(), config, running, addresses, api, megabytes })
    }

    /// Starts another server with the same keys on the same database.
    pub fn another(&self, data_dir: &Path, database: Option<String>) -> Result<Self> {
        for file in ["keys/fingerprint.key", "keys/signing.key", "admin-token"] {
            let to = data_dir.join(file);
            fs::create_dir_all(to.parent().unwrap_or(data_dir))?;
            fs::copy(self.data_dir.join(file), to)?;
        }
        Self::start_on(&self.tools, data_dir, database)
    }

    /// Whether a server calls itself so: the number of its process is a part of the name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        name.rsplit('-').nth(1) == Some(&self.running.id().to_string())
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Starts it again on its data, on other ports.
    pub fn restart(&mut self) -> Result<()> {
        self.running.kill();
        (self.running, self.addresses, self.api) = serve(&self.tools, &self.data_dir, &self.config, self.megabytes)?;
        Ok(())
    }

    /// The address of the API.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.addresses.http
    }

    /// The address of the feed.
    #[must_use]
    pub fn feed(&self) -> SocketAddr {
        self.addresses.feed
    }

    /// Database, keys and the administrator's token.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// Bytes of memory that it has in use, and the most that it ever had.
    pub fn resident_bytes(&self) -> Result<(u64, u64)> {
        Ok((self.running.resident_bytes()?, self.running.peak_bytes()?))
    }

    /// Processor time that it has taken since it was started last.
    pub fn cpu_time(&self) -> Result<Duration> {
        self.running.cpu_time()
    }

    /// Runs a command of the same binary against it.
    pub fn cli(&self, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(&self.tools.stopleak).args(arguments).env("STOPLEAK_DATA_DIR", &self.data_dir).output()?)
    }

    /// `GET`, expecting success.
    pub fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.call("GET", path, None)?;
        ensure!((200..300).contains(&status), "GET {path}: {status} {body}");
        Ok(body)
    }

    /// `POST`, expecting success.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.api.post(path, body)
    }

    /// Any call as the administrator; the status and the body, `null` when there is none.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        self.api.call(method, path, body)
    }

    /// The client that it is called with.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Its disk, when it has one of its own.
    #[must_use]
    pub fn disk(&self) -> Option<SmallDisk> {
        self.megabytes.map(|_| SmallDisk::of(self.running.id(), &self.data_dir))
    }

    /// Records a manual leak; its number.
    pub fn add_leak(&self, title: &str, tokens: &[&str]) -> Result<u64> {
        let leak = self.post("/api/v1/leaks", &json!({"title": title, "tokens": tokens}))?;
        leak["number"].as_u64().with_context(|| format!("no number in {leak}"))
    }

    /// Takes a decision on a leak.
    pub fn decide(&self, leak: u64, action: &str) -> Result<Value> {
        self.post(&format!("/api/v1/leaks/{leak}/decisions"), &json!({"action": action, "reason": "test", "confirm": true}))
    }

    /// Scans a location and waits for the end of it; the scan.
    pub fn scan(&self, location: &str) -> Result<Value> {
        let source = self.post("/api/v1/sources", &json!({"location": location}))?;
        let scan = self.post(&format!("/api/v1/sources/{}/scans", id(&source)?), &json!({}))?;
        let path = format!("/api/v1/scans/{}", id(&scan)?);
        eventually("the scan ends", Duration::from_mins(1), || {
            let scan = self.get(&path)?;
            match scan["status"].as_str() {
                Some("done") => Ok(Some(scan)),
                Some("failed") => bail!("the scan failed: {scan}"),
                _ => Ok(None),
            }
        })
    }

    /// The attempts on record, up to a thousand: the two workers hand over in any order.
    pub fn attempts(&self) -> Result<Vec<Value>> {
        let page = self.get("/api/v1/attempts?limit=1000")?;
        page["attempts"].as_array().cloned().with_context(|| format!("no attempts in {page}"))
    }

    /// The gateway of this name.
    pub fn gateway(&self, name: &str) -> Result<Value> {
        let page = self.get("/api/v1/gateways")?;
        let gateways = page["gateways"].as_array().with_context(|| format!("no gateways in {page}"))?;
        gateways.iter().find(|gateway| gateway["name"] == name).cloned().with_context(|| format!("no {name} in {page}"))
    }
}

/// The `id` of an answer, as it is written in a path.
pub fn id(object: &Value) -> Result<String> {
    match &object["id"] {
        Value::String(id) => Ok(id.clone()),
        Value::Number(id) => Ok(id.to_string()),
        other => bail!("no id in {object}: {other}"),
    }
}

fn serve(tools: &Tools, data_dir: &Path, more: &str, megabytes: Option<u64>) -> Result<(Running, Addresses, Api)> {
    // Of a server that was killed.
    let _ = fs::remove_file(data_dir.join(ADDRESSES));
    // The repositories of tests and demo are on this machine.
    let config = data_dir.with_extension("toml");
    // As a string of TOML.
    let filter = json!(tools.filter);
    fs::write(&config, format!("local_sources = [\"/\"]\nfilter = {filter}\n{more}"))?;
    let mut command = match megabytes {
        Some(megabytes) => {
            fs::create_dir_all(data_dir)?;
            SmallDisk::command(data_dir, megabytes, &tools.stopleak)
        }
        None => Command::new(&tools.stopleak),
    };
    command.arg("serve").arg("--config").arg(config).arg("--data-dir").arg(data_dir).args([
        "--http",
        "127.0.0.1:0",
        "--feed",
        "127.0.0.1:0",
    ]);
    let mut running = Running::start("stopleak serve", &mut command, &data_dir.with_extension("log"))?;
    let folder = megabytes.map_or_else(|| data_dir.to_owned(), |_| SmallDisk::of(running.id(), data_dir).folder().to_owned());
    let addresses = eventually("the control plane listens", PATIENCE, || {
        if let Some(status) = running.ended() {
            bail!("stopleak serve ended with {status}:\n{}", running.log());
        }
        let Ok(text) = fs::read_to_string(folder.join(ADDRESSES)) else { return Ok(None) };
        let Ok(json) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
        let address = |name: &str| json[name].as_str().and_then(|address| address.parse().ok());
        Ok(address("http").zip(address("feed")).map(|(http, feed)| Addresses { http, feed }))
    })?;
    let api = Api::new(addresses.http, &fs::read_to_string(folder.join("admin-token"))?);
    Ok((running, addresses, api))
}
