//! The engine against the rules' own examples and against arbitrary bytes.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::{Checksum, Example, Reason};

fn found<'d>(detector: &'d Detector, text: &str) -> Vec<Match<'d>> {
    let mut matches = Vec::new();
    detector.scan(text.as_bytes(), |found| matches.push(found));
    matches
}

fn all() -> (Rules, Detector) {
    let rules = Rules::built_in();
    let detector = Detector::with_generic(&rules);
    (rules, detector)
}

/// Building takes longer than scanning a small text.
fn shared() -> &'static (Rules, Detector) {
    static SHARED: OnceLock<(Rules, Detector)> = OnceLock::new();
    SHARED.get_or_init(all)
}

#[test]
fn every_pattern_compiles_within_the_limits() {
    for rule in Rules::built_in().iter() {
        rule.compile().unwrap();
    }
}

#[test]
fn every_example_is_found_by_its_rule_alone_with_the_exact_span() {
    let (rules, detector) = all();
    for rule in rules.iter() {
        for seed in 0..20 {
            for example in rule.examples(seed) {
                let matches = found(&detector, &example.text);
                // The key ID beside which a secret stands is a token as well.
                let others = matches.iter().filter(|found| !rule.beside().iter().any(|id| id == found.rule.id()));
                let spans: Vec<_> = others.map(|found| (found.rule.id(), found.span.clone())).collect();
                assert_eq!(spans, [(rule.id(), example.span.clone())], "{} with seed {seed}: {}", rule.id(), example.text);
            }
        }
    }
}

#[test]
fn an_example_is_found_in_the_middle_of_other_text() {
    let (rules, detector) = all();
    for rule in rules.iter() {
        let Example { text, span } = rule.example(7);
        for (before, after) in [("x = '", "'\n"), ("\\n", "\\n"), ("?k=%22", "%22&n=1"), ("(", ")"), ("\u{0}", "\u{0}")] {
            let matches = found(&detector, &format!("{before}{text}{after}"));
            let spans: Vec<_> = matches.iter().map(|found| found.span.clone()).collect();
            let expected = before.len() + span.start..before.len() + span.end;
            assert!(spans.contains(&expected), "{} between {before:?} and {after:?}: {spans:?}", rule.id());
        }
    }
}

#[test]
fn no_negative_example_is_found_by_its_rule() {
    let (rules, detector) = all();
    for rule in rules.iter() {
        let mut count = 0;
        for example in (0..20).flat_map(|seed| rule.negative_examples(seed)) {
            count += 1;
            let hit = found(&detector, &example.text).into_iter().any(|found| found.rule.id() == rule.id());
            assert!(!hit, "{}: {}", rule.id(), example.text);
        }
        assert!(count > 0, "{} has no negative example", rule.id());
    }
}

#[test]
fn a_checksum_makes_a_match_certain_and_a_wrong_one_unmakes_it() {
    let (rules, detector) = all();
    let proved: Vec<_> = rules.iter().filter(|rule| ![Checksum::None, Checksum::Jwt].contains(&rule.checksum())).collect();
    assert!(proved.len() >= 14);
    for rule in proved {
        let Example { text, span } = rule.example(1);
        assert_eq!(found(&detector, &text)[0].confidence, Confidence::Certain, "{}", rule.id());
        let mut wrong = text.into_bytes();
        // Not the very last: in base 32 some of its bits mean nothing.
        let digit = &mut wrong[span.end - 3];
        *digit = if digit.eq_ignore_ascii_case(&b'a') { b'c' } else { b'a' } ^ (*digit & 0x20 ^ 0x20);
        assert!(found(&detector, std::str::from_utf8(&wrong).unwrap()).is_empty(), "{}", rule.id());
    }
}

#[test]
fn the_generic_tier_is_off_unless_asked_for() {
    let rules = Rules::built_in();
    let example = rules.get("generic-secret").unwrap().example(1);
    assert!(found(&Detector::new(&rules), &example.text).is_empty());
    assert_eq!(found(&Detector::with_generic(&rules), &example.text)[0].confidence, Confidence::Low);
    assert_ne!(Detector::new(&rules).version(), Detector::with_generic(&rules).version());
}

