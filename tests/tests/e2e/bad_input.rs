//! Malformed and excessive requests, each twice: with a patched token where it can be read, and with one that has not leaked.
//!
//! What Envoy itself refuses never reaches the filter; those cases are here so that a new Envoy that lets them through is noticed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use stopleak_tests::{Http2Connection, Message, Setting, World, eventually, tokens};

/// Stands for the token in a case; of the same length, so that nothing else differs.
const TOKEN: &str = "fk_TOKENTOKENTOKEN_0000";

/// A case: what it is, the request line's target and the header lines, as bytes.
type Case = (&'static str, Vec<u8>, Vec<u8>);

fn case(name: &'static str, target: impl AsRef<[u8]>, headers: impl AsRef<[u8]>) -> Case {
    (name, target.as_ref().to_vec(), headers.as_ref().to_vec())
}

/// Sends bytes as they are; the status of the answer.
fn send(world: &World, (name, target, headers): &Case, token: &str) -> Result<u16> {
    let request = [b"GET ", &target[..], b" HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n", headers, b"\r\n"].concat();
    let mut filled = Vec::with_capacity(request.len());
    let mut end = 0;
    for at in memchr::memmem::find_iter(&request, TOKEN) {
        filled.extend_from_slice(&request[end..at]);
        filled.extend_from_slice(token.as_bytes());
        end = at + TOKEN.len();
    }
    filled.extend_from_slice(&request[end..]);

    let mut connection = TcpStream::connect(world.envoy.listener())?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    // An Envoy that refuses a request may close before it has read all of it.
    let _ = connection.write_all(&filled);
    let mut answer = [0; 64];
    let read = connection.read(&mut answer).with_context(|| (*name).to_owned())?;
    let line = String::from_utf8_lossy(&answer[..read]).into_owned();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("{name}: {line:?}"))
}

