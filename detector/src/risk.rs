//! How bad a leaked token is, and how sure the detector is that it is one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much damage a leaked token of a format can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Little: a narrow or read-only token, or one that needs a second secret.
    Low,
    /// Some: one service, limited rights.
    Medium,
    /// Much: broad rights on one service.
    #[default]
    High,
    /// Everything that the owner can do: source code, money, infrastructure.
    Critical,
}

/// How sure the detector is that a match is a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A generic assignment whose value looks random.
    Low,
    /// A format that only one provider issues.
    High,
    /// The checksum inside the token is right.
    Certain,
}

impl Risk {
    /// The word that rules, reports and the API use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Confidence {
    /// The word that reports and the API use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
