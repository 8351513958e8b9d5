//! No raw token anywhere: not at rest, not in a log, not in a configuration, not in an attempt.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;
use stopleak_tests::repository::Repository;
use stopleak_tests::{Request, World, tokens};

#[test]
fn no_seeded_token_is_left_in_any_file_log_page_or_answer() -> Result<()> {
    let mut world = World::start()?;
    let (manual, scanned) = (tokens::own(1), tokens::of("github-personal-access-token", 7));

    // Every way in: by hand, by a scan, in refused input, in traffic.
    world.patched_leak(&[&manual])?;
    let repository = Repository::new()?;
    repository.commit("settings.py", &format!("TOKEN = '{scanned}'\n"), "Add settings")?;
    world.control_plane.scan(&repository.url())?;
    let secrets = [&manual, &scanned];
    for broken in
        [json!({"title": "t", "tokens": [manual, 5]}), json!({"title": "t", "tokens": manual}), json!({manual.as_str(): 1})]
    {
        let (status, answer) = world.control_plane.call("POST", "/api/v1/leaks", Some(&broken))?;
        assert_eq!(status / 100, 4);
        assert_clean("the answer to broken input", answer.to_string().as_bytes(), &secrets);
    }
    for token in secrets {
        for request in [
            world.get("/").bearer(token),
            world.get(&format!("/{token}/{token}?k={token}")),
            world.get("/").header("cookie", format!("{token}={token}")).header("user-agent", token).header("host", token),
            world.get("/").header(token, token).header("x-forwarded-for", token).header("x-request-id", token),
            world.get("/").method(&token.to_ascii_uppercase()),
        ] {
            // Some are refused by Envoy itself; what counts is what they leave behind.
            assert_clean("an answer", format!("{:?}", request.send()?).as_bytes(), &secrets);
        }
    }
    world.wait_for_attempts(2)?;

    for path in ["leaks", "leaks/1", "leaks/2", "attempts", "gateways"] {
        assert_clean(path, world.control_plane.get(&format!("/api/v1/{path}"))?.to_string().as_bytes(), &secrets);
    }
    for page in ["/config_dump?include_eds", "/stats", "/stats/prometheus", "/clusters", "/listeners"] {
        assert_clean(page, world.envoy.admin_page(page)?.as_bytes(), &secrets);
    }
    let credential = world.envoy.admin_page("/config_dump")?.contains("slg_");
    assert!(!credential, "the gateway's credential is in no configuration dump");

    // Logs are written by now, and the database has gone through its write-ahead log.
    world.restart_control_plane()?;
    drop(repository);
    let files = assert_files_clean(world.dir(), &secrets)?;
    assert!(files > 5, "only {files} files were looked at");
    Ok(())
}

#[test]
fn a_gateway_that_blocks_a_token_has_never_seen_it() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    let other = world.another_gateway("another-gateway")?;

    let marker = tokens::own(2);
    assert_eq!(Request::get(other.listener(), "/").bearer(&marker).status()?, 200);
    assert!(other.remembers(marker.as_bytes())?, "what it has seen is found");
    assert!(!other.remembers(token.as_bytes())?, "what only others have seen is not");
    assert_eq!(Request::get(other.listener(), "/").bearer(&token).status()?, 403, "and yet it is known");
    Ok(())
}

fn assert_files_clean(dir: &Path, secrets: &[&String]) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files += assert_files_clean(&path, secrets)?;
        } else {
            assert_clean(&path.display().to_string(), &fs::read(&path)?, secrets);
            files += 1;
        }
    }
    Ok(files)
}

fn assert_clean(what: &str, bytes: &[u8], secrets: &[&String]) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()));
        assert!(!found, "{what} contains a token: {}", String::from_utf8_lossy(bytes));
    }
}
