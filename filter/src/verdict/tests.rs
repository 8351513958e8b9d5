//! From a header map to a verdict.

use std::rc::Rc;

use stopleak_contract::FingerprintKey;
use stopleak_contract::index::{Entry, IndexSource, SigningKey, build};

use super::*;
use crate::enforced::Trust;
use crate::header_map::view;
use crate::proxy::Memory;
use crate::records::Records;

const PATCHED: &str = "fk_patched_9aQ7zLm2";
const OPEN: &str = "fk_open_Xw4RtB8v9aQ7";

fn enforced() -> Enforced {
    let key = FingerprintKey::new([7; 32]);
    let entry = |text: &str, leak, action| {
        let text = Canonical::of(text.as_bytes());
        Entry { fingerprint: Fingerprint::of_canonical(&key, &text), leak, action, kind: text.kind() }
    };
    let entries = vec![entry(PATCHED, 1, Action::Block), entry(OPEN, 2, Action::Observe)];
    let (signing_key, built) = (SigningKey::new(&[3; 32]), build("acme", &key, 1, 0, entries).unwrap());
    let trust = Trust::of(signing_key.public_key(), key, "acme".to_owned());
    let records = Records::new(Rc::new(Memory::default()), "slg_test", signing_key.public_key());
    let state = trust.state(signing_key.seal(built.header).to_wire());
    records.install(&state, built.shards.iter().map(|shard| &**shard));
    let mut in_force = None;
    Enforced::restore(&mut in_force, trust.pinned, &records).unwrap();
    in_force.unwrap()
}

fn policy(json: &str) -> Policy {
    Policy::new(&PluginConfig::from_json(format!("{{\"cluster\": \"c\"{json}}}").as_bytes()).unwrap())
}

fn judged(policy: &Policy, request: Request<'_>, enforced: Option<&Enforced>) -> Judgement {
    policy.judge(request, enforced, None)
}

fn judge(policy: &Policy, pairs: &[(&str, &str)]) -> Verdict {
    let headers: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    judged(policy, Request::new(&view(&headers)), Some(&enforced())).verdict
}

/// The leak that decided, by verdict.
fn summary(verdict: &Verdict) -> (&'static str, u32) {
    match verdict {
        Verdict::Observe(found) | Verdict::Block(found) => (verdict.as_str(), found.leak),
        Verdict::Pass | Verdict::NotReady(_) | Verdict::Overflow => (verdict.as_str(), 0),
    }
}

