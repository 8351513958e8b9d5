//! Workers beside a server.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use stopleak::config::Config;
use stopleak_postgres::Postgres;

use crate::scans::{Repository, token};
use crate::world::{Data, World, eventually};

/// A `stopleak worker`, killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(data: &Path, url: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
        command.args(["worker", "--data-dir"]).arg(data).env("STOPLEAK_DATABASE_URL", url);
        // Where sources may be is the workers' own setting.
        let config = data.join("worker.toml");
        std::fs::write(&config, format!("local_sources = [\"{}\"]\n", std::env::temp_dir().display())).unwrap();
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn terminate(&mut self) -> bool {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
        self.0.wait().unwrap().success()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn scan(world: &World, repository: &Repository) -> Value {
    let source = world.api.post("/sources", &json!({"location": repository.location()})).json();
    let scan = world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({}));
    assert_eq!(scan.status, 202, "{}", scan.text);
    scan.json()["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_do_what_a_server_leaves_to_them() {
    let data = Data::new();
    let config = Config { worker: Some(false), ..data.config() };
    let world = World::start_with(data, &config).await;
    let url = world.data.postgres.as_ref().map(Postgres::url).unwrap();
    let repositories: Vec<Repository> = (1..=3)
        .map(|n| {
            let repository = Repository::new();
            repository.commit("api.env", &token(n));
            repository
        })
        .collect();
    let scans: Vec<Value> = repositories.iter().map(|repository| scan(&world, repository)).collect();
    let jobs = world.api.get("/jobs").ok();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 3);
    assert!(jobs["jobs"].as_array().unwrap().iter().all(|job| job["state"] == "waiting" && job["attempts"] == 0), "{jobs}");

    let mut workers = [Worker::start(world.data.path(), &url), Worker::start(world.data.path(), &url)];
    for scan in &scans {
        eventually("the scan is done", || world.api.get(&format!("/scans/{scan}")).ok()["status"] == "done").await;
    }
    assert_eq!(world.api.get("/leaks").ok()["leaks"].as_array().unwrap().len(), 3);
    eventually("no job is left", || world.api.get("/jobs").ok()["jobs"].as_array().unwrap().is_empty()).await;
    for worker in &mut workers {
        assert!(worker.terminate());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_jobs_are_seen_and_tried_again() {
    let data = Data::new();
    let config = Config { worker: Some(false), ..data.config() };
    let world = World::start_with(data, &config).await;
    let repository = Repository::new();
    repository.commit("api.env", &token(1));
    let scan = scan(&world, &repository);
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query("UPDATE jobs SET died_at = 1, attempts = 12, last_error = 'broke'").execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    let dead = world.api.get("/jobs?dead=true").ok();
    assert_eq!((&dead["jobs"][0]["state"], &dead["jobs"][0]["last_error"]), (&json!("dead"), &json!("broke")));
    let id = &dead["jobs"][0]["id"];
    let url = world.data.postgres.as_ref().map(Postgres::url).unwrap();
    let _worker = Worker::start(world.data.path(), &url);
    assert_eq!(world.api.post(&format!("/jobs/{id}/retry"), &json!({})).status, 202);
    eventually("the scan is done", || world.api.get(&format!("/scans/{scan}")).ok()["status"] == "done").await;
    world.api.post(&format!("/jobs/{id}/retry"), &json!({})).problem(404, "not-found");
    let entry = world.api.get("/audit?limit=1").ok()["entries"][0].clone();
    assert_eq!(
        (&entry["action"], &entry["before"]["state"], &entry["after"]["state"]),
        (&json!("job.retry"), &json!("dead"), &json!("waiting"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_wants_a_server_and_its_keys() {
    let run = |data: &Path, url: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
        command.args(["worker", "--data-dir"]).arg(data);
        if let Some(url) = url {
            command.env("STOPLEAK_DATABASE_URL", url);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let empty = tempfile::tempdir().unwrap();
    assert!(run(empty.path(), None).contains("need a PostgreSQL"));
    let postgres = Postgres::start().unwrap();
    assert!(run(empty.path(), Some(&postgres.url())).contains("start `stopleak serve` on it first"));
    let world = World::start().await;
    let url = world.data.postgres.as_ref().map(Postgres::url).unwrap();
    assert!(run(empty.path(), Some(&url)).contains("fingerprint.key is missing"));
}
