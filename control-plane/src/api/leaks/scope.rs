//! Where a virtual patch is to apply, as callers ask for it.

use schemars::JsonSchema;
use serde::Deserialize;
use stopleak_contract::settings::{Network, Scope};

use super::say;
use crate::api::input::MAX_DAYS;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::people::Caller;
use crate::scopes::{self, ScopeId};

/// A scope; an absent list does not narrow anything.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedScope {
    /// `api.example.com`, or `*.example.com` for all that is below.
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    path_prefixes: Vec<String>,
    /// Clients that are not refused, as `192.0.2.0/24`.
    #[serde(default)]
    exempt_networks: Vec<String>,
}

/// A scope as lists with commas, in a query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskImpact {
    #[schemars(range(min = 1, max = MAX_DAYS))]
    pub(super) days: Option<u32>,
    /// Of a patch for these hosts: `api.example.com,*.example.org`.
    hosts: Option<String>,
    /// Of a patch for these paths and what is below them: `/v2,/admin`.
    path_prefixes: Option<String>,
    /// Of a patch that does not refuse these clients: `192.0.2.0/24,2001:db8::/32`.
    exempt_networks: Option<String>,
}

/// A scope and its key.
pub(super) struct Asked {
    pub(super) id: ScopeId,
    pub(super) scope: Scope,
}

/// The scope; `None` when the caller says none. In a dry run, one that nobody has asked for yet has no key that is in use.
pub(super) async fn scope(app: &App, caller: &Caller, asked: Option<AskedScope>, dry_run: bool) -> Answer<Option<Asked>> {
    const UNUSED: ScopeId = ScopeId(0);
    let Some(asked) = asked else { return Ok(None) };
    let scope = checked(asked)?;
    // They are stored and shown.
    say(app, caller, "scope", scope.path_prefixes.join("\n")).await?;
    say(app, caller, "scope", scope.hosts.join("\n")).await?;
    let tenant = caller.tenant.id;
    let id = if dry_run {
        scopes::find(&mut *app.store.read().await?, tenant, &scope).await?.unwrap_or(UNUSED)
    } else {
        scopes::keep(&app.store, tenant, &scope).await?
    };
    Ok(Some(Asked { id, scope }))
}

impl AskImpact {
    /// Where the patch would apply; it is neither stored nor shown.
    pub(super) fn scope(&self) -> Answer<Scope> {
        let list = |text: &Option<String>| match text.as_deref() {
            None | Some("") => Vec::new(),
            Some(text) => text.split(',').map(str::to_owned).collect(),
        };
        let [hosts, path_prefixes, exempt_networks] = [&self.hosts, &self.path_prefixes, &self.exempt_networks].map(list);
        checked(AskedScope { hosts, path_prefixes, exempt_networks })
    }
}

fn checked(asked: AskedScope) -> Answer<Scope> {
    let mut exempt_networks = Vec::with_capacity(asked.exempt_networks.len());
    for (position, text) in (1..).zip(&asked.exempt_networks) {
        let refuse = |what| Problem::Invalid { field: "scope", detail: format!("exempt_networks: entry {position} {what}") };
        exempt_networks.push(text.trim().parse::<Network>().map_err(refuse)?);
    }
    let scope = Scope { hosts: asked.hosts, path_prefixes: asked.path_prefixes, exempt_networks };
    scope.checked().map_err(|error| Problem::Invalid { field: "scope", detail: format!("{}: {}", error.field, error.what) })
}
