//! GitHub's secret-scanning partner programme, as far as the operator takes part.

use std::net::IpAddr;

use serde::Deserialize;
use ureq::http::Uri;

use super::ConfigError;
use crate::intake::github;

/// Who takes part in GitHub's secret-scanning partner programme.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubConfig {
    /// The tenants that deliveries may be for, by name.
    pub tenants: Vec<String>,
    /// Where GitHub's public keys are. Default: where GitHub publishes them.
    pub keys_url: Option<String>,
}

impl GithubConfig {
    /// Where the keys are.
    #[must_use]
    pub fn keys_url(&self) -> &str {
        self.keys_url.as_deref().unwrap_or(github::KEYS_URL)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        if self.tenants.is_empty() {
            return refuse("github.tenants", "is empty; name the tenants that take part, or leave [github] out");
        }
        let url: Option<Uri> = self.keys_url().parse().ok();
        let local =
            |host: &str| host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match url.as_ref().map(|url| (url.scheme_str(), url.host().is_some_and(local))) {
            Some((Some("https"), _) | (Some("http"), true)) => Ok(()),
            // Whoever can forge the list can sign whatever they like.
            _ => refuse("github.keys_url", "is no https:// URL; only one on this machine may begin with http://"),
        }
    }
}
