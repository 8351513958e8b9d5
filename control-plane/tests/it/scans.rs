//! Scans on the server: what is found becomes leaks, once.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use stopleak::time::Time;

use crate::world::{World, eventually};

/// A Git repository of made-up tokens.
pub struct Repository(pub tempfile::TempDir);

impl Repository {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet"]);
        Self(folder)
    }

    pub fn commit(&self, path: &str, content: &str) {
        let file = self.0.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
        git(self.0.path(), &["add", "--all"]);
        git(self.0.path(), &["commit", "--quiet", "--message", path]);
    }

    pub fn location(&self) -> String {
        self.0.path().display().to_string()
    }
}

pub fn token(seed: u64) -> String {
    stopleak_detector::token("github-personal-access-token", seed).unwrap()
}

/// Scans the source and waits for the end.
pub async fn scan(world: &World, source: &Value) -> Value {
    let answer = world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text);
    let path = answer.location.as_deref().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
    let mut view = Value::Null;
    eventually("the scan ends", || {
        view = world.api.get(&path).ok();
        view["finished_at"].is_string()
    })
    .await;
    view
}

fn leaks(world: &World) -> Vec<Value> {
    world.api.get("/leaks").ok()["leaks"].as_array().unwrap().iter().rev().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_become_leaks_by_source_and_path_and_only_once() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let repository = Repository::new();
    repository.commit("deploy/api.env", &format!("A={}\nB={}\n", token(1), token(2)));
    repository.commit("old.env", &format!("A={}\nC={}\n", token(1), token(3)));
    let source = world.api.post("/sources", &json!({"location": repository.location(), "title": "example/repo"})).created();

    let done = scan(&world, &source).await;
    assert_eq!((&done["status"], &done["found"], &done["found_new"]), (&json!("done"), &json!(4), &json!(3)), "{done}");
    assert!(done["coverage"]["scanned"].as_u64().unwrap() >= 2 && done["progress"].is_object(), "{done}");
    let found = leaks(&world);
    let titles: Vec<&Value> = found.iter().map(|leak| &leak["title"]).collect();
    assert_eq!(titles, ["deploy/api.env in example/repo", "old.env in example/repo"]);
    assert_eq!((&found[0]["token_count"], &found[0]["risk"]), (&json!(2), &json!("medium")));
    let leak = world.api.get("/leaks/1").ok();
    let places: Vec<&Value> = leak["tokens"][0]["occurrences"].as_array().unwrap().iter().map(|o| &o["path"]).collect();
    assert_eq!(places, ["deploy/api.env", "old.env"], "a token seen before adds an occurrence");
    assert_eq!(leak["tokens"][0]["rule"], "github-personal-access-token");
    assert_eq!(leak["tokens"][0]["occurrences"][0]["commit"].as_str().unwrap().len(), 40);
    assert!(leak["tokens"][0]["occurrences"][0]["committed_at"].is_string());

    let epoch = world.epoch();
    let again = scan(&world, &source).await;
    assert_eq!((&again["found"], &again["found_new"]), (&json!(4), &json!(0)));
    assert_eq!((world.epoch(), world.api.get("/leaks/1").ok()), (epoch, leak), "a scan twice adds nothing");
    gateway.take_index_until(epoch).await;
    assert_eq!(gateway.verdict(&token(3)), Some((2, false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_machine_blocks_a_token_that_nobody_decided_on() {
    let world = World::start().await;
    let repository = Repository::new();
    repository.commit("api.env", &token(1));
    let source = world.api.post("/sources", &json!({"location": repository.location()})).created();
    scan(&world, &source).await;
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    repository.commit("api.env", &token(2));
    scan(&world, &source).await;
    let found = leaks(&world);
    assert_eq!((&found[0]["token_count"], &found[1]["token_count"]), (&json!(1), &json!(1)));
    assert!(found[1]["virtual_patch"].is_null());
    repository.commit("api.env", &token(3));
    scan(&world, &source).await;
    assert_eq!(leaks(&world)[1]["token_count"], 2, "the open leak of the same path takes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_scanned_says_why() {
    let world = World::start().await;
    for (location, expected) in [
        ("https://me:hunter22-secret@host.example/r.git", "credential helper"),
        ("relative/path", "no such file"),
        ("/no/such/folder", "no such file"),
        ("ext::sh -c date", "transport"),
        ("-", "stopleak scan -"),
        ("", "empty"),
    ] {
        let answer = world.api.post("/sources", &json!({"location": location}));
        let detail = answer.problem(422, "invalid");
        assert!(detail.contains(expected) && !answer.text.contains("hunter22"), "{location} → {detail}");
    }
    world.api.post("/sources/1/scans", &json!({})).problem(404, "not-found");

    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("gone");
    std::fs::create_dir(&location).unwrap();
    let body = json!({"location": location.display().to_string()});
    let source = world.api.post("/sources", &body).created();
    assert_eq!(world.api.post("/sources", &body).ok()["id"], source["id"], "the same location is the same source");
    std::fs::remove_dir(&location).unwrap();
    let failed = scan(&world, &source).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("no such file"), "{failed}");
    let sources = world.api.get("/sources").ok();
    assert_eq!(sources["sources"][0]["last_scan"]["status"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_a_crash_cut_short_runs_again() {
    let world = World::start().await;
    let repository = Repository::new();
    repository.commit("api.env", &token(1));
    let source = world.api.post("/sources", &json!({"location": repository.location()})).created();
    scan(&world, &source).await;
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query("UPDATE scans SET status = 'running', finished_at = NULL, coverage = NULL").execute(&mut *db).await.unwrap();
    // A file has one process, and the next one knows that the claim is nobody's; on a server the claim has to run out.
    let lease = if crate::ON_POSTGRES { Duration::from_secs(3) } else { Duration::from_hours(1) };
    let claimed = "INSERT INTO jobs (tenant_id, kind, payload, created_at, run_at, attempts, claimed_by, claimed_until)
                   VALUES (1, 'scan', '{\"scan\":1}', 0, 0, 1, 'gone', $1)";
    sqlx::query(claimed).bind(Time::now().plus(lease)).execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({})).problem(409, "scan-under-way");

    let world = World::start_in(world.stop().await).await;
    eventually("it runs again", || world.api.get("/scans/1").ok()["status"] == "done").await;
    assert_eq!(leaks(&world).len(), 1);
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
