//! Requests that no honest client sends.

use anyhow::Result;
use serde_json::json;
use stopleak_tests::{Setting, World, tokens};

#[test]
fn bytes_that_are_no_text_do_not_hide_a_token_and_do_not_harm_the_gateway() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;

    let noise: Vec<u8> = (0x80..=0xff).collect();
    for name in ["x-noise", "authorization", "cookie"] {
        assert_eq!(world.get("/").header(name, &noise).status()?, 200, "{name}");
        assert_eq!(world.get("/").header(name, &noise).header("x-key", &token).status()?, 403, "{name}");
        let glued = [&noise[..], b" ", token.as_bytes()].concat();
        assert_eq!(world.get("/").header(name, glued).status()?, 403, "{name}");
    }
    assert_eq!(world.get("/%ff%fe/%zz?%=%&&;;=%f").status()?, 200);
    assert_alive(&world, &token)
}

#[test]
fn a_header_of_sixty_kilobytes_is_judged_within_bounds() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;

    let one = "a".repeat(59_000);
    assert_eq!(world.get("/").header("x-large", &one).status()?, 200);
    assert_eq!(world.get("/").header("x-large", &one).bearer(&token).status()?, 403);
    let words = "abcdef ".repeat(8_400);
    assert_eq!(world.get("/").header("x-large", &words).status()?, 200);
    assert_eq!(
        world.get("/").header("a-large", &words).header("x-key", &token).status()?,
        403,
        "words of other lengths hide nothing"
    );

    let beyond = "a".repeat(70_000);
    assert_eq!(world.get("/").header("x-large", &beyond).status()?, 431, "Envoy's own limit");
    assert_alive(&world, &token)
}

#[test]
fn what_is_too_large_to_be_looked_at_in_full_is_refused_unless_the_operator_lets_it_pass() -> Result<()> {
    let short = "s3cr-1";
    let lookalikes = "s3cr-2,".repeat(8_500) + "%41";
    for (choice, expected) in [(json!({}), 431), (json!({"on_overflow": "allow"}), 200)] {
        let world = World::with(Setting { plugin: choice, ..Setting::default() })?;
        let token = tokens::own(1);
        world.patched_leak(&[&token, short])?;
        let reply = world.get("/").header("x-large", &lookalikes).send()?;
        assert_eq!(reply.status, expected, "{}", reply.body);
        assert_eq!(reply.body.contains("urn:stopleak:problem:too-large-to-inspect"), expected == 431);
        for request in [world.get("/").bearer(&token), world.get("/").header("x-key", &token), world.get(&format!("/?k={token}"))]
        {
            assert_eq!(request.header("a-large", &lookalikes).status()?, 403, "padding does not hide a credential");
        }
        stopleak_tests::eventually("the overflow is counted", std::time::Duration::from_secs(5), || {
            Ok((world.envoy.stat("wasmcustom.stopleak.requests_over_budget")? == 1).then_some(()))
        })?;
    }
    Ok(())
}

#[test]
fn padding_of_any_make_in_any_place_hides_nothing() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    // A token that is as long as any: every length from 255 bytes on is one in the index.
    world.observed_leak(&[&format!("long-1{}", "xyz0".repeat(100))])?;

    for padding in ["&%2b=:aaaaaa", "&aaaaaa", "&a.bcde.f%61:+", "%41=:+aaaaaaaa", "=:aaaaaa,", "a%2C"] {
        let padding = padding.repeat(50_000 / padding.len());
        let query = format!("/?{padding}");
        for request in [
            world.get(&query).header("x-api-key", &token),
            world.get(&query).header("cookie", format!("a={token}")),
            world.get(&query).bearer(&token),
            world.get(&format!("{query}&key={token}")),
            world.get(&format!("/{token}?{padding}")),
            world.get("/").header("proxy-authorization", &padding).bearer(&token),
            world.get("/").header("cookie", &padding).header("x-api-key", &token),
            world.get("/").header("accept", &padding).header("x-api-key", &token),
        ] {
            assert_eq!(request.status()?, 403, "{}…", &padding[..20]);
        }
    }
    assert_alive(&world, &token)
}

#[test]
fn a_method_or_a_host_that_is_a_token_is_not_recorded() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    assert_eq!(world.get(&format!("/a/{token}")).header("x-forwarded-host", &token).status()?, 403);
    let attempts = world.wait_for_attempts(1)?;
    assert_eq!(attempts[0]["path"], "/a/[redacted]", "{attempts:?}");

    let word = "hunter-2-pass";
    world.patched_leak(&[word])?;
    assert_eq!(world.get(&format!("/a/{word}/b")).header("host", format!("{word}.test")).status()?, 403);
    let attempts = world.wait_for_attempts(2)?;
    let attempt = attempts.iter().find(|attempt| attempt["leak"] == "LK-2").expect("an attempt");
    assert_eq!((attempt["host"].as_str(), attempt["path"].as_str()), (Some("[redacted].test"), Some("/a/[redacted]/b")));
    Ok(())
}

/// No VM was lost: a trap would answer 503 and be logged.
fn assert_alive(world: &World, token: &str) -> Result<()> {
    for _ in 0..10 {
        assert_eq!(world.get("/").status()?, 200);
        assert_eq!(world.get("/").bearer(token).status()?, 403);
    }
    assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    Ok(())
}
