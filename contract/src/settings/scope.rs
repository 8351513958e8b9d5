//! Where a virtual patch applies.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::host::Host;
use super::network::{self, Network};
use super::path::{MAX_SEGMENTS, Segments};
use crate::feed::wire;

/// Where a virtual patch applies, and to whom. An empty list does not narrow anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// `api.example.com`, or `*.example.com` for all that is below.
    pub hosts: Vec<String>,
    /// `/v2/admin` is that path and all that is below.
    pub path_prefixes: Vec<String>,
    /// Clients whom the patch does not block.
    pub exempt_networks: Vec<Network>,
}

/// What of a request scopes look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: Host,
    path: Segments,
}

/// Why something is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {what}")]
pub struct ScopeError {
    /// The list.
    pub field: &'static str,
    /// What is wrong, without what was sent.
    pub what: String,
}

/// Entries of each list: more are better said by a shorter prefix or a wildcard.
const MAX_ENTRIES: usize = 64;
/// The longest name that DNS has.
const MAX_HOST: usize = 253;
/// Longer prefixes narrow nothing that shorter ones do not.
const MAX_PREFIX: usize = 512;

impl Target {
    /// Of the authority and the path without its query.
    #[must_use]
    pub fn new(authority: &[u8], path: &[u8]) -> Self {
        Self { host: Host::of(authority), path: Segments::of(path) }
    }
}

impl wire::Scope {
    /// Whether the patch applies to a request for this target, which it does when in doubt.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        let host = self.hosts.is_empty() || self.hosts.iter().any(|host| target.host.may_be(host));
        let path = || self.path_prefixes.is_empty() || self.path_prefixes.iter().any(|prefix| target.path.may_be_below(prefix));
        host && path()
    }

    /// Whether there is anybody whom the patch does not block.
    #[must_use]
    pub fn has_exempt_clients(&self) -> bool {
        !self.exempt_networks.is_empty()
    }

    /// Whether the client is not to be blocked.
    #[must_use]
    pub fn exempts(&self, client: IpAddr) -> bool {
        self.exempt_networks.iter().any(|network| network::contains(network, client))
    }
}

/// Whether it is one: its leaks are searched, and its networks are networks.
pub(super) fn is_sound(scope: &wire::Scope) -> bool {
    scope.leaks.is_sorted() && scope.exempt_networks.iter().all(|network| network::is_sound(network))
}

impl Scope {
    /// Whether it narrows nothing.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.hosts.is_empty() && self.path_prefixes.is_empty() && self.exempt_networks.is_empty()
    }

    /// Takes a scope as a person has written it: hosts in lower case, every list in order and without repetitions.
    pub fn checked(mut self) -> Result<Self, ScopeError> {
        let lists = [
            ("hosts", self.hosts.len()),
            ("path_prefixes", self.path_prefixes.len()),
            ("exempt_networks", self.exempt_networks.len()),
        ];
        for (field, entries) in lists {
            if entries > MAX_ENTRIES {
                return Err(ScopeError { field, what: format!("has {entries} entries; {MAX_ENTRIES} are the most") });
            }
        }
        for (position, host) in (1..).zip(&mut self.hosts) {
            *host = checked_host(host).map_err(|what| ScopeError { field: "hosts", what: format!("entry {position} {what}") })?;
        }
        for (position, prefix) in (1..).zip(&self.path_prefixes) {
            let refuse = |what| ScopeError { field: "path_prefixes", what: format!("entry {position} {what}") };
            check_prefix(prefix).map_err(refuse)?;
        }
        self.hosts.sort_unstable();
        self.hosts.dedup();
        self.path_prefixes.sort_unstable();
        self.path_prefixes.dedup();
        self.exempt_networks.sort_unstable_by_key(Network::to_string);
        self.exempt_networks.dedup();
        Ok(self)
    }

    /// As it travels, without leaks.
    #[must_use]
    pub fn into_wire(self) -> wire::Scope {
        wire::Scope {
            leaks: Vec::new(),
            hosts: self.hosts,
            path_prefixes: self.path_prefixes,
            exempt_networks: self.exempt_networks.into_iter().map(Network::to_wire).collect(),
        }
    }
}

fn checked_host(host: &str) -> Result<String, &'static str> {
    let host = host.trim().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let name = host.strip_prefix("*.").unwrap_or(host);
    if host.len() > MAX_HOST {
        return Err("is longer than any host name");
    }
    match Host::of(name.as_bytes()) {
        Host::Name(_) if name.contains(':') => Err("has a port; a patch applies to a host on every port"),
        Host::Name(_) => Ok(host.to_owned()),
        Host::Unclear if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => {
            Err("is an address; requests for an address are in every scope")
        }
        Host::Unclear => Err("is not the name of a host, such as api.example.com or *.example.com"),
    }
}

fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    let segments = Segments::of(prefix.as_bytes());
    if !prefix.starts_with('/') {
        return Err("does not begin with a slash");
    }
    if prefix.contains(['?', '#', ';']) {
        return Err("has a query, a fragment or parameters; a prefix is of the path only");
    }
    if !segments.is_clear() {
        return Err("has .. in it, is encoded twice or has other than ASCII characters; such requests are in every scope");
    }
    if prefix.len() > MAX_PREFIX || segments.count() >= MAX_SEGMENTS {
        return Err("is too long; a shorter prefix covers what is below it");
    }
    Ok(())
}
