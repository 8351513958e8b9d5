//! Somebody who was recognised, and the tenant that they ask about.

use std::net::IpAddr;

use super::Role;
use crate::tenants::Tenant;

/// Who called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What kind of caller, and its key.
    pub who: Who,
    /// The name of the user or of the API token: the author of decisions.
    pub name: String,
    /// What the caller may do.
    pub role: Role,
    /// The tenant that the caller belongs to.
    pub home: Tenant,
    /// Whose rows the request is about: the caller's own tenant, or the one that a global caller has chosen.
    pub tenant: Tenant,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

/// What kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A person who has signed in.
    User {
        /// The user.
        user: i64,
        /// The session that the request came in.
        session: i64,
    },
    /// A program with an API token.
    ApiToken(i64),
    /// The control plane itself, or whoever has its data folder at hand.
    System,
}

impl Caller {
    /// The control plane itself, acting on a tenant.
    #[must_use]
    pub fn system(name: &str, tenant: Tenant) -> Self {
        Self {
            who: Who::System,
            name: name.to_owned(),
            role: Role::GlobalAdministrator,
            home: tenant.clone(),
            tenant,
            address: None,
        }
    }
}

impl Caller {
    /// The same caller, acting on another tenant: what concerns it belongs into its audit log.
    #[must_use]
    pub fn of(&self, tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), ..self.clone() }
    }
}

impl Who {
    /// The noun of it, for the audit log.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::ApiToken(_) => "api_token",
            Self::System => "system",
        }
    }

    /// The key of the user or of the API token.
    #[must_use]
    pub const fn id(self) -> Option<i64> {
        match self {
            Self::User { user, .. } => Some(user),
            Self::ApiToken(id) => Some(id),
            Self::System => None,
        }
    }
}
