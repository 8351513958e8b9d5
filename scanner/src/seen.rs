//! What a scan of a repository has read, so that the next one reads only what is new.

use serde::{Deserialize, Serialize};

/// What was read of a repository's history, and by which rules. It has nothing secret in it, and is kept as JSON.
///
/// A caller that hands it to the next scan as [`crate::Options::seen`] keeps it only when it has kept the findings: what was seen is not
/// told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Other rules have to see everything again.
    pub(crate) rules_version: String,
    /// How many blobs the history had,
    pub(crate) blobs: u64,
    /// and how many commits.
    pub(crate) commits: u64,
    /// What its references named, each once, a line each: everything that these reach was read.
    pub(crate) tips: String,
}