/// Every case with either token: refused with the leaked one, let through with the other.
fn judge(world: &World, leaked: &str, cases: &[Case]) -> Result<u64> {
    let mut wrong = Vec::new();
    for case in cases {
        for (token, expected) in [(leaked, 403), (tokens::own(9).as_str(), 200)] {
            let status = send(world, case, token)?;
            if status != expected {
                wrong.push(format!("{}: {status} instead of {expected}", case.0));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    Ok(cases.len() as u64)
}

fn counted(world: &World, name: &str, expected: u64) -> Result<()> {
    eventually(&format!("{name} is {expected}"), Duration::from_secs(5), || {
        Ok((world.envoy.stat(&format!("wasmcustom.stopleak.{name}"))? == expected).then_some(()))
    })
}

fn basic(pair: &[u8]) -> String {
    STANDARD.encode(pair)
}

#[test]
fn malformed_requests_are_judged_by_what_can_be_read() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    ensure!(token.len() == TOKEN.len(), "the stand-in has the length of a token");
    world.patched_leak(&[&token])?;

    let cases = [
        case("escapes without digits in the path", "/%zz/fk_TOKENTOKENTOKEN_0000/%g0", ""),
        case("an escape that ends too early, path", "/fk_TOKENTOKENTOKEN_0000/a%4", ""),
        case("escapes without digits in the query", "/?%=%zz&k=fk_TOKENTOKENTOKEN_0000&%4=%", ""),
        case("an escape behind the token that ends too early", "/?k=fk_TOKENTOKENTOKEN_0000&%f", ""),
        case("a malformed escape beside a good one", "/?k=%zz%20fk_TOKENTOKENTOKEN_0000", ""),
        case("overlong UTF-8 in the path", "/%c0%af%e0%80%af/fk_TOKENTOKENTOKEN_0000", ""),
        case("a surrogate in UTF-8 in the query", "/?a=%ed%a0%80&k=fk_TOKENTOKENTOKEN_0000", ""),
        case("a lone carriage return in a header", "/", "x-key: a\rb\r\nx-other: fk_TOKENTOKENTOKEN_0000\r\n"),
        case("a folded line", "/", "x-key: a,\r\n fk_TOKENTOKENTOKEN_0000\r\n"),
        case("line ends of one byte", "/", "x-a: b\nx-key: fk_TOKENTOKENTOKEN_0000\r\n"),
        case("a cut character in a header", "/", b"x-key: \xc3,fk_TOKENTOKENTOKEN_0000\r\n"),
        case("bytes that are no text around the token", "/", b"x-key: \xf5\xfffk_TOKENTOKENTOKEN_0000\xfe\r\n"),
        case("bytes that are no text in cookies", "/", b"cookie: \xff=\xfe; s=fk_TOKENTOKENTOKEN_0000\xc0; \xf8\r\n"),
        case("bytes that are no text behind the scheme", "/", b"authorization: Bearer\xa0fk_TOKENTOKENTOKEN_0000\r\n"),
        case("a null, percent-encoded, in the query", "/?a=%00&k=%00fk_TOKENTOKENTOKEN_0000%00", ""),
        case("a null, percent-encoded, in a cookie", "/", "cookie: s=%00fk_TOKENTOKENTOKEN_0000%00\r\n"),
        case("an escape character in the query", "/?k=%1bfk_TOKENTOKENTOKEN_0000%7f", ""),
        case("Basic of nothing, and a token beside it", "/", "authorization: Basic ====\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n"),
        case("Basic that is not base64", "/", "authorization: Basic !!,fk_TOKENTOKENTOKEN_0000,!!\r\n"),
        case("Basic that is a pair in the clear", "/", "authorization: Basic user:fk_TOKENTOKENTOKEN_0000\r\n"),
        case("Basic of one digit", "/", "authorization: Basic A\r\nproxy-authorization: fk_TOKENTOKENTOKEN_0000\r\n"),
        case("binary metadata that is not base64", "/", "x-a-bin: ***\r\nx-b-bin: ,,=,fk_TOKENTOKENTOKEN_0000\r\n"),
        case(
            "a name without a value, again and again",
            "/?&&=&=&;;&k=fk_TOKENTOKENTOKEN_0000&=",
            "x-a:\r\nx-b:\r\nx-c: \r\ncookie:\r\n",
        ),
        case(
            "an empty credential before one",
            "/",
            "authorization:\r\nauthorization: Bearer\r\nauthorization: Bearer fk_TOKENTOKENTOKEN_0000\r\n",
        ),
        case("cookies of separators", "/", "cookie: ;;=;==;; ;=;s=fk_TOKENTOKENTOKEN_0000;;\r\n"),
        case("quotes that nobody closes", "/", "cookie: a=\"b; s=\"fk_TOKENTOKENTOKEN_0000\r\n"),
        case("backslashes at the end of a cookie", "/", "cookie: a=\\\\\\; s=fk_TOKENTOKENTOKEN_0000; b=\\\r\n"),
        case("a protocol list of commas", "/", "sec-websocket-protocol: ,,.,..,base64url.x.,fk_TOKENTOKENTOKEN_0000\r\n"),
    ];
    let mut count = judge(&world, &token, &cases)?;

    // Decoded to bytes that are no text: the token among them is still read.
    for pair in [&b"\xff\xfe:\x00fk_T"[..], b":fk_T", b"fk_T:", b"\x00\x01\x02:fk_T\x00"] {
        let pair = |token: &str| {
            let at = memchr::memmem::find(pair, b"fk_T").unwrap_or(0);
            [&pair[..at], token.as_bytes(), &pair[at + 4..]].concat()
        };
        for (token, expected) in [(&token, 403), (&tokens::own(9), 200)] {
            let encoded = basic(&pair(token));
            // Bytes that are not of the alphabet are skipped, as some servers do.
            for encoded in [encoded.clone(), encoded.replace('=', ""), format!("*{}", encoded.replace('A', "A."))] {
                assert_eq!(world.get("/").header("authorization", format!("Basic {encoded}")).status()?, expected, "{encoded}");
            }
            let encoded = basic(&pair(token));
            assert_eq!(world.get("/").header("x-data-bin", format!("@,{encoded}")).status()?, expected, "{encoded}");
            count += if expected == 403 { 4 } else { 0 };
        }
    }
    counted(&world, "requests_blocked", count)?;
    counted(&world, "requests", 2 * count)?;
    counted(&world, "requests_over_budget", 0)
}

#[test]
fn what_envoy_refuses_is_not_let_through_by_anybody() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    for case in [
        case("a null in a header", "/", b"x-key: a\0b\r\nx-other: fk_TOKENTOKENTOKEN_0000\r\n"),
        case("a null in the target", b"/\0/fk_TOKENTOKENTOKEN_0000", ""),
        case("bytes that are no text in the path", b"/\xff\xfe\xc3\x28/fk_TOKENTOKENTOKEN_0000", ""),
        case("bytes that are no text in the query", b"/?\xff=\xfe&k=fk_TOKENTOKENTOKEN_0000&\x80", ""),
        case("bytes that are no text in front of the token in the query", b"/?k=\xf0\x9ffk_TOKENTOKENTOKEN_0000", ""),
        case("control characters in a header", "/", b"x-key: \x01\x02fk_TOKENTOKENTOKEN_0000\x7f\r\n"),
        case("a space in a header's name", "/", "x key: fk_TOKENTOKENTOKEN_0000\r\n"),
        case("a null, percent-encoded, in the path", "/%00/fk_TOKENTOKENTOKEN_0000", ""),
        case("more than a hundred headers", "/", "x-key: fk_TOKENTOKENTOKEN_0000\r\n".repeat(110)),
        case("more than sixty KiB", "/", format!("x-key: fk_TOKENTOKENTOKEN_0000\r\nx-long: {}\r\n", "a".repeat(62_000))),
    ] {
        for token in [token.as_str(), &tokens::own(9)] {
            let status = send(&world, &case, token)?;
            assert!(matches!(status, 400 | 431), "{}: {status}", case.0);
        }
    }
    counted(&world, "requests", 0)
}

#[test]
fn many_and_long_things_within_envoys_usual_limits_hide_nothing() -> Result<()> {
    let world = World::start()?;
    let token = tokens::own(1);
    world.patched_leak(&[&token])?;
    // Short and ordinary tokens in the index make more of the padding worth a look.
    world.observed_leak(&["s3cr3t-1", "an-ordinary-token-0007"])?;
    let numbered = |count: usize, text: &dyn Fn(usize) -> String| (0..count).map(text).collect::<String>();

    let cases = [
        case(
            "a thousand cookies",
            "/",
            format!("cookie: {}s=fk_TOKENTOKENTOKEN_0000\r\n", numbered(1_000, &|n| format!("cookie-{n}=value-of-cookie-{n}; "))),
        ),
        case(
            "a thousand cookies after the one",
            "/",
            format!("cookie: s=fk_TOKENTOKENTOKEN_0000; {}\r\n", "a=\\101%41\"; ".repeat(1_000)),
        ),
        case("ten thousand parameters", format!("/?{}k=fk_TOKENTOKENTOKEN_0000", "a=1&".repeat(10_000)), ""),
        case(
            "ten thousand empty parameters",
            format!("/?{}k=fk_TOKENTOKENTOKEN_0000{}", "&".repeat(5_000), ";".repeat(5_000)),
            "",
        ),
        case("five thousand segments", format!("{}/fk_TOKENTOKENTOKEN_0000/a", "/a".repeat(5_000)), ""),
        case(
            "many headers of one name",
            "/",
            format!("{}x-key: fk_TOKENTOKENTOKEN_0000\r\n", numbered(85, &|n| format!("x-key: value number {n}\r\n"))),
        ),
        case(
            "many credentials",
            "/",
            format!(
                "{}authorization: Bearer fk_TOKENTOKENTOKEN_0000\r\n",
                numbered(85, &|n| format!("authorization: Bearer other-{n}\r\n"))
            ),
        ),
        case("a very long name", "/", format!("{}: 1\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n", "x".repeat(16_000))),
        case("a very long name that carries it", "/", format!("{}: fk_TOKENTOKENTOKEN_0000\r\n", "x-".repeat(8_000) + "y")),
        case(
            "headers up to the limit",
            "/",
            format!("{}x-last: fk_TOKENTOKENTOKEN_0000\r\n", numbered(80, &|n| format!("x-{n}: {}\r\n", "word,".repeat(145)))),
        ),
        case("percent signs alone", "/", format!("x-a: {}\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n", "%".repeat(50_000))),
        case(
            "base64 of text, over and over",
            "/",
            format!("x-a: {}\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n", "aGVsbG8gd29ybGQ,".repeat(3_000)),
        ),
        case("equals signs alone", "/", format!("cookie: {}; s=fk_TOKENTOKENTOKEN_0000\r\n", "=".repeat(50_000))),
        case("dots alone", format!("/?{}&k=fk_TOKENTOKENTOKEN_0000", ".".repeat(50_000)), ""),
        case("backslashes alone", "/", format!("cookie: {}; s=fk_TOKENTOKENTOKEN_0000\r\n", "\\".repeat(50_000))),
    ];
    let count = judge(&world, &token, &cases)?;
    counted(&world, "requests_blocked", count)?;
    counted(&world, "requests_over_budget", 0)
}

/// An Envoy that takes as much as it can be told to, and answers itself: the upstream would refuse so many headers.
fn generous(on_overflow: &str) -> Result<World> {
    let route = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}});
    World::with(Setting {
        plugin: json!({"on_overflow": on_overflow}),
        connection_manager: json!({
            "max_request_headers_kb": 8192,
            "common_http_protocol_options": {"max_headers_count": 20_000},
            "route_config": {"name": "direct", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        }),
        ..Setting::default()
    })
}

