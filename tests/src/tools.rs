//! Where the binaries are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Paths of everything that is started.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The checkout.
    pub root: PathBuf,
    /// The control plane.
    pub stopleak: PathBuf,
    /// The module.
    pub filter: PathBuf,
    /// The proxy.
    pub envoy: PathBuf,
    /// Where cargo builds.
    target: PathBuf,
}

impl Tools {
    /// Finds them, or says which command makes what is missing.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("tests/ has a parent")?.to_owned();
        let this = env::current_exe()?;
        // `target/debug/deps/e2e-…` or `target/debug/demo`
        let profile = this
            .ancestors()
            .skip(1)
            .find(|dir| dir.file_name().is_none_or(|name| name != "deps"))
            .context("this binary lies in no folder")?;
        let target = profile.parent().context("the profile's folder lies in the target folder")?;
        let tools = Self {
            stopleak: profile.join("stopleak"),
            filter: target.join("stopleak_filter.wasm"),
            envoy: match env::var_os("STOPLEAK_ENVOY") {
                Some(path) => path.into(),
                None => root.join(".tools/envoy/envoy/_bin/envoy"),
            },
            root,
            target: target.to_owned(),
        };
        for (path, recipe) in [(&tools.stopleak, "build"), (&tools.filter, "build"), (&tools.envoy, "setup")] {
            ensure!(path.is_file(), "{} is missing: run `just {recipe}`", path.display());
        }
        Ok(tools)
    }

    /// What simulates gateways.
    pub fn simulator(&self) -> Result<PathBuf> {
        let path = self.stopleak.with_file_name("simulate-gateways");
        ensure!(path.is_file(), "{} is missing: run `just build`", path.display());
        Ok(path)
    }

    /// The module that does nothing, to compare with: as cargo builds it.
    pub fn noop_filter(&self) -> Result<PathBuf> {
        let path = self.target.join("wasm32-wasip1/filter/stopleak_noop_filter.wasm");
        ensure!(path.is_file(), "{} is missing: run `just build`", path.display());
        Ok(path)
    }

    /// The module that traps on demand, which no release contains.
    pub fn trapping_filter(&self) -> Result<PathBuf> {
        let path = self.target.join("wasm32-wasip1/debug/stopleak_filter.wasm");
        ensure!(path.is_file(), "{} is missing: run `just trapping-filter`", path.display());
        Ok(path)
    }
}
