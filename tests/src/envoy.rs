//! A real Envoy that runs `envoy/standalone/envoy.yaml`, with only its ports and its upstream replaced.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::request::Request;
use crate::running::Running;
use crate::tools::Tools;
use crate::world::eventually;

/// The gateway.
#[derive(Debug)]
pub struct Envoy {
    running: Running,
    admin: SocketAddr,
    listener: SocketAddr,
    /// The listener's file, which Envoy watches.
    listener_file: PathBuf,
}

/// What a gateway needs to know.
#[derive(Clone, Debug)]
pub struct EnvoySetting {
    /// Where requests go.
    pub upstream: SocketAddr,
    /// Where the feed is.
    pub feed: SocketAddr,
    /// Further servers that offer the same feed.
    pub other_feeds: Vec<SocketAddr>,
    /// The gateway's credential.
    pub credential: String,
    /// The control plane's public key.
    pub public_key: String,
    /// Keys that replace those of the filter's configuration.
    pub plugin: Value,
    /// Keys that replace those of the HTTP connection manager.
    pub connection_manager: Value,
    /// The module.
    pub filter: PathBuf,
}

/// Worker threads; the main thread has a VM of its own.
pub const WORKERS: u64 = 2;

impl Envoy {
    /// Starts one on free ports and waits until it takes requests.
    pub fn start(tools: &Tools, dir: &Path, setting: &EnvoySetting) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let text = fs::read_to_string(tools.root.join("envoy/standalone/envoy.yaml"))?;
        let mut bootstrap: Value = serde_saphyr::from_str(&text)?;
        let listener_file = dir.join("listeners.json");
        adapt(&mut bootstrap, setting, &listener_file)?;
        let file = dir.join("envoy.json");
        fs::write(&file, serde_json::to_vec_pretty(&bootstrap)?)?;

        let admin_file = dir.join("admin-address");
        let _ = fs::remove_file(&admin_file);
        let mut command = Command::new(&tools.envoy);
        command.arg("--config-path").arg(&file).arg("--admin-address-path").arg(&admin_file);
        command.args(["--concurrency", &WORKERS.to_string(), "--disable-hot-restart", "--log-level", "warning"]);
        command.args(["--component-log-level", "wasm:info"]);
        // The VMs of a configuration that was replaced go on for that long: ten minutes, unless told otherwise.
        command.args(["--drain-time-s", "2"]);
        command.env("STOPLEAK_CREDENTIAL", &setting.credential).env("STOPLEAK_PUBLIC_KEY", &setting.public_key);
        let mut running = Running::start("envoy", &mut command, &dir.join("envoy.log"))?;

        let (admin, listener) = eventually("Envoy listens", Duration::from_secs(30), || {
            if let Some(status) = running.ended() {
                bail!("Envoy ended with {status}:\n{}", running.log());
            }
            let Some(admin) = fs::read_to_string(&admin_file).ok().and_then(|address| address.trim().parse().ok()) else {
                return Ok(None);
            };
            Ok(listener_address(admin).map(|listener| (admin, listener)))
        })?;
        Ok(Self { running, admin, listener, listener_file })
    }

    /// Where requests go in.
    #[must_use]
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Where its administration interface is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A page of the administration interface.
    pub fn admin_page(&self, path: &str) -> Result<String> {
        let reply = Request::get(self.admin, path).send()?;
        ensure!(reply.status == 200, "{path}: {}", reply.head);
        Ok(reply.body)
    }

    /// A counter or gauge; 0 before it was first written.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let page = self.admin_page(&format!("/stats?filter=^{name}$&format=text"))?;
        Ok(page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok()).unwrap_or(0))
    }

    /// Access log and all else that it has written.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// Bytes of memory that it has in use.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.running.resident_bytes()
    }

    /// Whether these bytes are anywhere in its memory.
    pub fn remembers(&self, bytes: &[u8]) -> Result<bool> {
        self.running.remembers(bytes)
    }

    /// Replaces keys of the filter's configuration while it runs, and waits until the new one is in force.
    pub fn reconfigure(&self, plugin: &Value) -> Result<()> {
        self.change_listeners("listener_modified", |listeners| listeners.iter_mut().try_for_each(|one| merge_plugin(one, plugin)))
    }

    /// Lets it listen at one more port, with the same configuration: the new address.
    pub fn listen_at_another(&self, name: &str) -> Result<SocketAddr> {
        self.change_listeners("listener_added", |listeners| {
            let mut another = listeners.first().cloned().context("a listener")?;
            another["name"] = json!(name);
            listeners.push(another);
            Ok(())
        })?;
        let page = self.admin_page("/listeners")?;
        let address = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("::"));
        address.with_context(|| format!("no {name} in {page}"))?.trim().parse().context("an address")
    }

    /// Waits until what a new configuration has replaced is gone, and its VMs with it.
    pub fn wait_until_drained(&self) -> Result<()> {
        eventually("the configuration before is gone", Duration::from_secs(20), || {
            let mut left = 0;
            for what in ["listeners", "filter_chains"] {
                left += self.stat(&format!("listener_manager.total_{what}_draining"))?;
            }
            Ok((left == 0).then_some(()))
        })
    }

    /// Writes the listeners' file anew, and waits until this counter says that it is in force.
    fn change_listeners(&self, counter: &str, change: impl FnOnce(&mut Vec<Value>) -> Result<()>) -> Result<()> {
        let mut listeners: Value = serde_json::from_slice(&fs::read(&self.listener_file)?)?;
        change(listeners["resources"].as_array_mut().context("no listeners")?)?;
        let counter = format!("listener_manager.{counter}");
        let before = self.stat(&counter)?;
        let new = self.listener_file.with_extension("new");
        fs::write(&new, serde_json::to_vec(&listeners)?)?;
        // Envoy notices a file that is moved into place.
        fs::rename(&new, &self.listener_file)?;
        eventually("the new configuration is in force", Duration::from_secs(15), || {
            let changed = self.stat(&counter)? > before;
            let settled = self.stat("listener_manager.total_listeners_warming")? == 0;
            Ok((changed && settled).then_some(()))
        })
    }
}

