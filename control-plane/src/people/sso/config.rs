//! What an operator says about the provider of single sign-on.

use std::path::PathBuf;

use serde::Deserialize;

use crate::people::Role;
use crate::tenants::DEFAULT;

/// The provider, and which groups have which role.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SsoConfig {
    /// The provider's issuer URL.
    pub issuer: String,
    /// What this installation is called there.
    pub client_id: String,
    /// A file with the client's secret; `STOPLEAK_OIDC_CLIENT_SECRET` may hold it instead.
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for beside `openid`. Default: `profile`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim of the ID token that names the groups. Default: `groups`.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Which groups have which role; the first that somebody is in counts.
    pub roles: Vec<SsoRole>,
}

/// What a group has here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SsoRole {
    /// As the provider calls it.
    pub group: String,
    /// What its members may do.
    pub role: Role,
    /// In which tenant. Default: `default`; roles over all tenants belong there.
    pub tenant: Option<String>,
}

impl SsoConfig {
    /// Where somebody belongs who is in these groups.
    pub(super) fn place(&self, groups: &[String]) -> Option<(String, Role)> {
        let row = self.roles.iter().find(|row| groups.contains(&row.group))?;
        Some((row.tenant.clone().unwrap_or_else(|| DEFAULT.to_owned()), row.role))
    }

    /// What makes no sense; the key and the reason.
    #[must_use]
    pub fn trouble(&self) -> Option<(&'static str, &'static str)> {
        let Ok(issuer) = self.issuer.parse::<axum::http::Uri>() else { return Some(("oidc.issuer", "is not a URL")) };
        let local = matches!(issuer.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if issuer.scheme_str() != Some("https") && !(local && issuer.scheme_str() == Some("http")) {
            return Some(("oidc.issuer", "does not begin with https://, and whoever is in between could be anybody"));
        }
        if self.roles.is_empty() {
            return Some(("oidc.roles", "is empty; nobody could sign in"));
        }
        let misplaced = |row: &SsoRole| row.role.is_global() && row.tenant.as_deref().is_some_and(|tenant| tenant != DEFAULT);
        if self.roles.iter().any(misplaced) {
            return Some(("oidc.roles", "gives a role over all tenants in one of them; leave the tenant out"));
        }
        None
    }
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned()]
}

fn groups_claim() -> String {
    "groups".to_owned()
}
