//! Where a virtual patch is to apply, as callers ask for it.

use serde::Deserialize;
use stopleak_contract::settings::{Network, Scope};

use super::say;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::people::Caller;
use crate::scopes::{self, ScopeId};

/// A scope; an absent list does not narrow anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AskedScope {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    path_prefixes: Vec<String>,
    #[serde(default)]
    exempt_networks: Vec<String>,
}

/// The key of the scope; `None` when the caller says none. In a dry run, one that nobody has asked for yet has none that is in use.
pub(super) async fn scope(app: &App, caller: &Caller, asked: Option<AskedScope>, dry_run: bool) -> Answer<Option<ScopeId>> {
    const UNUSED: ScopeId = ScopeId(0);
    let Some(asked) = asked else { return Ok(None) };
    let scope = checked(asked)?;
    // They are stored and shown.
    say(app, caller, "scope", scope.path_prefixes.join("\n")).await?;
    say(app, caller, "scope", scope.hosts.join("\n")).await?;
    let tenant = caller.tenant.id;
    if dry_run {
        let found = scopes::find(&mut *app.store.read().await?, tenant, &scope).await?;
        return Ok(Some(found.unwrap_or(UNUSED)));
    }
    Ok(Some(scopes::keep(&app.store, tenant, &scope).await?))
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