/// Free ports, the given upstream and feed, and the listener in a file of its own so that it can be changed at run time.
fn adapt(bootstrap: &mut Value, setting: &EnvoySetting, listener_file: &Path) -> Result<()> {
    bootstrap["admin"]["address"] = socket_address("127.0.0.1", 0);
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().context("no clusters")? {
        let to = match cluster["name"].as_str() {
            Some("upstream") => setting.upstream,
            Some("stopleak_feed") => setting.feed,
            other => bail!("an unknown cluster {other:?}"),
        };
        if let Some(name) = setting.plugin["cluster"].as_str()
            && cluster["name"] == "stopleak_feed"
        {
            cluster["name"] = json!(name);
        }
        if cluster["name"] == "upstream" {
            cluster["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
            }});
        }
        let is_feed = cluster["name"] == "stopleak_feed";
        let endpoints = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"];
        endpoints[0]["endpoint"]["address"] = socket_address(&to.ip().to_string(), to.port());
        if is_feed && !setting.other_feeds.is_empty() {
            // As README.md beside the bootstrap says.
            let others = setting.other_feeds.iter().map(|to| socket_address(&to.ip().to_string(), to.port()));
            let others = others.map(|address| json!({"endpoint": {"address": address}}));
            endpoints.as_array_mut().context("no endpoints")?.extend(others);
            cluster["type"] = json!("STRICT_DNS");
            cluster["lb_policy"] = json!("ROUND_ROBIN");
        }
    }

    let listeners = bootstrap["static_resources"]["listeners"].take();
    let mut gateway = listeners
        .as_array()
        .and_then(|listeners| listeners.iter().find(|listener| listener["name"] == "gateway"))
        .cloned()
        .context("no listener called gateway")?;
    gateway["address"] = socket_address("127.0.0.1", 0);
    // The worst case: trailers are passed on over HTTP/1.1 too.
    gateway["filter_chains"][0]["filters"][0]["typed_config"]["http_protocol_options"] = json!({"enable_trailers": true});
    gateway["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    wasm(&mut gateway)?["vm_config"]["code"]["local"]["filename"] = json!(setting.filter);
    for (key, value) in setting.connection_manager.as_object().into_iter().flatten() {
        gateway["filter_chains"][0]["filters"][0]["typed_config"][key] = value.clone();
    }
    merge_plugin(&mut gateway, &setting.plugin)?;
    fs::write(listener_file, serde_json::to_vec(&json!({"resources": [gateway]}))?)?;

    bootstrap["static_resources"]["listeners"] = json!([]);
    bootstrap["node"] = json!({"id": "gateway-under-test", "cluster": "tests"});
    bootstrap["dynamic_resources"] = json!({"lds_config": {
        "resource_api_version": "V3",
        "path_config_source": {"path": listener_file},
    }});
    Ok(())
}

fn socket_address(address: &str, port: u16) -> Value {
    json!({"socket_address": {"address": address, "port_value": port}})
}

/// The configuration of the Wasm filter within a listener.
fn wasm(listener: &mut Value) -> Result<&mut Value> {
    let filters = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let filters = filters.as_array_mut().context("no HTTP filters")?;
    let filter = filters.iter_mut().find(|filter| filter["name"] == "stopleak").context("no filter called stopleak")?;
    Ok(&mut filter["typed_config"]["config"])
}

fn merge_plugin(listener: &mut Value, plugin: &Value) -> Result<()> {
    let value = &mut wasm(listener)?["configuration"]["value"];
    let mut json: Value = serde_json::from_str(value.as_str().context("the plugin's configuration is text")?)?;
    for (key, setting) in plugin.as_object().into_iter().flatten() {
        json[key] = setting.clone();
    }
    *value = Value::String(json.to_string());
    Ok(())
}

fn listener_address(admin: SocketAddr) -> Option<SocketAddr> {
    let reply = Request::get(admin, "/listeners?format=json").send().ok()?;
    let json: Value = serde_json::from_str(&reply.body).ok()?;
    let address = &json["listener_statuses"][0]["local_address"]["socket_address"];
    let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
    Some(SocketAddr::new(address["address"].as_str()?.parse().ok()?, port))
}
