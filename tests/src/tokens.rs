//! Tokens that look real and are made up at run time, so that no scanner ever trips over this repository.

/// A well-formed token of a built-in rule; the same seed gives the same token.
///
/// # Panics
/// When there is no such rule.
#[must_use]
pub fn of(rule: &str, seed: u64) -> String {
    stopleak_detector::token(rule, seed).unwrap_or_else(|| panic!("no rule {rule}"))
}

/// A token of the operator's own, of no known format.
#[must_use]
pub fn own(seed: u32) -> String {
    format!("fk_9aQ7zLm2Xw4RtB8v{seed:04}")
}

/// A token of every built-in rule, with the rule's name.
pub fn all_formats(seed: u64) -> impl Iterator<Item = (String, String)> {
    let rules = stopleak_detector::Rules::built_in();
    let made: Vec<_> = rules.iter().map(|rule| (rule.id().to_owned(), rule.example(seed).token().to_owned())).collect();
    made.into_iter()
}
