//! Roles: of one tenant, or over all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody is. What each role may do is said by the table of [`crate::api::rights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Manages one tenant.
    Administrator,
    /// Sees everything of one tenant and changes nothing.
    Analyst,
    /// Manages all tenants.
    GlobalAdministrator,
    /// Sees everything of all tenants and changes nothing.
    GlobalAnalyst,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Administrator, Self::Analyst, Self::GlobalAdministrator, Self::GlobalAnalyst];

    /// As the database and the API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Analyst => "analyst",
            Self::GlobalAdministrator => "global_administrator",
            Self::GlobalAnalyst => "global_analyst",
        }
    }

    /// As it is spelt there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether it reaches beyond one tenant.
    #[must_use]
    pub const fn is_global(self) -> bool {
        matches!(self, Self::GlobalAdministrator | Self::GlobalAnalyst)
    }

    /// Whether it may change things.
    #[must_use]
    pub const fn administers(self) -> bool {
        matches!(self, Self::Administrator | Self::GlobalAdministrator)
    }

    /// Whether whoever has this role may give `other` to somebody: nobody hands out more than they have.
    #[must_use]
    pub const fn may_give(self, other: Self) -> bool {
        self.administers() && (self.is_global() || !other.is_global())
    }

    /// From a row; a role that this version does not know is an error, not a guess.
    pub fn stored(text: &str) -> Result<Self, sqlx::Error> {
        Self::parse(text).ok_or_else(|| sqlx::Error::Decode("a stored role is not one that this version knows".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_spelt_alike_everywhere() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let given = |role: Role| Role::ALL.into_iter().filter(|&other| role.may_give(other)).collect::<Vec<_>>();
        assert_eq!(given(Role::Administrator), [Role::Administrator, Role::Analyst]);
        assert_eq!(given(Role::GlobalAdministrator), Role::ALL);
        assert!(given(Role::Analyst).is_empty() && given(Role::GlobalAnalyst).is_empty());
    }
}
