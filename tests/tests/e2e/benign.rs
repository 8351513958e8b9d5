//! The benign corpus against the real Envoy: requests of real shapes, none of which may be touched, while the index is as hard as it
//! can be: every length is in it, tokens of every rule, and the near misses of the corpus's own values.

mod cases;
mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stopleak_tests::{Connection, Http2Connection, Setting, World, eventually, tokens};

use self::cases::cases;

/// Requests of different shape that the corpus has to have.
const MIN_SHAPES: usize = 500;

#[test]
fn no_request_of_the_benign_corpus_is_touched() -> Result<()> {
    untouched(json!({}))
}

#[test]
fn nor_is_one_whose_body_is_looked_at() -> Result<()> {
    untouched(json!({"body": {"limit": 1_048_576, "hold_headers": true}}))
}

fn untouched(plugin: Value) -> Result<()> {
    let connection_manager = json!({"upgrade_configs": [{"upgrade_type": "websocket"}]});
    let world = World::with(Setting { connection_manager, plugin, ..Setting::default() })?;
    let cases = cases()?;
    let mut requests = Vec::new();
    for case in &cases {
        requests.extend(case.requests()?.into_iter().map(|request| (case, request)));
    }

    let guard = tokens::own(1);
    let hard = index::hard(requests.iter().map(|(_, request)| request));
    ensure!(hard.near.len() >= 3_000 && hard.others.len() >= 3_000, "{} and {}", hard.near.len(), hard.others.len());
    let others: Vec<&str> = hard.others.iter().map(String::as_str).chain([guard.as_str()]).collect();
    // One leak takes ten thousand tokens.
    let mut chunks: Vec<&[&str]> = others.chunks(10_000).collect();
    let near: Vec<&str> = hard.near.iter().map(String::as_str).collect();
    chunks.extend(near.chunks(10_000));
    for chunk in chunks {
        world.patched_leak(chunk)?;
    }
    let mut http1 = Connection::open(world.envoy.listener())?;
    let http2 = Http2Connection::open(world.envoy.listener())?;

    let (mut sent, mut touched) = (0, Vec::new());
    for (case, request) in &requests {
        let mut send = |protocol: &str, status: Result<u16>| -> Result<()> {
            let status = status.with_context(|| format!("{} over {protocol}", case.name()))?;
            sent += 1;
            if status != 200 {
                touched.push(format!("{} over {protocol}: {status}, perhaps for {:?}", case.name(), hard.within(request)));
            }
            Ok(())
        };
        send("HTTP/1.1", http1.send(request))?;
        if request.is_legal_in_http2() && case.http2 {
            send("HTTP/2", http2.send(request))?;
        }
    }
    assert!(touched.is_empty(), "{} of {sent} were touched:\n{}", touched.len(), touched.join("\n"));
    assert_eq!(world.upstream.served(), sent, "each has reached the upstream");

    // The index is in force, and what is reported would be there by now.
    for sample in near.iter().step_by(97).chain(others.iter().step_by(97)) {
        let printable = sample.bytes().all(|b| b.is_ascii_graphic());
        ensure!(!printable || world.get("/sample").header("x-api-key", sample).status()? == 403, "{sample}");
    }
    assert_eq!(world.get("/the-end").bearer(&guard).status()?, 403);
    let attempts = eventually("the last attempt is on record", Duration::from_secs(10), || {
        let attempts = world.control_plane.attempts()?;
        Ok(attempts.iter().any(|attempt| attempt["path"] == "/the-end").then_some(attempts))
    })?;
    let strange = attempts.iter().filter(|attempt| attempt["path"] != "/the-end" && attempt["path"] != "/sample");
    assert_eq!(strange.count(), 0, "{attempts:?}");
    for counter in ["requests_observed", "requests_over_budget", "requests_not_ready"] {
        assert_eq!(world.envoy.stat(&format!("wasmcustom.stopleak.{counter}"))?, 0, "{counter}");
    }
    assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    Ok(())
}

#[test]
fn the_requests_of_the_benign_corpus_have_different_shapes() -> Result<()> {
    let mut shapes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases()? {
        for request in case.requests()? {
            shapes.entry(cases::shape(&request)).or_default().insert(case.name());
        }
    }
    let same: Vec<_> = shapes.values().filter(|names| names.len() > 1).collect();
    assert!(same.is_empty(), "{} shapes are there twice: {same:#?}", same.len());
    assert!(shapes.len() >= MIN_SHAPES, "only {} shapes", shapes.len());
    Ok(())
}
