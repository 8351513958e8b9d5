//! The sentence that the product is: found in Git, patched, refused within a second, on record.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use stopleak_tests::repository::Repository;
use stopleak_tests::{Setting, World, tokens};

#[test]
fn a_token_leaked_in_git_is_found_patched_refused_and_its_use_is_on_record() -> Result<()> {
    the_loop(&World::start()?)
}

#[test]
fn the_same_with_a_database_on_a_server() -> Result<()> {
    the_loop(&World::with(Setting { on_postgres: true, ..Setting::default() })?)
}

fn the_loop(world: &World) -> Result<()> {
    let token = tokens::of("github-personal-access-token", 1);
    let repository = Repository::new()?;
    repository.commit("deploy/production.env", &format!("REGION=eu\nGITHUB_TOKEN={token}\n"), "Add settings")?;
    repository.commit("deploy/production.env", "REGION=eu\n", "Remove the token")?;

    // Found, although only history still has it.
    let scan = world.control_plane.scan(&repository.url())?;
    let leaks = world.control_plane.get("/api/v1/leaks")?;
    let [leak] = leaks["leaks"].as_array().context("no leaks")?.as_slice() else { panic!("one leak: {leaks} {scan}") };
    let number = leak["number"].as_u64().context("no number")?;
    let detail = world.control_plane.get(&format!("/api/v1/leaks/{number}"))?;
    let occurrence = &detail["tokens"][0]["occurrences"][0];
    assert_eq!((occurrence["path"].as_str(), occurrence["line"].as_u64()), (Some("deploy/production.env"), Some(2)), "{detail}");
    assert_eq!(occurrence["commit"].as_str().map(str::len), Some(40), "{detail}");

    // Passes, as long as nobody has decided.
    let request = world.get("/orders").bearer(&token);
    assert_eq!(request.status()?, 200);

    // Refused within a second of the decision.
    let decided = Instant::now();
    let decision = world.control_plane.decide(number, "apply_virtual_patch")?;
    let refused = loop {
        let reply = request.send()?;
        if reply.status == 403 {
            break reply;
        }
        assert!(decided.elapsed() < Duration::from_secs(1), "still passes after a second");
    };
    println!("decision to first refusal: {:?}", decided.elapsed());
    assert!(refused.head.contains("content-type: application/problem+json"), "{}", refused.head);
    assert!(refused.body.contains("urn:stopleak:problem:leaked-credential"), "{}", refused.body);

    // By every worker, from then on.
    world.wait_for_epoch(decision["epoch"].as_u64().context("no epoch")?)?;
    assert!(decided.elapsed() < Duration::from_secs(1), "in force everywhere after {:?}", decided.elapsed());
    println!("decision to in force in every worker, as the API shows it: {:?}", decided.elapsed());
    let served = world.upstream.served();
    for _ in 0..50 {
        assert_eq!(request.status()?, 403);
    }
    assert_eq!(world.upstream.served(), served, "nothing reaches the upstream");
    assert_eq!(world.get("/orders").bearer("another-token").status()?, 200);

    // On record.
    let attempts = world.wait_for_attempts(2)?;
    let blocked = attempts.iter().find(|attempt| attempt["outcome"] == "blocked").context("no blocked attempt")?;
    assert_eq!(blocked["leak"], format!("LK-{number}"), "{blocked}");
    assert_eq!((blocked["method"].as_str(), blocked["path"].as_str()), (Some("GET"), Some("/orders")), "{blocked}");
    assert_eq!((blocked["client"].as_str(), blocked["place"].as_str()), (Some("127.0.0.1"), Some("authorization")), "{blocked}");
    Ok(())
}
