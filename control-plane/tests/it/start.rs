//! The binary: how it starts, and how it says why it does not.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use crate::world::{Api, DEADLINE};

/// A `stopleak` process, killed when dropped.
pub struct Process(Child, SystemTime);

impl Process {
    pub fn serve(data: &Path, more: &[&str]) -> Self {
        let started = SystemTime::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
        command.arg("serve").arg("--data-dir").arg(data).args(["--http", "127.0.0.1:0", "--feed", "127.0.0.1:0"]);
        let child = command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self(child, started)
    }

    /// Waits until it has written where it listens. A file that a killed process left is not taken for its own.
    pub fn wait_until_ready(&mut self, data: &Path) {
        let started = Instant::now();
        let written = || fs::metadata(data.join("addresses.json")).is_ok_and(|file| file.modified().unwrap() >= self.1);
        while !written() {
            assert!(started.elapsed() < DEADLINE, "not ready");
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("ended with {status}: {}", self.output());
            }
            std::thread::yield_now();
        }
    }

    /// Reads what it writes while it runs.
    pub fn drain(&mut self) -> JoinHandle<String> {
        let (mut out, mut err) = (self.0.stdout.take().unwrap(), self.0.stderr.take().unwrap());
        std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            out.read_to_string(&mut text).unwrap();
            text
        })
    }

    pub fn terminate(&mut self) -> ExitStatus {
        let killed = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(killed.success());
        self.0.wait().unwrap()
    }

    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Everything that it wrote; to be read when it has ended.
    pub fn output(&mut self) -> String {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Waits for it to end by itself.
    pub fn failure(&mut self, code: i32) -> String {
        let status = self.0.wait().unwrap();
        let output = self.output();
        assert_eq!(status.code(), Some(code), "{output}");
        output
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn api_of(data: &Path) -> Api {
    let addresses = serde_json::from_slice(&fs::read(data.join("addresses.json")).unwrap()).unwrap();
    Api::new(addresses, &fs::read_to_string(data.join("admin-token")).unwrap())
}

#[test]
fn the_first_start_prepares_the_data_folder_and_the_next_uses_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/stopleak");
    let mut first = Process::serve(&data, &[]);
    first.wait_until_ready(&data);
    let mode = |path: &str| fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for file in ["admin-token", "keys/fingerprint.key", "keys/signing.key"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    let token = fs::read_to_string(data.join("admin-token")).unwrap();
    assert!(token.starts_with("slk_"));
    assert!(first.terminate().success());
    let output = first.output();
    assert!(output.contains("admin-token") && output.contains("http://127.0.0.1:") && !output.contains(&token), "{output}");

    let mut second = Process::serve(&data, &[]);
    second.wait_until_ready(&data);
    assert_eq!(fs::read_to_string(data.join("admin-token")).unwrap(), token);
    second.kill();
    assert!(!second.output().contains("was made"));

    fs::remove_file(data.join("admin-token")).unwrap();
    let mut third = Process::serve(&data, &[]);
    third.wait_until_ready(&data);
    assert!(third.terminate().success());
    let output = third.output();
    assert!(output.contains("stopleak admin-token --data-dir") && !output.contains("cat "), "{output}");
}

#[test]
fn a_lost_admin_token_is_made_anew_beside_the_running_server() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::serve(data.path(), &[]);
    server.wait_until_ready(data.path());
    let old = fs::read_to_string(data.path().join("admin-token")).unwrap();
    fs::remove_file(data.path().join("admin-token")).unwrap();

    let renew = || Command::new(env!("CARGO_BIN_EXE_stopleak")).arg("admin-token").arg("--data-dir").arg(data.path()).output();
    assert!(renew().unwrap().status.success());
    let new = fs::read_to_string(data.path().join("admin-token")).unwrap();
    let addresses = || serde_json::from_slice(&fs::read(data.path().join("addresses.json")).unwrap()).unwrap();
    let status = |token: &str| Api::new(addresses(), token).get("/leaks").status;
    assert_eq!((status(&old), status(&new)), (401, 200));

    let elsewhere = tempfile::tempdir().unwrap();
    let refused =
        Command::new(env!("CARGO_BIN_EXE_stopleak")).arg("admin-token").arg("--data-dir").arg(elsewhere.path()).output();
    assert!(String::from_utf8_lossy(&refused.unwrap().stderr).contains("there is no database"));
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut first = Process::serve(data.path(), &[]);
    first.wait_until_ready(data.path());
    let output = Process::serve(data.path(), &[]).failure(1);
    assert!(output.contains("another stopleak serves the data folder"), "{output}");
    first.kill();
    let mut third = Process::serve(data.path(), &[]);
    third.wait_until_ready(data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_kill() {
    use serde_json::json;
    let data = tempfile::tempdir().unwrap();
    for n in 1..=5 {
        let mut process = Process::serve(data.path(), &[]);
        process.wait_until_ready(data.path());
        let api = api_of(data.path());
        assert_eq!(api.get("/leaks").ok()["leaks"].as_array().unwrap().len(), n - 1);
        let body = json!({"title": "t", "tokens": [format!("fk_9aQ7zLm2Xw4RtB8v{n}")]});
        assert_eq!(api.post("/leaks", &body).created()["number"], n);
        let patch = json!({"action": "apply_virtual_patch"});
        let epoch = api.post(&format!("/leaks/{n}/decisions"), &patch).created()["epoch"].clone();
        process.kill();

        let mut process = Process::serve(data.path(), &[]);
        process.wait_until_ready(data.path());
        let api = api_of(data.path());
        assert!(api.get(&format!("/leaks/{n}")).ok()["virtual_patch"].is_object());
        assert_eq!(api.get("/gateways").ok()["epoch"], epoch);
        process.kill();
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    for flag in ["--http", "--feed"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
        let other = if flag == "--http" { "--feed" } else { "--http" };
        command.arg("serve").arg("--data-dir").arg(data.path()).args([flag, &address, other, "127.0.0.1:0"]);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("{address} is in use")) && error.contains(flag), "{error}");
    }
}

#[test]
fn a_bad_configuration_ends_with_2_and_names_the_key() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("stopleak.toml");
    fs::write(&config, "htttp = \"127.0.0.1:1\"\n").unwrap();
    let inner = data.path().join("data");
    let output = Process::serve(&inner, &["--config", config.to_str().unwrap()]).failure(2);
    assert!(output.contains("`htttp`") && output.contains("stopleak.toml"), "{output}");
    assert!(!inner.exists(), "nothing was made");
    Process::serve(&inner, &["--log-format", "xml"]).failure(2);
    let output = Process::serve(&inner, &["--config", "/nonexistent.toml"]).failure(2);
    assert!(output.contains("/nonexistent.toml"), "{output}");
}

#[test]
fn missing_or_foreign_keys_are_never_made_anew() {
    let data = tempfile::tempdir().unwrap();
    let mut first = Process::serve(data.path(), &[]);
    first.wait_until_ready(data.path());
    first.terminate();
    let key = data.path().join("keys/fingerprint.key");
    let original = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let output = Process::serve(data.path(), &[]).failure(1);
    assert!(output.contains("fingerprint.key is missing") && output.contains("STOPLEAK_FINGERPRINT_KEY"), "{output}");
    stopleak::keys::write_private(&key, &"ab".repeat(32)).unwrap();
    let output = Process::serve(data.path(), &[]).failure(1);
    assert!(output.contains("put the old key back"), "{output}");
    stopleak::keys::write_private(&key, &original).unwrap();
    Process::serve(data.path(), &[]).wait_until_ready(data.path());
}

#[test]
fn a_locked_database_is_said_to_be_locked() {
    let data = tempfile::tempdir().unwrap();
    let mut first = Process::serve(data.path(), &[]);
    first.wait_until_ready(data.path());
    first.terminate();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let url = format!("sqlite://{}", data.path().join("stopleak.db").display());
        let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
        other.execute("BEGIN EXCLUSIVE").await.unwrap();
        let output = Process::serve(data.path(), &[]).failure(1);
        assert!(output.contains("locked by another process"), "{output}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_gets_locked_is_a_503_and_heals() {
    use serde_json::json;
    use sqlx::{Connection as _, Executor as _};
    use stopleak_contract::feed::wire::{self, to_control_plane, to_gateway};
    let world = crate::world::World::start().await;
    world.leak(&["fk_known-before-000001"]);
    let gateway = &mut world.connected("edge").await;
    let attempts = vec![gateway.attempt(1, 1, "fk_known-before-000001")];
    let batch = to_control_plane::Message::Attempts(wire::AttemptBatch { attempts, ..Default::default() });
    let url = format!("sqlite://{}", world.data.path().join("stopleak.db").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let body = json!({"title": "t", "tokens": ["fk_9aQ7zLm2Xw4RtB8v"]});
    let detail = world.api.post("/leaks", &body).problem(503, "database-locked");
    assert!(detail.contains("another process"), "{detail}");
    world.api.get("/leaks").ok();
    gateway.send(batch).await;
    other.execute("ROLLBACK").await.unwrap();
    world.api.post("/leaks", &body).created();
    loop {
        // The attempt waited for the database, and is acknowledged now that it is stored.
        if let to_gateway::Message::AttemptsAck(_) = gateway.next().await.unwrap() {
            break;
        }
    }
    assert_eq!(world.api.get("/attempts").ok()["attempts"].as_array().unwrap().len(), 1);
}
