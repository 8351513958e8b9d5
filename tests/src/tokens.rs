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
