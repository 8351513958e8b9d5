//! What an administrator meets on the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stopleak_tests::repository::Repository;
use stopleak_tests::{ControlPlane, Tools, eventually, tokens};

#[test]
fn secrets_are_files_of_their_owner_and_the_first_start_says_how_to_sign_in() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(&Tools::find()?, &dir.path().join("data"))?;
    let data_dir = control_plane.data_dir();
    assert_eq!(fs::metadata(data_dir)?.permissions().mode() & 0o777, 0o700);
    let mut private = vec![data_dir.join("admin-token")];
    private.extend(
        fs::read_dir(data_dir.join("keys"))?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?,
    );
    assert!(private.len() >= 3, "the token and two keys: {private:?}");
    for path in private {
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let token = fs::read_to_string(data_dir.join("admin-token"))?;
    let log = eventually("the first start says how to sign in", Duration::from_secs(5), || {
        let log = control_plane.log();
        Ok(log.contains("admin-token").then_some(log))
    })?;
    assert!(!log.contains(token.trim()), "{log}");
    Ok(())
}

#[test]
fn the_command_line_takes_a_leak_through_its_life() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(&Tools::find()?, &dir.path().join("data"))?;
    let file = dir.path().join("tokens");
    fs::write(&file, format!("{}\n{}\n", tokens::own(1), tokens::own(2)))?;
    let run = |arguments: &[&str]| -> Result<Value> {
        let output = control_plane.cli(arguments)?;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).with_context(|| format!("{arguments:?} prints no JSON: {text}"))
    };

    let added = run(&["leak", "add", "--title", "pasted", &file.display().to_string(), "--json"])?;
    let number = added["number"].to_string();
    for (action, status, patched) in
        [("patch", "open", true), ("close", "closed", false), ("reopen", "open", false), ("false", "false_positive", false)]
    {
        run(&["leak", action, &number, "--reason", "test", "--json"])?;
        let leak = run(&["leak", "show", &number, "--json"])?;
        assert_eq!((leak["status"].as_str(), leak["virtual_patch"].is_object()), (Some(status), patched), "{action}: {leak}");
    }
    let refused = control_plane.cli(&["leak", "patch", &number])?;
    assert!(!refused.status.success() && !refused.stderr.is_empty(), "a false positive cannot be patched");
    assert!(run(&["leak", "list", "--json"])?.to_string().contains("pasted"));

    let report = dir.path().join("gitleaks.json");
    let finding = json!({"RuleID": "generic-api-key", "Secret": tokens::own(3), "File": "deploy.env", "StartLine": 1});
    fs::write(&report, json!([finding]).to_string())?;
    let import = run(&["import", &report.display().to_string(), "--name", "team/service", "--json"])?;
    assert_eq!((import["findings"].as_u64(), import["found_new"].as_u64()), (Some(1), Some(1)), "{import}");
    assert!(run(&["leak", "list", "--json"])?.to_string().contains("deploy.env in team/service"));

    let gateway = run(&["gateway", "add", "edge", "--json"])?;
    assert!(gateway["credential"].as_str().is_some_and(|credential| credential.starts_with("slg_")));
    assert!(run(&["gateway", "list", "--json"])?.to_string().contains("edge"));
    Ok(())
}

#[test]
fn a_scan_needs_no_server_and_tells_its_result_by_its_exit_code() -> Result<()> {
    let tools = Tools::find()?;
    let scan = |arguments: &[&str]| Command::new(&tools.stopleak).arg("scan").args(arguments).output();
    let clean = Repository::new()?;
    clean.commit("README", "nothing here\n", "Begin")?;
    let leaky = Repository::new()?;
    let token = tokens::of("github-personal-access-token", 3);
    leaky.commit("a/b.env", &format!("X={token}\n"), "Add")?;
    leaky.commit("a/b.env", "X=\n", "Remove")?;

    assert_eq!(scan(&[&clean.url()])?.status.code(), Some(0));
    let found = scan(&[&leaky.url(), "--format", "json"])?;
    assert_eq!(found.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&found.stdout)?;
    let [finding] = report["findings"].as_array().context("no findings")?.as_slice() else { panic!("{report}") };
    assert_eq!(
        (finding["path"].as_str(), finding["line"].as_u64(), finding["confidence"].as_str()),
        (Some("a/b.env"), Some(1), Some("certain"))
    );
    assert!(report["coverage"].is_object() && !report.to_string().contains(&token));
    let sarif: Value = serde_json::from_slice(&scan(&[&leaky.url(), "--format", "sarif"])?.stdout)?;
    assert_eq!(sarif["version"], "2.1.0");
    let missing = scan(&["/does/not/exist"])?;
    assert_eq!(missing.status.code(), Some(2));
    assert!(!missing.stderr.is_empty());
    Ok(())
}