#[test]
fn an_envoy_with_generous_limits_keeps_the_filters_own() -> Result<()> {
    for (on_overflow, over) in [("deny", 431), ("allow", 200)] {
        let world = generous(on_overflow)?;
        let token = tokens::own(1);
        world.patched_leak(&[&token])?;
        let cases = [
            case(
                "nearly a MiB in one header",
                "/",
                format!("x-a: {}\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n", "word ".repeat(180_000)),
            ),
            case("thirty thousand parameters", format!("/?{}k=fk_TOKENTOKENTOKEN_0000", "name=value-1&".repeat(30_000)), ""),
            case(
                "a thousand headers of one name",
                "/",
                format!("{}x-key: fk_TOKENTOKENTOKEN_0000\r\n", "x-key: another-value\r\n".repeat(1_000)),
            ),
            case("a name of a hundred KiB", "/", format!("{}: 1\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n", "n".repeat(100_000))),
        ];
        let mut blocked = judge(&world, &token, &cases)?;

        // Over HTTP/2 each cookie is a header of its own.
        let http2 = Http2Connection::open(world.envoy.listener())?;
        for (token, expected) in [(&token, 403), (&tokens::own(9), 200)] {
            let cookies = (0..1_000).map(|n| ("cookie".to_owned(), format!("c{n}=value-{n}").into_bytes()));
            let last = ("cookie".to_owned(), format!("s={token}").into_bytes());
            let message = Message {
                method: "GET".into(),
                target: "/".into(),
                headers: cookies.chain([last]).collect(),
                ..Message::default()
            };
            assert_eq!(http2.send(&message)?, expected, "a thousand cookie headers");
        }
        blocked += 1;

        let large = case("more than a MiB", "/", format!("x-a: {}\r\n", "word ".repeat(300_000)));
        assert_eq!(send(&world, &large, &token)?, over, "{on_overflow}");
        let beside = format!("x-a: {}\r\nx-key: fk_TOKENTOKENTOKEN_0000\r\n", "word ".repeat(300_000));
        let beside = case("more than a MiB, and a token beside it", "/", beside);
        assert_eq!(send(&world, &beside, &token)?, 403, "{on_overflow}");
        counted(&world, "requests_over_budget", 2)?;
        counted(&world, "requests_blocked", blocked + 1)?;
        assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    }
    Ok(())
}
