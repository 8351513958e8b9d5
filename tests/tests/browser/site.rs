//! A control plane with people, and a browser that plays a story on it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stopleak_tests::{ControlPlane, Tools, World};
use tempfile::TempDir;

/// The console with accounts of three roles: `ada` decides, `ann` looks on, `root` reaches all tenants.
pub struct Site {
    place: Place,
    tools: Tools,
    dir: TempDir,
}

/// Where the control plane is.
enum Place {
    Alone(Box<ControlPlane>),
    /// With a real gateway before an upstream.
    WithGateway(Box<World>),
}

/// Of every account.
const PASSWORD: &str = "four blue kettles sing";
/// What may be scanned, where there is such a folder.
const FOLDER: &str = "sources";
/// Leaks of each source and by hand: one page has fifty, so there is a second.
const LEAKS: usize = 18;

impl Site {
    /// Nothing has leaked yet.
    pub fn start() -> Result<Self> {
        let (tools, dir) = (Tools::find()?, TempDir::new()?);
        let control_plane = ControlPlane::start(&tools, &dir.path().join("control-plane"))?;
        Self::of(tools, dir, Place::Alone(Box::new(control_plane)))
    }

    /// A gateway has its index, and nothing has leaked yet.
    pub fn with_gateway() -> Result<Self> {
        Self::of(Tools::find()?, TempDir::new()?, Place::WithGateway(Box::new(World::start()?)))
    }

    /// There is a folder that may be scanned, with a token in it.
    pub fn with_folder() -> Result<Self> {
        let site = Self::start()?;
        let folder = site.dir.path().join(FOLDER);
        fs::create_dir(&folder)?;
        let token = stopleak_detector::token("github-personal-access-token", 7).context("there is no such rule")?;
        fs::write(folder.join("config.py"), format!("TOKEN = \"{token}\"\n"))?;
        Ok(site)
    }

    fn of(tools: Tools, dir: TempDir, place: Place) -> Result<Self> {
        let site = Self { place, tools, dir };
        for (name, role) in [("ada", "administrator"), ("ann", "analyst"), ("root", "global_administrator")] {
            site.add("/api/v1/users", &json!({"name": name, "role": role, "password": PASSWORD}))?;
        }
        Ok(site)
    }

    /// Leaks of two reports and by hand, of every risk and status.
    pub fn with_leaks() -> Result<Self> {
        let site = Self::start()?;
        for name in ["payments/api", "team/mobile-app"] {
            let import = site.add("/api/v1/imports", &json!({"name": name}))?;
            let finding = |n: usize| json!({"RuleID": "generic", "File": format!("src/config-{n}.py"), "StartLine": n + 1, "Secret": example_token()});
            let report: Vec<Value> = (0..LEAKS).map(finding).collect();
            let path = format!("/api/v1/imports/{}/report", import["id"]);
            let (status, answer) = site.control_plane().call("PUT", &path, Some(&json!(report)))?;
            ensure!(status == 200, "{status} {answer}");
        }
        for (n, risk) in ["critical", "high", "medium", "low"].iter().cycle().take(LEAKS).enumerate() {
            let leak = json!({"title": format!("Found by hand {n}"), "risk": risk, "tokens": [example_token(), example_token()]});
            site.add("/api/v1/leaks", &leak)?;
        }
        for (leak, action) in [(1, "close"), (2, "close"), (3, "mark_false"), (40, "apply_virtual_patch"), (41, "close")] {
            site.add(&format!("/api/v1/leaks/{leak}/decisions"), &json!({"action": action, "reason": "seen", "confirm": true}))?;
        }
        Ok(site)
    }

    /// `POST`, as the administrator's program.
    pub fn add(&self, path: &str, body: &Value) -> Result<Value> {
        self.control_plane().post(path, body)
    }

    fn control_plane(&self) -> &ControlPlane {
        match &self.place {
            Place::Alone(control_plane) => control_plane,
            Place::WithGateway(world) => &world.control_plane,
        }
    }

    /// Plays a story; what the browser saw last is in `target/browser` when it does not end well.
    pub fn plays(&self, story: &str) -> Result<()> {
        let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/stories");
        let packages = self.tools.root.join(".tools/browser/node_modules");
        ensure!(packages.is_dir(), "{} is missing: run `just setup`", packages.display());
        let seen = self.tools.root.join("target/browser");
        fs::create_dir_all(&seen)?;
        let gateway = match &self.place {
            Place::Alone(_) => Value::Null,
            Place::WithGateway(world) => json!(format!("http://{}", world.envoy.listener())),
        };
        let scene = json!({
            "url": format!("http://{}", self.control_plane().http()),
            "gateway": gateway,
            "token": fs::read_to_string(self.control_plane().data_dir().join("admin-token"))?.trim(),
            "password": PASSWORD,
            "folder": self.dir.path().join(FOLDER),
            "packages": packages,
            "chromium": chromium()?,
            "profile": self.dir.path().join("profile"),
            "seen": seen.join(story),
            // Only when somebody asks for it: they are never the same twice.
            "screenshots": env::var_os("STOPLEAK_WRITE_SCREENSHOTS").map(|_| self.tools.root.join("docs/screenshots")),
        });
        let output = Command::new("node")
            .arg(stories.join(format!("{story}.mjs")))
            .env("STOPLEAK_SCENE", scene.to_string())
            // What Chromium writes of its own accord stays with the test.
            .env("HOME", self.dir.path())
            .output()
            .context("Node.js is missing: run `just setup`")?;
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "{story}:\n{}\n{}", told(&output.stdout), told(&output.stderr));
        Ok(())
    }
}

/// A text like a token that nobody else has.
pub fn example_token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let digits: String = (0..26_u32)
        .map(|place| char::from(b'a' + u8::try_from((number * 7 + place * place * 11 + number * place) % 26).unwrap_or(0)))
        .collect();
    format!("fk_{number:04}{digits}")
}

/// Debian's browser, or the one that `STOPLEAK_CHROMIUM` names.
fn chromium() -> Result<PathBuf> {
    if let Some(path) = env::var_os("STOPLEAK_CHROMIUM") {
        return Ok(path.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join("chromium")).find(|path| path.is_file());
    found.context("Chromium is missing: run `just setup`, or name one in STOPLEAK_CHROMIUM")
}
