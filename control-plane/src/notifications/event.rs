//! What can be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_contract::feed::wire;

use crate::attempts::Outcome;
use crate::leaks::{Action, LeakNumber, Origin};

/// The name of a kind of event, by which channels choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Topic {
    /// There is a new leak.
    #[serde(rename = "leak.added")]
    LeakAdded,
    /// An open leak got further tokens.
    #[serde(rename = "leak.grown")]
    LeakGrown,
    /// A decision on a leak was taken: by somebody, by a policy, or because its time had come.
    #[serde(rename = "leak.decided")]
    LeakDecided,
    /// A closed leak's token was found again.
    #[serde(rename = "leak.reopened")]
    LeakReopened,
    /// A leaked token was used, and nothing stops it.
    #[serde(rename = "attempt.observed")]
    AttemptObserved,
    /// A leaked token was used and refused.
    #[serde(rename = "attempt.blocked")]
    AttemptBlocked,
    /// A leaked token was used from a client that had not been seen with its leak before.
    #[serde(rename = "leak.new_client")]
    LeakNewClient,
    /// A closed leak's token was used, and the tenant wants to hear of it instead of having the leak reopened.
    #[serde(rename = "leak.used_again")]
    LeakUsedAgain,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// These leaks are new.
    Added(&'a [LeakNumber]),
    /// These open leaks got further tokens.
    Grown(&'a [LeakNumber]),
    /// A decision was taken.
    Decided {
        /// On this leak.
        leak: LeakNumber,
        /// What.
        action: Action,
        /// Who.
        author: &'a str,
        /// Why.
        reason: Option<&'a str>,
        /// What made it be taken: a token of a closed leak that was found again is an event of its own.
        origin: Origin,
    },
    /// A gateway saw these uses of leaked tokens.
    Attempts(&'a [Used<'a>]),
    /// These uses are from clients that are new to their leaks.
    NewClients(&'a [Used<'a>]),
    /// These uses are of tokens of closed leaks, which stay closed.
    UsedAgain(&'a [Used<'a>]),
}

/// One attempt that was stored.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// As the gateway reported it.
    pub attempt: &'a wire::Attempt,
    /// What the gateway did.
    pub outcome: Outcome,
    /// The gateway's key.
    pub gateway: i64,
}

impl Event<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::Added(leaks) | Self::Grown(leaks) => leaks.is_empty(),
            Self::Decided { .. } => false,
            Self::Attempts(uses) | Self::NewClients(uses) | Self::UsedAgain(uses) => uses.is_empty(),
        }
    }
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::LeakAdded,
        Self::LeakGrown,
        Self::LeakDecided,
        Self::LeakReopened,
        Self::AttemptObserved,
        Self::AttemptBlocked,
        Self::LeakNewClient,
        Self::LeakUsedAgain,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeakAdded => "leak.added",
            Self::LeakGrown => "leak.grown",
            Self::LeakDecided => "leak.decided",
            Self::LeakReopened => "leak.reopened",
            Self::AttemptObserved => "attempt.observed",
            Self::AttemptBlocked => "attempt.blocked",
            Self::LeakNewClient => "leak.new_client",
            Self::LeakUsedAgain => "leak.used_again",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name)
    }

    pub(super) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Observed => Self::AttemptObserved,
            Outcome::Blocked => Self::AttemptBlocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_database_have_the_same_names() {
        for topic in Topic::ALL {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
            assert_eq!(Topic::parse(topic.as_str()), Some(topic));
        }
    }
}
