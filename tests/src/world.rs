//! Everything together.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use stopleak_postgres::Postgres;
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::envoy::{Envoy, EnvoySetting, WORKERS};
use crate::network::Network;
use crate::request::Request;
use crate::tools::Tools;
use crate::upstream::Upstream;

/// A control plane, a gateway in front of an upstream, and the network between control plane and gateway.
///
/// Fields are dropped in this order: what connects before what is connected to.
#[derive(Debug)]
pub struct World {
    /// The gateway.
    pub envoy: Envoy,
    /// Between the gateway and the control plane.
    pub network: Network,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// Other servers on the same database.
    pub others: Vec<ControlPlane>,
    /// The protected service.
    pub upstream: Upstream,
    /// The control plane's database, where it is not a file.
    pub postgres: Option<Postgres>,
    tools: Tools,
    setting: EnvoySetting,
    dir: TempDir,
}

/// How a world differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Keys of the filter's configuration.
    pub plugin: Value,
    /// Instead of a credential that the control plane has made.
    pub credential: Option<String>,
    /// Do not wait until the gateway has its index.
    pub without_index: bool,
    /// Keys that replace those of Envoy's HTTP connection manager.
    pub connection_manager: Value,
    /// The control plane's database is on a server of its own.
    pub on_postgres: bool,
    /// The control plane's data lies on a disk of its own, of so many megabytes.
    pub on_small_disk: Option<u64>,
    /// Further servers on it, which the gateway knows, too.
    pub other_servers: usize,
    /// Instead of the module that is shipped: the one that traps on demand.
    pub trapping: bool,
}

/// The name under which the gateway is known to the control plane.
pub const GATEWAY: &str = "test-gateway";

impl World {
    /// The usual one: every worker of the gateway has the first index.
    pub fn start() -> Result<Self> {
        Self::with(Setting::default())
    }

    /// One that differs.
    pub fn with(setting: Setting) -> Result<Self> {
        let tools = Tools::find()?;
        let dir = tempfile::Builder::new().prefix("stopleak-").tempdir()?;
        let postgres = if setting.on_postgres { Some(Postgres::start()?) } else { None };
        let database = postgres.as_ref().map(Postgres::url);
        let data_dir = dir.path().join("control-plane");
        let control_plane = match setting.on_small_disk {
            Some(megabytes) => ControlPlane::start_on_small_disk(&tools, &data_dir, megabytes)?,
            None => ControlPlane::start_on(&tools, &data_dir, database.clone())?,
        };
        let others = (0..setting.other_servers)
            .map(|n| control_plane.another(&dir.path().join(format!("other-{n}")), database.clone()))
            .collect::<Result<Vec<_>>>()?;
        let upstream = Upstream::start()?;
        let network = Network::start(control_plane.feed())?;
        let gateway = control_plane.post("/api/v1/gateways", &json!({"name": GATEWAY}))?;
        let text = |key: &str| gateway[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {gateway}"));
        let envoy_setting = EnvoySetting {
            upstream: upstream.address(),
            feed: network.address(),
            other_feeds: others.iter().map(ControlPlane::feed).collect(),
            credential: setting.credential.map_or_else(|| text("credential"), Ok)?,
            public_key: text("public_key")?,
            plugin: setting.plugin,
            connection_manager: setting.connection_manager,
            filter: if setting.trapping { tools.trapping_filter()? } else { tools.filter.clone() },
        };
        let envoy = Envoy::start(&tools, &dir.path().join("envoy"), &envoy_setting)?;
        let world = Self { envoy, network, control_plane, others, upstream, postgres, tools, setting: envoy_setting, dir };
        if !setting.without_index {
            world.wait_for_epoch(0)?;
        }
        Ok(world)
    }

    /// A request to the gateway.
    #[must_use]
    pub fn get(&self, target: &str) -> Request {
        Request::get(self.envoy.listener(), target)
    }

    /// Another gateway with a credential of its own, once it has the newest index.
    pub fn another_gateway(&self, name: &str) -> Result<Envoy> {
        let gateway = self.control_plane.post("/api/v1/gateways", &json!({"name": name}))?;
        let credential = gateway["credential"].as_str().context("no credential")?.to_owned();
        let setting = EnvoySetting { credential, ..self.setting.clone() };
        let envoy = Envoy::start(&self.tools, &self.dir.path().join(name), &setting)?;
        let newest = self.control_plane.get("/api/v1/gateways")?["epoch"].clone();
        eventually(&format!("{name} has the index"), Duration::from_secs(20), || {
            let gateway = self.control_plane.gateway(name)?;
            Ok((gateway["workers"] == json!(WORKERS + 1) && gateway["epoch"] == newest).then_some(()))
        })?;
        Ok(envoy)
    }

    /// Ends the gateway and starts it anew.
    pub fn restart_envoy(&mut self) -> Result<()> {
        self.envoy = Envoy::start(&self.tools, &self.dir.path().join("envoy"), &self.setting)?;
        Ok(())
    }

    /// Starts the control plane again; the gateway finds it, since the network leads to its new port.
    pub fn restart_control_plane(&mut self) -> Result<()> {
        self.control_plane.restart()?;
        self.network.lead_to(self.control_plane.feed());
        Ok(())
    }

    /// Waits until every VM of the gateway has an epoch of at least this one; the gateway as the control plane sees it.
    pub fn wait_for_epoch(&self, epoch: u64) -> Result<Value> {
        eventually(&format!("every worker has epoch {epoch}"), Duration::from_secs(20), || {
            let gateway = self.control_plane.gateway(GATEWAY)?;
            let all = gateway["workers"].as_u64() == Some(WORKERS + 1);
            let in_force = gateway["epoch"].as_u64().is_some_and(|in_force| in_force >= epoch);
            Ok((all && in_force).then_some(gateway))
        })
    }

    /// Takes a decision and waits until every worker has it.
    pub fn decide(&self, leak: u64, action: &str) -> Result<()> {
        let decision = self.control_plane.decide(leak, action)?;
        self.wait_for_epoch(decision["epoch"].as_u64().with_context(|| format!("no epoch in {decision}"))?)?;
        Ok(())
    }

    /// Records a leak and waits until every worker observes it; the leak's number.
    pub fn observed_leak(&self, tokens: &[&str]) -> Result<u64> {
        let leak = self.control_plane.post("/api/v1/leaks", &json!({"title": "a leak", "tokens": tokens}))?;
        self.wait_for_epoch(leak["epoch"].as_u64().with_context(|| format!("no epoch in {leak}"))?)?;
        leak["number"].as_u64().with_context(|| format!("no number in {leak}"))
    }

    /// Records a leak and patches it, and waits until every worker has the patch; the leak's number.
    pub fn patched_leak(&self, tokens: &[&str]) -> Result<u64> {
        let leak = self.control_plane.add_leak("a leak", tokens)?;
        self.decide(leak, "apply_virtual_patch")?;
        Ok(leak)
    }

    /// Waits until this many attempts are on record.
    pub fn wait_for_attempts(&self, count: usize) -> Result<Vec<Value>> {
        eventually(&format!("{count} attempts are on record"), Duration::from_secs(10), || {
            let attempts = self.control_plane.attempts()?;
            Ok((attempts.len() >= count).then_some(attempts))
        })
    }

    /// What the binaries are.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Where all of its files are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// Asks until there is an answer, and fails when there is none in time.
pub fn eventually<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) => bail!("not within {patience:?}: {what}"),
            Err(error) => return Err(error.context(format!("while waiting: {what}"))),
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
