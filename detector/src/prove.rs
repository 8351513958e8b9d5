//! An operator's formats against their own examples: a pattern that misses them would find nothing, and nobody would notice.

use crate::{Detector, Rule, RuleError, Rules};

/// Templates are filled in this many times: a pattern may fit one made-up token by chance.
const SEEDS: std::ops::Range<u64> = 0..5;

/// Refuses a rule of the operator's own that misses one of its examples, or finds one of its negative examples.
pub fn prove(rules: &Rules) -> Result<(), RuleError> {
    let detector = Detector::with_generic(rules);
    rules.own().try_for_each(|rule| prove_one(&detector, rule))
}

fn prove_one(detector: &Detector, rule: &Rule) -> Result<(), RuleError> {
    let found = |text: &str| {
        let mut spans = Vec::new();
        detector.scan(text.as_bytes(), |found| {
            if found.rule.id() == rule.id() {
                spans.push(found.span);
            }
        });
        spans
    };
    for seed in SEEDS {
        if rule.examples(seed).any(|example| !found(&example.text).contains(&example.span)) {
            return Err(refuse(rule, "examples", "one of them is not found by the rule, or not in its full length"));
        }
        if rule.negative_examples(seed).any(|example| !found(&example.text).is_empty()) {
            return Err(refuse(rule, "negative_examples", "one of them is found by the rule"));
        }
    }
    Ok(())
}

fn refuse(rule: &Rule, key: &str, problem: &str) -> RuleError {
    RuleError { rule: rule.id().to_owned(), key: key.to_owned(), problem: problem.to_owned() }
}
