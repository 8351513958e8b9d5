//! One token at one place.

use serde::Serialize;
use stopleak_contract::Token;
use stopleak_detector::{Claims, Confidence, Reason, Risk};

/// A token at one place of a source. It serialises without the token's text.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The id of the rule that matched.
    pub rule: String,
    /// The rule's name for people.
    pub rule_name: String,
    /// How bad this leak is: what the format says, less what the reasons take off.
    pub risk: Risk,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why risk and confidence are what they are.
    pub reasons: Vec<Reason>,
    /// What a JSON Web Token says about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// The file, relative to the source; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// The byte in the line, from 1.
    pub column: u64,
    /// The first commit that had it; absent for files that are not committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When that commit was made, in UTC, such as `2024-05-31T12:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<String>,
    /// Git's id of the file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// The only part of the token that may be shown.
    pub preview: String,
    /// The token itself.
    #[serde(skip)]
    pub token: Token,
}
