//! A header map → a verdict.
//!
//! The input is a request as text: the path, then a header a line. Byte 1 becomes the patched token, byte 2 the one of an open leak, so
//! that the fuzzer can put either anywhere. The very first byte chooses the configuration.

use std::ops::ControlFlow;

use stopleak_contract::PluginConfig;
use stopleak_contract::index::{Kind, Kinds};
use stopleak_filter::candidates;
use stopleak_filter::counted::Counted;
use stopleak_filter::enforced::Enforced;
use stopleak_filter::header_map::{read, view};
use stopleak_filter::request::Request;
use stopleak_filter::verdict::{Judgement, MAX_SIZE, Policy, Verdict};

use super::bytes::Bytes;
use super::world::{OPEN, PATCHED, enforced, may_hold_token};

type Headers = Vec<(String, Vec<u8>)>;

/// More headers than Envoy lets through by default.
const MAX_HEADERS: usize = 128;

/// Up to this size nothing that a client sends uses up the budget before its credentials are seen.
const SMALL: usize = 8 * 1024;

/// Candidates for each byte of a request, and beside them those that are there once: spans of segments and the whole URL.
const CANDIDATES_A_BYTE: usize = 8;
const CANDIDATES_AT_ALL: usize = 400;

/// How often each byte of a request is offered at most, spans of segments apart: they offer the path as often as there are spans.
const OFFERS_A_BYTE: usize = 80;
const SPANS: usize = 160;

thread_local! {
    static ENFORCED: Enforced = enforced();
}

/// Whatever else a request carries, a patched token in `Authorization` is found, and nothing else is taken for one.
pub fn headers(data: &[u8]) {
    let mut bytes = Bytes(data);
    let choice = bytes.byte();
    let place = bytes.byte();
    let policy = policy(choice);
    let headers = parse(bytes.0);
    let pairs = view(&headers);
    let request = Request::new(&pairs);
    work_is_linear(request);
    assert!(read(data).len() <= data.len(), "bytes of any kind can be read as a map");

    ENFORCED.with(|enforced| {
        let judgement = policy.judge(request, Some(enforced), None);
        assert_eq!(judgement, policy.judge(request, Some(enforced), None), "the same request has the same verdict");
        consistent(&judgement, request, enforced);
        if !may_hold_token(bytes.0) {
            assert!(!matches!(judgement.verdict, Verdict::Block(_)), "no patched token is there: {judgement:?}");
        }

        let mut planted = headers.clone();
        let at = usize::from(place) % (planted.len() + 1);
        planted.insert(at, ("authorization".to_owned(), format!("Bearer {PATCHED}").into_bytes()));
        let planted = view(&planted);
        let request = Request::new(&planted);
        let judgement = policy.judge(request, Some(enforced), None);
        consistent(&judgement, request, enforced);
        let is_found = matches!(judgement.verdict, Verdict::Block(_));
        assert!(is_found || judgement.over_budget, "the token was passed over: {judgement:?}");
        assert!(is_found || request.size() > SMALL, "a small request is looked at in full");
        if request.size() > MAX_SIZE {
            assert!(judgement.over_budget && !is_found);
        }
    });
}

fn policy(choice: u8) -> Policy {
    let json = match choice % 3 {
        0 => r#"{"cluster": "c"}"#,
        1 => r#"{"cluster": "c", "on_overflow": "allow"}"#,
        _ => r#"{"cluster": "c", "headers": {"skip": ["x-skipped"]}, "on_not_ready": "deny"}"#,
    };
    Policy::new(&PluginConfig::from_json(json.as_bytes()).expect("a valid configuration"))
}

fn parse(text: &[u8]) -> Headers {
    let mut lines = text.split(|&b| b == b'\n').map(filled);
    let mut headers = vec![
        (":method".to_owned(), b"GET".to_vec()),
        (":authority".to_owned(), b"api.test".to_vec()),
        (":path".to_owned(), lines.next().unwrap_or_default()),
    ];
    for line in lines.take(MAX_HEADERS) {
        // Envoy hands over names in lower case and of few characters; pseudo-headers begin with a colon.
        let at = line.iter().skip(1).position(|&b| b == b':').map_or(line.len(), |at| at + 1);
        let name: String =
            line[..at].iter().filter(|b| b.is_ascii_graphic()).map(|b| char::from(b.to_ascii_lowercase())).collect();
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii().to_vec();
        if !name.is_empty() {
            headers.push((name, value));
        }
    }
    headers
}

fn filled(line: &[u8]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(line.len());
    for &byte in line {
        match byte {
            1 => filled.extend_from_slice(PATCHED.as_bytes()),
            2 => filled.extend_from_slice(OPEN.as_bytes()),
            other => filled.push(other),
        }
    }
    filled
}

/// Candidates, and the bytes of all of them, grow no faster than the request.
fn work_is_linear(request: Request<'_>) {
    let (mut count, mut offered) = (0, 0);
    // None that an index has not.
    let kinds: Kinds = (0..=Kind::LONG).map(|length| Kind::of_length(usize::from(length))).collect();
    let _ = candidates::visit(request, None, &kinds, &mut |candidate| {
        count += 1;
        offered += candidate.text.len();
        ControlFlow::Continue(())
    });
    let size = request.size();
    assert!(count <= CANDIDATES_AT_ALL + CANDIDATES_A_BYTE * size, "{count} candidates in {size} bytes");
    let most = OFFERS_A_BYTE * size + SPANS * (request.path().len() + 8);
    assert!(offered <= most, "{offered} bytes are offered of a request of {size}");
}

/// What a verdict says fits together, and nothing that is recorded holds a token.
fn consistent(judgement: &Judgement, request: Request<'_>, enforced: &Enforced) {
    assert!(!judgement.unreadable, "every page is there");
    let mut counted = Counted::default();
    counted.judged(&judgement.verdict, judgement.over_budget);
    assert_eq!(
        (counted.requests, counted.over_budget),
        (1, u64::from(judgement.over_budget)),
        "what is not looked at is counted"
    );
    match &judgement.verdict {
        Verdict::Overflow => assert!(judgement.over_budget),
        Verdict::NotReady(_) => panic!("there is an index"),
        Verdict::Pass => {}
        Verdict::Observe(found) | Verdict::Block(found) => {
            let blocked = matches!(judgement.verdict, Verdict::Block(_));
            assert_eq!(blocked, found.leak == 1, "{found:?}");
            let route = enforced.route(request, found);
            for shown in [&route.method, &route.host, &route.path, &found.header] {
                assert!(!shown.contains(PATCHED) && !shown.contains(OPEN), "a token would be recorded: {shown}");
                assert!(shown.len() <= 300, "{} bytes would be recorded", shown.len());
            }
        }
    }
}
