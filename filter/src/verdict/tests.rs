//! From a header map to a verdict.

use stopleak_contract::index::{Entry, Index, build};

use super::*;

const PATCHED: &str = "fk_patched_9aQ7zLm2";
const OPEN: &str = "fk_open_Xw4RtB8v9aQ7";

fn enforced() -> Enforced {
    let key = FingerprintKey::new([7; 32]);
    let entry = |text: &str, leak, action| {
        let fingerprint = Fingerprint::of(&key, &Token::parse(text.as_bytes()).unwrap());
        Entry { fingerprint, leak, action, length: text.len() }
    };
    let entries = vec![entry(PATCHED, 1, Action::Block), entry(OPEN, 2, Action::Observe)];
    let built = build("acme", 1, 0, entries).unwrap();
    let index = Index::open(built.header, built.shards).unwrap();
    Enforced { key, index }
}

fn policy(json: &str) -> Policy {
    Policy::new(&PluginConfig::from_json(format!("{{\"cluster\": \"c\"{json}}}").as_bytes()).unwrap())
}

fn judge(policy: &Policy, pairs: &[(&str, &str)]) -> Verdict {
    let headers: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    policy.judge(Request::new(&headers), Some(&enforced())).verdict
}

/// The leak that decided, by verdict.
fn summary(verdict: &Verdict) -> (&'static str, u32) {
    match verdict {
        Verdict::Observe(found) | Verdict::Block(found) => (verdict.as_str(), found.leak),
        Verdict::Pass | Verdict::NotReady(_) => (verdict.as_str(), 0),
    }
}

#[test]
fn the_strongest_match_wins_wherever_it_is() {
    let policy = policy("");
    assert_eq!(summary(&judge(&policy, &[("x", "harmless text")])), ("pass", 0));
    assert_eq!(summary(&judge(&policy, &[("x", OPEN)])), ("observe", 2));
    assert_eq!(summary(&judge(&policy, &[("x", PATCHED)])), ("block", 1));
    assert_eq!(summary(&judge(&policy, &[("authorization", OPEN), ("x", PATCHED)])), ("block", 1));
}

#[test]
fn a_match_says_where_it_was_and_not_what() {
    let Verdict::Block(found) = judge(&policy(""), &[("x-api-key", PATCHED)]) else { panic!("not blocked") };
    assert_eq!((found.place, found.header.as_str()), (Place::Header, "x-api-key"));
    let Verdict::Block(found) = judge(&policy(""), &[(":path", &format!("/?k={PATCHED}"))]) else { panic!("not blocked") };
    assert_eq!((found.place, found.header.as_str()), (Place::Query, ""));
    assert!(!format!("{found:?}").contains(PATCHED));
}

#[test]
fn a_dry_run_observes_where_it_would_block() {
    assert_eq!(summary(&judge(&policy(r#", "enforce": false"#), &[("x", PATCHED)])), ("observe", 1));
}

#[test]
fn exempt_paths_are_not_looked_at() {
    let policy = policy(r#", "exempt_paths": ["/health"]"#);
    assert_eq!(summary(&judge(&policy, &[(":path", "/healthz"), ("x", PATCHED)])), ("pass", 0));
    assert_eq!(summary(&judge(&policy, &[(":path", "/api"), ("x", PATCHED)])), ("block", 1));
}

#[test]
fn without_an_index_the_operator_has_chosen() {
    let headers = [("x".to_owned(), PATCHED.as_bytes().to_vec())];
    for (json, expected) in [("", OnNotReady::Allow), (r#", "on_not_ready": "deny""#, OnNotReady::Deny)] {
        assert_eq!(policy(json).judge(Request::new(&headers), None).verdict, Verdict::NotReady(expected));
    }
}

#[test]
fn work_is_bounded_and_what_exceeds_the_bound_is_said() {
    let judge = |headers: &[(String, Vec<u8>)]| policy("").judge(Request::new(headers), Some(&enforced()));
    let usual: Vec<_> = (0..60).map(|n| (format!("x-{n}"), b"some words, and=more; of:them".to_vec())).collect();
    assert!(!judge(&usual).over_budget);

    let many = [("x".to_owned(), b"abcdef ".repeat(MAX_CANDIDATES))];
    assert!(judge(&many).over_budget);
    let of_a_length = |length| [("x".to_owned(), format!("{} ", "a".repeat(length)).repeat(10_000).into_bytes())];
    assert!(judge(&of_a_length(PATCHED.len())).over_budget);
    assert!(!judge(&of_a_length(PATCHED.len() + 5)).over_budget, "texts of a length that no token has cost next to nothing");

    let padded = [many.to_vec(), vec![("authorization".to_owned(), PATCHED.as_bytes().to_vec())]].concat();
    assert_eq!(summary(&judge(&padded).verdict), ("block", 1), "padding does not hide a credential");
}