#[test]
fn an_observed_token_does_not_carry_another_past_a_page_that_cannot_be_read() {
    let key = FingerprintKey::new([7; 32]);
    let in_shard = |shard| {
        let texts = (0..).map(|n| format!("fk_9aQ7zLm2Xw4Rt{n:06}"));
        let first_bit = |text: &String| Fingerprint::of_canonical(&key, &Canonical::of(text.as_bytes())).as_bytes()[0] >> 7;
        texts.into_iter().find(|text| first_bit(text) == shard).unwrap()
    };
    let (open, patched) = (in_shard(0), in_shard(1));
    let entry = |text: &str, leak, action| {
        let text = Canonical::of(text.as_bytes());
        Entry { fingerprint: Fingerprint::of_canonical(&key, &text), leak, action, kind: text.kind() }
    };
    let entries = vec![entry(&open, 1, Action::Observe), entry(&patched, 2, Action::Block)];
    let built = IndexSource::from_entries(1, entries).unwrap().build("acme", &key, 1, 0).unwrap();
    let signing_key = SigningKey::new(&[3; 32]);
    let trust = Trust::of(signing_key.public_key(), key.clone(), "acme".to_owned());
    let records = Records::new(Rc::new(Memory::default()), "slg_test", signing_key.public_key());
    records.install(&trust.state(signing_key.seal(built.header).to_wire()), [&*built.shards[0], b"damaged"]);
    let mut in_force = None;
    Enforced::restore(&mut in_force, trust.pinned, &records).unwrap();

    let headers = [("a".to_owned(), open.into_bytes()), ("b".to_owned(), patched.into_bytes())];
    for (json, expected) in [("", "observe"), (r#", "on_not_ready": "deny""#, "not_ready")] {
        let judgement = judged(&policy(json), Request::new(&view(&headers)), in_force.as_ref());
        assert_eq!((judgement.verdict.as_str(), judgement.unreadable), (expected, true));
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
    for (path, expected) in [("/health", "pass"), ("/health/live", "pass"), ("/healthz", "block"), ("/a/health", "block")] {
        assert_eq!(judge(&policy, &[(":path", path), ("x", PATCHED)]).as_str(), expected, "{path}");
    }
    assert_eq!(summary(&judge(&policy, &[(":path", "/api"), ("x", PATCHED)])), ("block", 1));
}

#[test]
fn without_an_index_the_operator_has_chosen() {
    let headers = [("x".to_owned(), PATCHED.as_bytes().to_vec())];
    for (json, expected) in [("", OnNotReady::Allow), (r#", "on_not_ready": "deny""#, OnNotReady::Deny)] {
        assert_eq!(judged(&policy(json), Request::new(&view(&headers)), None).verdict, Verdict::NotReady(expected));
    }
}

#[test]
fn work_is_bounded_and_the_operator_chooses_what_becomes_of_the_rest() {
    let judge =
        |json: &str, headers: &[(String, Vec<u8>)]| judged(&policy(json), Request::new(&view(headers)), Some(&enforced()));
    let header = |value: Vec<u8>| ("x".to_owned(), value);
    let repeated = |text: &str| header(format!("{text} ").repeat(20_000).into_bytes());
    let lookalikes = repeated(&PATCHED.replace('9', "8"));
    for (request, verdict, over_budget) in [
        ([header(b"some words, and=more; of:them ".repeat(1_000))], "pass", false),
        ([repeated(&PATCHED.replace('9', "8888"))], "pass", false),
        ([repeated(&"a".repeat(PATCHED.len()))], "pass", false),
        ([lookalikes.clone()], "overflow", true),
        ([header(vec![b'a'; MAX_SIZE + 1])], "overflow", true),
    ] {
        let judgement = judge("", &request);
        assert_eq!((judgement.verdict.as_str(), judgement.over_budget), (verdict, over_budget));
        let allowed = judge(r#", "on_overflow": "allow""#, &request);
        assert_eq!((allowed.verdict.as_str(), allowed.over_budget), ("pass", over_budget));
    }
    for (name, value) in
        [("authorization", PATCHED.to_owned()), (":path", format!("/?k={PATCHED}")), ("x-key", PATCHED.to_owned())]
    {
        for padding in [6_000, MAX_SIZE] {
            let request = [("a".to_owned(), b"=:aaaaaa,".repeat(padding)), (name.to_owned(), value.clone().into_bytes())];
            assert_eq!(summary(&judge("", &request).verdict), ("block", 1), "padding does not hide {name}");
        }
    }
}

#[test]
fn an_attempt_shows_the_token_nowhere() {
    let found = |place, header: &str| {
        let (fingerprint, _) = enforced().find(&Canonical::of(PATCHED.as_bytes()));
        Match { leak: 1, fingerprint, place, header: header.to_owned() }
    };
    let request = [(":authority", "fk_open_Xw4RtB8v9aQ7.test"), (":path", "/a/fk_patched_9aQ7zLm2/b")];
    let headers: Vec<_> = request.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    let route = enforced().route(Request::new(&view(&headers)), &found(Place::Path, ""));
    assert_eq!((route.host.as_str(), route.path.as_str()), ("[redacted].test", "/a/[redacted]/b"));

    let spanning = [(":path".to_owned(), b"/a/b".to_vec())];
    let route = enforced().route(Request::new(&view(&spanning)), &found(Place::Path, ""));
    assert_eq!(route.path, "[redacted]", "the token is somewhere in there, over several segments");

    let Verdict::Block(found) = judge(&policy(""), &[(PATCHED, PATCHED)]) else { panic!("not blocked") };
    assert_eq!(found.header, "[redacted]");
}

#[test]
fn texts_that_contain_a_token_are_known() {
    let enforced = enforced();
    assert!(enforced.knows(PATCHED.as_bytes()) && enforced.knows(format!("a:{OPEN}").as_bytes()));
    assert!(!enforced.knows(b"orders"));
}
