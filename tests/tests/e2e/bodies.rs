//! Bodies and trailers against the real Envoy: what is held, what passes, and what no honest client sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use flate2::Compression;
use flate2::read::GzEncoder;
use serde_json::json;
use stopleak_tests::{Request, Setting, World, eventually, tokens};

const LIMIT: usize = 64 * 1024;

fn world(plugin: serde_json::Value) -> Result<(World, String)> {
    let world = World::with(Setting { plugin, ..Setting::default() })?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    Ok((world, token))
}

fn holding() -> Result<(World, String)> {
    world(json!({"body": {"hold_headers": true}}))
}

fn post(world: &World, body: impl AsRef<[u8]>) -> Request {
    world.get("/echo").method("POST").body(body)
}

fn counts(world: &World, name: &str, expected: u64) -> Result<()> {
    eventually(&format!("{name} is {expected}"), Duration::from_secs(5), || {
        Ok((world.envoy.stat(&format!("wasmcustom.stopleak.{name}"))? == expected).then_some(()))
    })
}

#[test]
fn bodies_are_looked_at_when_the_operator_says_so() -> Result<()> {
    let (world, token) = world(json!({}))?;
    assert_eq!(post(&world, &token).status()?, 200);
    world.envoy.reconfigure(&json!({"body": {"hold_headers": true}}))?;
    assert_eq!(post(&world, &token).status()?, 403);
    assert_eq!(post(&world, tokens::own(2)).send()?.body, tokens::own(2));
    assert_eq!(world.get("/").status()?, 200);
    world.envoy.reconfigure(&json!({"body": {"hold_headers": true}, "exempt_paths": ["/echo"]}))?;
    assert_eq!(post(&world, &token).trailer("x-token", &token).status()?, 200);
    Ok(())
}

#[test]
fn nothing_of_a_refused_request_reaches_the_upstream() -> Result<()> {
    let (world, token) = holding()?;
    assert_eq!(post(&world, &token).status()?, 403);
    assert_eq!(post(&world, format!("{{\"a\": \"{token}\"}}")).in_pieces(3).slowly(Duration::from_millis(5)).status()?, 403);
    assert_eq!(post(&world, &token).over_http2().status()?, 403);
    assert_eq!(world.upstream.served(), 0);

    let headers_only = world.get("/echo").method("POST").header("content-length", "100000").bearer(&token);
    assert_eq!(headers_only.status()?, 403, "a match in the headers does not wait for the body");
    assert_eq!(world.upstream.served(), 0);
    Ok(())
}

#[test]
fn attempts_say_that_it_was_the_body_or_a_trailer() -> Result<()> {
    let (world, token) = holding()?;
    let open = tokens::own(2);
    world.observed_leak(&[&open])?;
    assert_eq!(post(&world, &token).status()?, 403);
    let elsewhere = world.get("/orders").method("POST").body("x").trailer("x-token", &token);
    assert_eq!(elsewhere.status()?, 403);
    assert_eq!(post(&world, &open).status()?, 200);
    assert_eq!(post(&world, &token).header("x-key", &open).status()?, 403, "the strongest match decides");
    let attempts = eventually("all are on record", Duration::from_secs(10), || {
        let attempts = world.control_plane.attempts()?;
        let uses: u64 = attempts.iter().filter_map(|attempt| attempt["count"].as_u64()).sum();
        Ok((uses == 4).then_some(attempts))
    })?;
    let mut seen: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            format!("{} {} {} {}", attempt["leak"], attempt["place"], attempt["outcome"], attempt["header"]).replace('"', "")
        })
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["LK-1 body blocked null", "LK-1 trailer blocked x-token", "LK-2 body observed null"], "{attempts:?}");
    eventually("the access log says the last verdict of each", Duration::from_secs(10), || {
        let log = world.envoy.log();
        let refused: Vec<_> = log.lines().filter(|line| line.contains("\"status\":403")).collect();
        let all_blocked = refused.iter().all(|line| line.contains("\"verdict\":\"block\"") && line.contains("\"leak\":\"LK-1\""));
        Ok((refused.len() == 3 && all_blocked).then_some(()))
    })?;
    counts(&world, "requests_blocked", 3)
}

#[test]
fn a_dry_run_and_a_gateway_without_an_index_let_bodies_pass() -> Result<()> {
    let (world, token) = world(json!({"enforce": false, "body": {"hold_headers": true}}))?;
    assert_eq!(post(&world, &token).trailer("x", &token).in_pieces(10).status()?, 200);
    assert_eq!(world.wait_for_attempts(1)?[0]["outcome"], "observed");
    drop(world);

    let plugin = json!({"body": {"hold_headers": true}});
    let world =
        World::with(Setting { plugin, credential: Some("nobody".to_owned()), without_index: true, ..Setting::default() })?;
    assert_eq!(post(&world, &token).status()?, 200);
    Ok(())
}

