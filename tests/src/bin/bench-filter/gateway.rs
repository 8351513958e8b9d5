//! An Envoy with one worker and one filter.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use stopleak_tests::{Request, Running, Tools, eventually};

/// What is started.
pub struct Chain {
    /// HTTP filters before the router.
    pub filters: Vec<Value>,
    /// Clusters beside the upstream.
    pub clusters: Vec<Value>,
    pub environment: Vec<(&'static str, String)>,
}

/// The process; ends when it is dropped.
pub struct Gateway {
    pub address: SocketAddr,
    running: Running,
}

impl Gateway {
    pub fn start(tools: &Tools, dir: &Path, upstream: SocketAddr, chain: Chain) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let file = dir.join("envoy.json");
        let admin_file = dir.join("admin-address");
        fs::write(&file, serde_json::to_vec_pretty(&bootstrap(upstream, chain.filters, chain.clusters))?)?;
        let mut command = Command::new(&tools.envoy);
        command.arg("--config-path").arg(&file).arg("--admin-address-path").arg(&admin_file);
        // A second worker would share the processor with the one that sends the requests.
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        command.envs(chain.environment);
        let mut running = Running::start("envoy", &mut command, &dir.join("envoy.log"))?;
        let address = eventually("Envoy listens", Duration::from_secs(30), || {
            if let Some(status) = running.ended() {
                bail!("Envoy ended with {status}:\n{}", running.log());
            }
            let admin = fs::read_to_string(&admin_file).ok().and_then(|address| address.trim().parse().ok());
            Ok(admin.and_then(|admin| listener(admin).ok()))
        })?;
        Ok(Self { address, running })
    }

    pub fn process(&self) -> u32 {
        self.running.id()
    }

    pub fn log(&self) -> String {
        self.running.log()
    }
}

/// A cluster of one address.
pub fn cluster(name: &str, address: SocketAddr, http2: bool) -> Value {
    let protocol = if http2 { json!({"http2_protocol_options": {}}) } else { json!({"http_protocol_options": {}}) };
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol,
        }},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(address)}}]}],
        },
    })
}

fn bootstrap(upstream: SocketAddr, mut filters: Vec<Value>, mut clusters: Vec<Value>) -> Value {
    filters.push(json!({
        "name": "router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    clusters.push(cluster("upstream", upstream, false));
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    json!({
        "admin": {"address": socket_address(any_port)},
        "node": {"id": "bench", "cluster": "bench"},
        "static_resources": {
            "clusters": clusters,
            "listeners": [{
                "name": "gateway",
                "address": socket_address(any_port),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "gateway",
                        "use_remote_address": true,
                        "normalize_path": true,
                        "http_filters": filters,
                        "route_config": {"virtual_hosts": [{
                            "name": "everything",
                            "domains": ["*"],
                            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
                        }]},
                    },
                }]}],
            }],
        },
    })
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn listener(admin: SocketAddr) -> Result<SocketAddr> {
    let page = Request::get(admin, "/listeners?format=json").send()?.body;
    let json: Value = serde_json::from_str(&page)?;
    let address = &json["listener_statuses"][0]["local_address"]["socket_address"];
    let port = address["port_value"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    Ok(SocketAddr::from(([127, 0, 0, 1], port.context("no port yet")?)))
}
