//! Everywhere in a request that a token can be.

use anyhow::Result;
use stopleak_tests::{Request, World, tokens};

/// A way to put a token into a request.
type Put = fn(&World, &str) -> Request;

#[test]
fn a_patched_token_is_refused_wherever_it_is() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;

    let places: [(&str, &str, Put); 16] = [
        ("bearer", "authorization", |w, t| w.get("/").bearer(t)),
        ("odd case and white space", "authorization", |w, t| w.get("/").header("AUTHORIZATION", format!("bEaReR  \t{t} "))),
        ("another scheme", "authorization", |w, t| w.get("/").header("authorization", format!("Token token=\"{t}\""))),
        ("no scheme", "authorization", |w, t| w.get("/").header("authorization", t)),
        ("basic, user", "authorization", |w, t| w.get("/").header("authorization", basic(&format!("{t}:x")))),
        ("basic, password", "authorization", |w, t| w.get("/").header("authorization", basic(&format!("someone:{t}")))),
        ("proxy-authorization", "authorization", |w, t| w.get("/").header("proxy-authorization", format!("Bearer {t}"))),
        ("x-api-key", "header", |w, t| w.get("/").header("x-api-key", t)),
        ("a list", "header", |w, t| w.get("/").header("x-keys", format!("first, {t}"))),
        ("a second header of the same name", "header", |w, t| w.get("/").header("x-key", "first").header("x-key", t)),
        ("cookie", "cookie", |w, t| w.get("/").header("cookie", format!("theme=dark; session={t}; a=b"))),
        ("quoted cookie", "cookie", |w, t| w.get("/").header("cookie", format!("session=\"{t}\""))),
        ("query", "query", |w, t| w.get(&format!("/find?q=1&access_token={t}"))),
        ("encoded query", "query", |w, t| w.get(&format!("/find?access_token={}", t.replace('_', "%5f")))),
        ("path segment", "path", |w, t| w.get(&format!("/hooks/{t}/send"))),
        ("path segment after a prefix", "path", |w, t| w.get(&format!("/bot{t}/send"))),
    ];
    for (what, _, put) in places {
        assert_eq!(put(&world, &token).status()?, 403, "{what}");
        assert_eq!(put(&world, &tokens::own(2)).status()?, 200, "{what}, a token that has not leaked");
    }

    let places_on_record = places.map(|(_, place, _)| place);
    let attempts = stopleak_tests::eventually("all are on record", std::time::Duration::from_secs(10), || {
        let attempts = world.control_plane.attempts()?;
        let uses: u64 = attempts.iter().filter_map(|attempt| attempt["count"].as_u64()).sum();
        Ok((uses == places.len() as u64).then_some(attempts))
    })?;
    for attempt in &attempts {
        assert!(places_on_record.contains(&attempt["place"].as_str().unwrap_or_default()), "{attempt}");
    }
    Ok(())
}

#[test]
fn a_jwt_is_recognised_whatever_its_signature() -> Result<()> {
    let world = World::start()?;
    let (header, payload) = ("eyJhbGciOiJFUzI1NiJ9", "eyJzdWIiOiJmYWtlLXVzZXIiLCJuIjoxMjM0NX0");
    world.patched_leak(&[&format!("{header}.{payload}.c2lnbmF0dXJlLW9uZQ")])?;
    for signature in ["c2lnbmF0dXJlLW9uZQ", "c2lnbmF0dXJlLW9uZR", "YW5vdGhlcg==", ""] {
        assert_eq!(world.get("/").bearer(&format!("{header}.{payload}.{signature}")).status()?, 403, "{signature}");
    }
    assert_eq!(world.get("/").bearer(&format!("{header}.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLW9uZQ")).status()?, 200);
    Ok(())
}

#[test]
fn the_operator_chooses_headers_and_paths() -> Result<()> {
    let plugin = serde_json::json!({"headers": {"skip": ["x-trace"]}, "exempt_paths": ["/internal/"]});
    let world = World::with(stopleak_tests::Setting { plugin, ..Default::default() })?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    assert_eq!(world.get("/").header("x-trace", &token).status()?, 200);
    assert_eq!(world.get("/internal/x").bearer(&token).status()?, 200);
    assert_eq!(world.get("/").bearer(&token).status()?, 403);
    Ok(())
}

fn basic(pair: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// What a scan reports as the token has to be what a request carries: a rule that takes a host along would make a patch without effect.
#[test]
fn every_format_that_scans_find_is_refused() -> Result<()> {
    let world = World::start()?;
    let formats: Vec<(String, String)> =
        tokens::all_formats(1).filter(|(_, token)| token.bytes().all(|b| b.is_ascii_graphic())).collect();
    assert!(formats.len() > 120, "only {} formats", formats.len());
    world.patched_leak(&formats.iter().map(|(_, token)| token.as_str()).collect::<Vec<_>>())?;
    for (rule, token) in &formats {
        assert_eq!(world.get("/").bearer(token).status()?, 403, "{rule}");
    }
    for (rule, prefix) in [
        ("slack-webhook-url", "/services/"),
        ("discord-webhook-url", "/api/webhooks/"),
        ("teams-webhook-url", "/webhookb2/"),
        ("zapier-webhook-url", "/hooks/catch/"),
        ("telegram-bot-token", "/bot"),
    ] {
        let token = tokens::of(rule, 1);
        for rest in ["", "/", "/more?x=1"] {
            assert_eq!(world.get(&format!("{prefix}{token}{rest}")).status()?, 403, "{rule} {rest}");
        }
    }
    Ok(())
}