#[test]
fn without_held_headers_the_upstream_sees_no_body_and_no_end() -> Result<()> {
    let (world, token) = world(json!({"body": {}}))?;
    for request in [post(&world, &token), post(&world, &token).in_pieces(4), post(&world, "x").trailer("x-token", &token)] {
        assert_eq!(request.status()?, 403);
        assert_eq!(request.over_http2().status()?, 403);
    }
    assert_eq!(post(&world, tokens::own(2)).status()?, 200);
    assert_eq!(world.upstream.completed(), 1);

    let larger = format!("{token} {}", "x".repeat(4_000_000));
    assert_eq!(post(&world, &larger).status()?, 403);
    assert_eq!(post(&world, &larger).in_pieces(30_000).over_http2().status()?, 403);
    assert_eq!(post(&world, "x".repeat(4_000_000)).status()?, 200);
    assert_eq!(world.upstream.completed(), 2);
    Ok(())
}

#[test]
fn larger_bodies_are_looked_at_up_to_the_limit_and_counted() -> Result<()> {
    let (world, token) = holding()?;
    let padded = |before: usize| format!("{} {token}", "x".repeat(before));
    assert_eq!(post(&world, padded(LIMIT - token.len() - 1)).status()?, 403);
    counts(&world, "requests_body_over_limit", 0)?;
    assert_eq!(post(&world, padded(LIMIT)).status()?, 200);
    counts(&world, "requests_body_over_limit", 1)?;
    assert_eq!(post(&world, padded(1_000) + " " + &"y".repeat(LIMIT)).status()?, 403);

    let upload: Vec<u8> = (0..20_000_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for request in [post(&world, &upload), post(&world, &upload).in_pieces(100_000)] {
        let reply = request.send()?;
        assert_eq!((reply.status, reply.bytes == upload), (200, true));
    }
    let reply = post(&world, &upload).in_pieces(16_000).over_http2().send()?;
    assert_eq!((reply.status, reply.bytes == upload), (200, true));
    counts(&world, "requests_body_over_limit", 5)?;
    let upload = post(&world, &upload[..4_000_000]);
    let uploads: Vec<u16> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(|| upload.status().unwrap_or(0))).collect();
        sent.into_iter().map(|sent| sent.join().unwrap_or(0)).collect()
    });
    assert_eq!(uploads, [200; 8], "at once");
    assert_eq!(world.envoy.stat("wasmcustom.stopleak.requests_over_budget")?, 0);
    assert_alive(&world)
}

#[test]
fn the_limit_may_be_a_megabyte() -> Result<()> {
    let limit = 1024 * 1024;
    let (world, token) = world(json!({"body": {"limit": limit, "hold_headers": true}}))?;
    let text = "{\"some\": \"words and 1234\"}, ";
    let words = text.repeat(limit / text.len() - 2);
    for (body, status) in [
        (format!("{words} {token}"), 403),
        (words.clone(), 200),
        (format!("{token} {}", words.repeat(2)), 403),
        (words.repeat(2), 200),
        (words.repeat(5), 200),
    ] {
        let request = post(&world, &body);
        for request in [request.clone(), request.clone().in_pieces(9_000), request.in_pieces(9_000).over_http2()] {
            assert_eq!(request.status()?, status, "{} bytes", body.len());
        }
    }
    assert_alive(&world)
}