#[test]
fn two_tokens_in_one_text_come_in_order() {
    let (rules, detector) = all();
    let npm = rules.get("npm-access-token").unwrap().example(3).token().to_owned();
    let slack = rules.get("slack-bot-token").unwrap().example(3).token().to_owned();
    let text = format!("{slack} {npm}\n{slack}");
    let ids: Vec<_> = found(&detector, &text).iter().map(|found| found.rule.id()).collect();
    assert_eq!(ids, ["slack-bot-token", "npm-access-token", "slack-bot-token"]);
}

#[test]
fn a_hostile_text_costs_its_length_and_not_its_square() {
    let (_, detector) = all();
    for piece in [
        "eyJ",
        "-eyJ",
        "-sntrys_eyJ",
        "/sntrys_eyJexample",
        ".ya29.",
        "=ATATT3",
        "-glpat-",
        "sk-ant-api03-",
        "ghp_",
        "-----BEGIN PRIVATE KEY-----",
        "twilio",
        "://",
        ":AA",
        "secret=\"",
        "-us1",
    ] {
        let text = piece.repeat((2 << 20) / piece.len());
        let started = std::time::Instant::now();
        found(&detector, &text);
        assert!(started.elapsed().as_secs() < 5, "{piece} took {:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let (_, detector) = shared();
        detector.scan(&bytes, |found| assert!(found.span.end <= bytes.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn mutated_examples_are_scanned_without_panic(pick in any::<usize>(), seed in any::<u64>(), edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..8), cut in any::<usize>()) {
        let (rules, detector) = shared();
        let count = rules.iter().count();
        let rule = rules.iter().nth(pick % count).unwrap();
        let mut bytes = rule.example(seed).text.into_bytes();
        for (place, byte) in edits {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        bytes.truncate(1 + cut % bytes.len());
        detector.scan(&bytes, |found| assert!(found.span.end <= bytes.len()));
    }
}

#[test]
fn a_key_id_and_its_secret_side_by_side_are_told_as_a_pair() {
    let (rules, detector) = shared();
    let id = rules.get("aws-access-key-id").unwrap().example(1).token().to_owned();
    let secret = Example::expand("{base64:40}", 5).text;
    let reasons = |text: &str| -> Vec<_> {
        found(detector, text).into_iter().map(|found| (found.rule.id(), found.reasons.contains(&Reason::SecretNearby))).collect()
    };
    let pair = [("aws-access-key-id", true), ("aws-secret-beside-key-id", true)];
    assert_eq!(reasons(&format!("{id}\n{secret}\n")), pair);
    assert_eq!(reasons(&format!("[\"{secret}\", \"{id}\"]")), [pair[1], pair[0]]);
    assert_eq!(reasons(&format!("{id}{}{secret}", " ".repeat(400))), [("aws-access-key-id", false)]);
    assert_eq!(reasons(&secret), []);
    // Where its name says what it is, the rule that reads names has it.
    let named = reasons(&format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n"));
    assert_eq!(named, [("aws-access-key-id", true), ("aws-secret-access-key", true)]);
}

#[test]
fn a_match_says_why() {
    let (rules, detector) = shared();
    let reasons = |text: &str| found(detector, text).remove(0).reasons;
    assert_eq!(reasons(rules.get("npm-access-token").unwrap().example(1).token()), [Reason::Checksum]);
    assert_eq!(reasons(rules.get("slack-bot-token").unwrap().example(1).token()), [Reason::Format]);
    assert_eq!(reasons(&rules.get("generic-secret").unwrap().example(1).text), [Reason::Assignment]);
    assert_eq!(reasons(&["AKIA", "SP2TPHJSQH3FJRUX"].concat()), [Reason::Format, Reason::Canary]);
    let claims = found(detector, rules.get("json-web-token").unwrap().example(1).token()).remove(0).claims.unwrap();
    assert!(claims.subject.is_some() && claims.expires_at.is_none());
}
