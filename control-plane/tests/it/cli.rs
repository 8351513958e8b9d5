//! The command line, against a server and without one.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scans::{Repository, token};
use crate::world::World;

pub struct Cli {
    pub data: std::path::PathBuf,
    pub proxy: Option<String>,
}

impl Cli {
    pub fn output(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
        if let Some(proxy) = &self.proxy {
            command.envs(["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, proxy)));
            command.env_remove("NO_PROXY").env_remove("no_proxy");
        }
        let mut child = command
            .args(arguments)
            .env("STOPLEAK_DATA_DIR", &self.data)
            .env("XDG_CONFIG_HOME", self.data.join("config"))
            .env_remove("STOPLEAK_PROFILE")
            .env_remove("STOPLEAK_SERVER")
            .env_remove("STOPLEAK_API_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing closes its end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub fn ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.output(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str], input: &str) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        serde_json::from_str(&self.ok(&arguments, input)).unwrap()
    }

    pub fn fault(&self, arguments: &[&str], input: &str, code: i32) -> String {
        let output = self.output(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        error
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaks_are_added_and_decided_on() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let tokens = format!("{}\n\n  {}\n", token(1), token(2));
    let added = cli.json(&["leak", "add", "--title", "laptop", "--risk", "critical"], &tokens);
    assert_eq!((&added["id"], added["tokens"].as_array().unwrap().len()), (&Value::from("LK-1"), 2));
    let shown = cli.ok(&["leak", "patch", "LK-1", "--reason", "in use"], "");
    assert!(shown.contains("LK-1 is open, with a virtual patch"), "{shown}");
    let list = cli.ok(&["leak", "list", "--patched", "true", "--status", "open", "--risk", "critical"], "");
    assert!(list.contains("LK-1") && list.contains("laptop"), "{list}");
    let shown = cli.ok(&["leak", "show", "1"], "");
    assert!(shown.contains("in use") && !shown.contains(&token(1)), "{shown}");
    for (action, expected) in [("close", "closed"), ("reopen", "open"), ("false", "false_positive")] {
        assert_eq!(cli.json(&["leak", action, "LK-1"], "")["leak"]["status"], expected);
    }

    let error = cli.fault(&["leak", "false", "LK-1"], "", 1);
    assert!(error.contains("marked as a false positive"), "{error}");
    let error = cli.fault(&["leak", "add", "--title", "t"], "abcde\n", 1);
    assert!(error.contains("token 1") && !error.contains("abcde"), "{error}");
    cli.fault(&["leak", "add", "--title", "t"], "\n", 2);
    cli.fault(&["leak", "show", "seven"], "", 2);
    cli.fault(&["leak", "show", "7"], "", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaks_are_decided_on_later_together_and_by_two() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    for n in 1..=3 {
        cli.ok(&["leak", "add", "--title", &format!("leak {n}")], &token(n));
    }
    let shown = cli.ok(&["leak", "patch", "LK-1", "--dry-run"], "");
    assert!(shown.contains("LK-1 would be decided") && shown.contains("refused 0 requests"), "{shown}");
    let shown = cli.ok(&["leak", "patch", "LK-1", "--at", "2h", "--expires", "7d"], "");
    assert!(shown.contains("scheduled") && shown.contains("stopleak leak cancel 1"), "{shown}");
    assert!(cli.ok(&["leak", "pending"], "").contains("apply_virtual_patch"));
    assert!(cli.ok(&["leak", "show", "LK-1"], "").contains("waiting   1  scheduled"));
    assert!(cli.ok(&["leak", "cancel", "1", "--reason", "not needed"], "").contains("is cancelled"));
    let error = cli.fault(&["leak", "patch", "LK-1", "--at", "soon"], "", 2);
    assert!(error.contains("how long from now"), "{error}");

    let error = cli.fault(&["leak", "decide", "close"], "", 2);
    assert!(error.contains("--all"), "{error}");
    let shown = cli.ok(&["leak", "decide", "close", "--text", "LEAK", "--dry-run"], "");
    assert!(shown.contains("3 of 3 would be decided"), "{shown}");
    let shown = cli.ok(&["leak", "decide", "close", "LK-2", "LK-3", "LK-9"], "");
    assert!(shown.contains("2 of 3 decided") && shown.contains("not_found"), "{shown}");
    assert_eq!(cli.json(&["leak", "decide", "reopen", "--all"], "")["results"].as_array().unwrap().len(), 3);

    assert!(cli.ok(&["leak", "assign", "LK-1", "ann"], "").contains("LK-1 is ann's"));
    assert!(cli.ok(&["leak", "list", "--assignee", "ann", "--sort", "-risk"], "").contains("leak 1"));
    assert!(cli.ok(&["leak", "assign", "LK-1", "--nobody"], "").contains("nobody's"));
    cli.ok(&["leak", "comment", "LK-1", "asked the provider"], "");
    assert!(cli.ok(&["leak", "comment", "LK-1"], "").contains("asked the provider"));
    assert_eq!(cli.json(&["leak", "list", "--limit", "2"], "")["leaks"].as_array().unwrap().len(), 2);
    assert_eq!(cli.ok(&["leak", "export"], "").lines().count(), 4);
    let file = world.data.path().join("leaks.json");
    cli.ok(&["leak", "export", "--format", "json", "--status", "open", "--output", file.to_str().unwrap()], "");
    let leaks: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(leaks.as_array().unwrap().len(), 3);
    assert!(cli.ok(&["leak", "export", "--attempts"], "").starts_with("id,leak,"));
    assert!(cli.ok(&["leak", "summary"], "").contains("all"));

    assert!(cli.ok(&["guard-rails", "want-second-approver"], "").contains("true"));
    cli.ok(&["leak", "risk", "LK-1", "critical"], "");
    let shown = cli.ok(&["leak", "close", "LK-1"], "");
    assert!(shown.contains("stopleak leak approve 2"), "{shown}");
    let error = cli.fault(&["leak", "approve", "2"], "", 1);
    assert!(error.contains("another administrator"), "{error}");
    cli.ok(&["leak", "reject", "2"], "");

    assert!(cli.ok(&["policy", "add", "old", "close", "--age-days", "90"], "").contains("false"));
    assert!(cli.ok(&["policy", "enable", "1"], "").contains("true"));
    assert!(cli.ok(&["policy", "preview", "1"], "").contains("it would decide on: -"));
    assert!(cli.ok(&["pause", "begin", "--for", "30m", "--reason", "checkout is down"], "").contains("checkout is down"));
    assert!(cli.ok(&["pause", "end"], "").contains("no pause"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_and_attempts_are_listed() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let shown = cli.ok(&["gateway", "add", "edge"], "");
    assert!(shown.contains("slg_") && shown.contains("\"public_key\""), "{shown}");
    assert!(cli.ok(&["gateway", "list"], "").contains("edge"));
    cli.fault(&["gateway", "add", "edge"], "", 1);
    cli.ok(&["gateway", "revoke", "edge"], "");
    cli.fault(&["gateway", "revoke", "edge"], "", 1);
    let mut gateway = world.connected("other").await;
    world.leak(&[&token(1)]);
    gateway.take_index().await;
    gateway.report(1, vec![gateway.attempt(1, 1, &token(1))]).await;
    let list = cli.ok(&["attempts", "list", "--leak", "LK-1", "--outcome", "blocked"], "");
    assert!(list.contains("192.0.2.7") && list.contains("/v1/things"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_added_and_revoked() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let shown = cli.ok(&["webhook", "add", "ci"], "");
    assert!(shown.contains("slw_") && shown.contains("/api/v1/intake/webhooks/1"), "{shown}");
    assert!(cli.fault(&["webhook", "add", "ci"], "", 1).contains("name"));
    let list = cli.ok(&["webhook", "list"], "");
    assert!(list.contains("ci") && !list.contains("slw_"), "{list}");
    cli.ok(&["webhook", "revoke", "ci"], "");
    assert!(cli.fault(&["webhook", "revoke", "ci"], "", 1).contains("webhook list"));
    assert!(cli.json(&["webhook", "list"], "")["webhooks"][0]["revoked_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_scanned_to_the_end() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let repository = Repository::new();
    repository.commit("api.env", &token(1));
    assert_eq!(cli.json(&["source", "add", &repository.location()], "")["id"], 1);
    assert_eq!(cli.json(&["source", "scan", "1"], "")["found_new"], 1);
    assert!(cli.ok(&["source", "list"], "").contains("done"));
    cli.fault(&["source", "scan", "2"], "", 1);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let data = tempfile::tempdir().unwrap();
    let cli = Cli { data: data.path().to_owned(), proxy: None };
    let error = cli.fault(&["leak", "list"], "", 2);
    assert!(error.contains("admin-token does not exist"), "{error}");
    std::fs::write(data.path().join("admin-token"), "slk_x").unwrap();
    let error = cli.fault(&["leak", "list", "--server", "http://127.0.0.1:1"], "", 1);
    assert!(error.contains("http://127.0.0.1:1 cannot be reached") && error.contains("stopleak serve"), "{error}");
}

#[test]
fn a_scan_needs_no_server() {
    let data = tempfile::tempdir().unwrap();
    let cli = Cli { data: data.path().join("none"), proxy: None };
    let repository = Repository::new();
    repository.commit("clean.txt", "nothing here\n");
    assert!(cli.output(&["scan", &repository.location()], "").status.success());
    repository.commit("api.env", &token(1));
    let output = cli.output(&["scan", &repository.location(), "--format", "json"], "");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"][0]["path"], "api.env");
    assert!(report["coverage"].is_object() && !String::from_utf8_lossy(&output.stdout).contains(&token(1)));

    let file = data.path().join("findings.sarif");
    let sarif = ["scan", &repository.location(), "--format", "sarif", "--output", file.to_str().unwrap()];
    assert_eq!(cli.output(&sarif, "").status.code(), Some(1));
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["version"], "2.1.0");

    assert_eq!(cli.output(&["scan", "-"], &token(2)).status.code(), Some(1));
    let error = cli.fault(&["scan", "/no/such/place"], "", 2);
    assert!(error.contains("/no/such/place"), "{error}");
    let rules = data.path().join("rules.toml");
    std::fs::write(&rules, "[[rule]]\nname = 1\n").unwrap();
    let error = cli.fault(&["scan", ".", "--rules", rules.to_str().unwrap()], "", 2);
    assert!(error.contains("rules.toml"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_this_machine_passes_no_proxy() {
    let world = World::start().await;
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let cli = Cli { data: world.data.path().to_owned(), proxy: Some(address) };
    cli.ok(&["leak", "list"], "");
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

/// Bytes that a pipe does not hold: once they are written, somebody reads.
const MORE_THAN_A_PIPE: usize = 1 << 20;

#[test]
fn a_scan_whose_input_never_ends_can_be_stopped() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stopleak"));
    let mut scan = command.args(["scan", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = scan.stdin.take().unwrap();
    input.write_all(&vec![b'x'; MORE_THAN_A_PIPE]).unwrap();
    assert!(Command::new("kill").arg(scan.id().to_string()).status().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while scan.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            scan.kill().unwrap();
            panic!("it reads on");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    drop(input);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_added_tested_and_removed() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let url = "https://stopleak.invalid/in/SEALED\n";
    let added = cli.ok(&["notification", "add", "chat", "slack", "--url-file", "-", "--min-risk", "high"], url);
    assert!(added.contains("stopleak notification test 1") && !added.contains("SEALED"), "{added}");
    let events = ["--event", "leak.added", "--event", "attempt.observed"];
    let webhook = cli.json(&[&["notification", "add", "siem", "webhook", "--url", url], &events[..]].concat(), "");
    assert!(webhook["secret"].as_str().unwrap().starts_with("slw_"));
    assert_eq!(webhook["events"], serde_json::json!(["leak.added", "attempt.observed"]));
    assert!(cli.ok(&["notification", "renew-secret", "2"], "").contains("slw_"));

    let changed = cli.ok(&["notification", "change", "1", "--name", "soc", "--enabled", "false"], "");
    assert!(changed.contains("soc") && changed.contains("false") && changed.contains("stopleak.invalid"), "{changed}");
    assert!(cli.fault(&["notification", "change", "1"], "", 2).contains("--help"));
    assert!(cli.ok(&["notification", "list"], "").contains("siem"));
    let fault = cli.fault(&["notification", "test", "1"], "", 1);
    assert!(fault.contains("did not arrive"), "{fault}");
    let dead = cli.ok(&["notification", "deliveries", "--status", "dead"], "");
    assert!(dead.contains("soc") && dead.contains("test"), "{dead}");
    assert!(cli.fault(&["notification", "retry", "1"], "", 1).contains("only a dead delivery"), "a test is not sent again");
    cli.ok(&["notification", "remove", "1"], "");
    assert!(!cli.ok(&["notification", "list"], "").contains("soc"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_names_a_server() {
    let world = World::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let cli = Cli { data: elsewhere.path().to_owned(), proxy: None };
    let token = world.data.path().join("admin-token");
    let add = ["profile", "add", "here", &world.api.base, "--api-token-file", token.to_str().unwrap()];
    cli.ok(&add, "");
    assert!(cli.ok(&["profile", "list"], "").contains(&world.api.base));
    assert!(cli.json(&["leak", "list", "--profile", "here"], "")["leaks"].is_array());
    assert!(cli.fault(&["leak", "list", "--profile", "there"], "", 2).contains("no profile there"));
    cli.ok(&["profile", "remove", "here"], "");
    assert!(cli.fault(&["leak", "list", "--profile", "here"], "", 2).contains("no profile here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_other_scanners_are_imported() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let report = world.data.path().join("gitleaks.json");
    let finding = |secret: &str| serde_json::json!({"RuleID": "github-pat", "Secret": secret, "File": "a.env", "StartLine": 1});
    std::fs::write(&report, serde_json::json!([finding(&token(1)), finding("REDACTED")]).to_string()).unwrap();
    let report = report.to_str().unwrap();

    let told = cli.ok(&["import", report, "--name", "team/service"], "");
    assert!(told.contains("2 findings, 1 tokens that were not known before") && told.contains("passed over: 1 with"), "{told}");
    assert!(cli.ok(&["leak", "list"], "").contains("a.env in team/service"));
    let again = cli.json(&["import", "-"], &std::fs::read_to_string(report).unwrap());
    assert_eq!((&again["title"], &again["found_new"]), (&Value::from("standard input"), &Value::from(0)));

    let broken = cli.fault(&["import", "-", "--name", "broken"], "no report", 1);
    assert!(broken.contains("--resume 3"), "{broken}");
    assert_eq!(cli.json(&["import", report, "--resume", "3"], "")["status"], "done");
    assert!(cli.ok(&["import", "--list"], "").contains("team/service"));
    assert!(cli.fault(&["import", "/no/such/report"], "", 2).contains("/no/such/report"));
}
