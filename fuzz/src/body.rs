//! A body in chunks → a verdict.
//!
//! The first bytes choose the encoding that the headers name, the limit, the type, and where the body is cut; the rest is the body. Byte 1
//! becomes the patched token.

use std::ops::ControlFlow;

use stopleak_contract::PluginConfig;
use stopleak_contract::index::{Kind, Kinds};
use stopleak_filter::body::{Arrived, Body, visit};
use stopleak_filter::enforced::Enforced;
use stopleak_filter::header_map::view;
use stopleak_filter::request::Request;
use stopleak_filter::verdict::{Policy, Verdict};

use super::bytes::Bytes;
use super::world::{PATCHED, enforced, may_hold_token};

const ENCODINGS: [&str; 6] = ["", "gzip", "deflate", "identity", "gzip, deflate", "br"];
const TYPES: [&str; 3] = ["application/json", "application/grpc+proto", ""];
const LIMITS: [usize; 4] = [64 * 1024, 4 * 1024, 64, 1];

/// Candidates for each byte of a body, and how often each byte is offered: as it stands, and in what its escapes are resolved to.
const CANDIDATES_A_BYTE: usize = 60;
const OFFERS_A_BYTE: usize = 400;

thread_local! {
    static ENFORCED: Enforced = enforced();
    static POLICIES: Vec<Policy> = LIMITS.iter().map(|limit| policy(*limit)).collect();
}

/// What is judged of a body, and what was left of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    is_blocked: bool,
    over_limit: bool,
    over_budget: bool,
}

/// A patched token on the first line of a body is found, wherever chunks are cut; one on the last line is found or something is said
/// to be missed; nothing else is taken for one.
pub fn body(data: &[u8]) {
    let mut bytes = Bytes(data);
    let encoding = ENCODINGS[usize::from(bytes.byte()) % ENCODINGS.len()];
    let kind = TYPES[usize::from(bytes.byte()) % TYPES.len()];
    let limit = LIMITS[usize::from(bytes.byte()) % LIMITS.len()];
    let sizes = [bytes.byte(), bytes.byte(), bytes.byte()].map(|size| usize::from(size) * 16 + 1);
    let says_length = bytes.byte() & 1 == 1;
    let rest = bytes.0;
    let text = filled(rest);
    let run = |body: &[u8], sizes: &[usize]| judged(body, encoding, kind, limit, sizes, says_length);

    work_is_linear(&text);
    let outcome = run(&text, &sizes);
    assert_eq!(outcome, run(&text, &sizes), "the same body has the same verdict");
    if !may_hold_token(rest) {
        assert!(!outcome.is_blocked, "no patched token is there");
    }

    let first = [PATCHED.as_bytes(), b"\n", &text].concat();
    let outcome = run(&first, &sizes);
    if kind != TYPES[1] && PATCHED.len() < limit {
        assert!(outcome.is_blocked, "the token on the first line was passed over: {outcome:?}");
        assert!(run(&first, &[1]).is_blocked, "the token on the first line was passed over when each byte came alone");
    }
    let last = [&text, &b"\n"[..], PATCHED.as_bytes()].concat();
    let outcome = run(&last, &sizes);
    if kind != TYPES[1] {
        let is_told = outcome.over_limit || outcome.over_budget;
        assert!(outcome.is_blocked || is_told, "the token on the last line was passed over: {outcome:?}");
    }
}

/// What is offered grows no faster than the body, whose escapes are resolved to sixteen times its limit at most.
fn work_is_linear(text: &[u8]) {
    let (mut count, mut offered) = (0, 0);
    let kinds: Kinds = (0..=Kind::LONG).map(|length| Kind::of_length(usize::from(length))).collect();
    let body = Body { bytes: text, encoding: b"", limit: text.len() };
    let _ = visit(body, &kinds, &mut |candidate| {
        count += 1;
        offered += candidate.text.len();
        ControlFlow::Continue(())
    });
    assert!(count <= 200 + CANDIDATES_A_BYTE * text.len(), "{count} candidates in {} bytes", text.len());
    assert!(offered <= OFFERS_A_BYTE * text.len(), "{offered} bytes are offered of {}", text.len());
}

fn policy(limit: usize) -> Policy {
    let json = format!(r#"{{"cluster": "c", "body": {{"limit": {limit}}}}}"#);
    Policy::new(&PluginConfig::from_json(json.as_bytes()).expect("a valid configuration"))
}

fn filled(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|byte| if *byte == 1 { PATCHED.as_bytes() } else { std::slice::from_ref(byte) }).copied().collect()
}

/// Hands a body over as Envoy does, in chunks, and holds what it is told to hold.
fn judged(body: &[u8], encoding: &str, kind: &str, limit: usize, sizes: &[usize], says_length: bool) -> Outcome {
    let mut headers = vec![
        ("content-encoding".to_owned(), encoding.as_bytes().to_vec()),
        ("content-type".to_owned(), kind.as_bytes().to_vec()),
    ];
    if says_length {
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    let mut outcome = Outcome { is_blocked: false, over_limit: false, over_budget: false };
    let place = LIMITS.iter().position(|l| *l == limit).unwrap_or_default();
    POLICIES.with(|policies| {
        let policy = &policies[place];
        let Some(mut hold) = policy.hold(Request::new(&view(&headers))) else { return };
        let mut look = |bytes: &[u8], encoding: &str| {
            assert!(bytes.len() <= limit, "{} bytes are judged, {limit} are the limit", bytes.len());
            let (judgement, missed) = ENFORCED.with(|enforced| policy.judge_body(bytes, encoding.as_bytes(), enforced, None));
            assert!(!judgement.unreadable);
            outcome.is_blocked |= matches!(judgement.verdict, Verdict::Block(_));
            outcome.over_limit |= missed.over_limit;
            outcome.over_budget |= judgement.over_budget;
        };
        let mut held = Vec::new();
        let mut rest = body;
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            held.extend_from_slice(chunk);
            let (length, is_end) = (held.len(), rest.is_empty());
            match hold.arrived(length, is_end) {
                Arrived::Wait => assert!(!is_end && length <= limit, "{length} bytes are held, {limit} are the limit"),
                Arrived::Pass => held.clear(),
                Arrived::Keep(count) => {
                    if let Some(kept) = hold.keep(&held[..count], length, is_end) {
                        look(&kept, encoding);
                    }
                    held.clear();
                }
                Arrived::Read(count) => {
                    if let Some(parts) = hold.read(&held[..count], length, is_end) {
                        for part in &parts {
                            look(part.bytes, if part.is_message && !part.is_compressed { "" } else { encoding });
                        }
                        held.clear();
                    }
                }
            }
            if is_end {
                break;
            }
        }
        outcome.over_limit |= hold.is_over_limit();
    });
    outcome
}