#[test]
fn no_bad_input_hides_a_token_or_harms_the_gateway() -> Result<()> {
    let (world, token) = holding()?;
    let gzip = |text: &[u8]| -> Vec<u8> {
        let mut made = Vec::new();
        let _ = GzEncoder::new(text, Compression::best()).read_to_end(&mut made);
        made
    };
    let zeros = vec![0; 10_000_000];
    let deep = format!("{}{}{}", "[".repeat(10_000), "{\"a\":".repeat(5_000), "\"TOKEN\"");
    let sent = |body: Vec<u8>| post(&world, body).header("content-type", "application/json");
    for body in [
        deep.into_bytes(),
        b"\xff\xfe\x80 \xc3(\"TOKEN\"\xed\xa0\x80".to_vec(),
        br#"{"a": "\ud800\u12\x\uzzzz", "b": "TOKEN"#.to_vec(),
        b"%zz%4&a=%&b=TOKEN&%".to_vec(),
        b"<a>&#xzz;&#99999999;&nope;<![CDATA[TOKEN".to_vec(),
        b"--b\r\nTOKEN".to_vec(),
    ] {
        let text = |token: &str| body_with(&body, token);
        assert_eq!(sent(text(&token)).status()?, 403, "{}", String::from_utf8_lossy(&body[..20]));
        let reply = sent(text(&tokens::own(2))).send()?;
        assert_eq!((reply.status, reply.bytes == text(&tokens::own(2))), (200, true));
    }

    let zipped = |body: Vec<u8>| sent(body).header("content-encoding", "gzip");
    assert_eq!(zipped(gzip(&zeros)).status()?, 200, "a bomb");
    assert_eq!(zipped(gzip(&[token.as_bytes(), b" ", &zeros].concat())).status()?, 403, "a bomb with a token");
    counts(&world, "requests_body_over_limit", 2)?;
    let words: Vec<String> = (0..400).map(|i| format!("word{} ", i * 7919 % 1000)).collect();
    let whole = gzip(format!("{token} {}", words.concat()).as_bytes());
    assert_eq!(zipped(whole[..whole.len() / 2].to_vec()).status()?, 403, "cut off");
    assert_eq!(zipped(gzip(b"words")[..12].to_vec()).status()?, 200);
    counts(&world, "requests_body_unread", 0)?;
    assert_eq!(sent(b"words".to_vec()).header("content-encoding", "sdch").status()?, 200, "an unknown encoding");
    assert_eq!(zipped(b"no gzip at all".to_vec()).status()?, 200, "a lie");
    counts(&world, "requests_body_unread", 2)?;
    assert_alive(&world)
}

#[test]
fn a_body_made_of_escapes_alone_is_bounded_and_the_operator_chooses() -> Result<()> {
    // Every value is as long as the token: shorter ones are not resolved at all.
    let body = "&a=%2526amp;amp;%253d\\\\\\\\u0022+%5cu0041+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(900);
    for (choice, expected) in [("deny", 413), ("allow", 200)] {
        let (world, token) = world(json!({"on_overflow": choice, "body": {"hold_headers": true}}))?;
        let reply = post(&world, &body).send()?;
        assert_eq!(reply.status, expected);
        assert_eq!(reply.body.contains("urn:stopleak:problem:too-large-to-inspect"), expected == 413);
        counts(&world, "requests_over_budget", 1)?;
        assert_eq!(post(&world, format!("{body} {token}")).status()?, 403, "it hides no token");
    }
    Ok(())
}

#[test]
fn a_slow_body_is_waited_for() -> Result<()> {
    let (world, token) = holding()?;
    let slowly = |body: &str| post(&world, body).in_pieces(4).slowly(Duration::from_millis(60));
    assert_eq!(slowly(&token).status()?, 403);
    assert_eq!(slowly(&tokens::own(2)).send()?.body, tokens::own(2));
    assert_eq!(slowly(&token).over_http2().status()?, 403);
    assert_eq!(world.upstream.served(), 1);
    Ok(())
}

/// The server answers each message before the client sends the next: whoever held the whole body would wait for ever.
#[test]
fn a_grpc_stream_is_not_held() -> Result<()> {
    let (world, token) = holding()?;
    let mut connection = TcpStream::connect(world.envoy.listener())?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    connection.write_all(
        b"POST /stream HTTP/1.1\r\nhost: api.test\r\ncontent-type: application/grpc\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let mut exchange = |text: &str| -> Result<String> {
        let length = u32::try_from(text.len())?;
        let message = [b"\0", &length.to_be_bytes()[..], text.as_bytes()].concat();
        connection.write_all(&[format!("{:x}\r\n", message.len()).as_bytes(), &message, b"\r\n"].concat())?;
        let mut answer = Vec::new();
        while !answer.ends_with(&[text.as_bytes(), b"\r\n"].concat()) {
            let mut buffer = [0; 4096];
            match connection.read(&mut buffer) {
                Ok(read @ 1..) => answer.extend_from_slice(&buffer[..read]),
                _ => break,
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    assert!(exchange("the first")?.contains("the first"));
    assert!(exchange("the second")?.contains("the second"));
    assert!(!exchange(&format!("with {token}"))?.contains(&token), "the answer has begun, so the stream is cut off");
    assert_eq!(world.wait_for_attempts(1)?[0]["place"], "body");
    assert_alive(&world)
}

fn body_with(body: &[u8], token: &str) -> Vec<u8> {
    let at = body.windows(5).position(|window| window == b"TOKEN").unwrap_or(body.len());
    [&body[..at], token.as_bytes(), &body[at + 5..]].concat()
}

/// No VM was lost: a trap would answer 503 and be logged.
fn assert_alive(world: &World) -> Result<()> {
    for _ in 0..10 {
        assert_eq!(world.get("/").status()?, 200);
    }
    assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    Ok(())
}
