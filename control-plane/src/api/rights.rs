//! Who may do what: the one table of it.
//!
//! The router is built from [`routes`], and [`super::auth`] looks every request up there before any handler runs, so that a route
//! without a row does not exist, and one that got past the table is refused. [`COMMANDS`] says which right each command of the
//! command line needs; a test walks all rows with every role and with none, and compares.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

mod pages;

use super::openapi::{self, Describe, describe};
use super::{
    api_tokens, attempts, audit, checks, closed_leaks, epochs, gateways, guard_rails, health, imports, intake, jobs, leaks,
    notifications, policies, public_checks, responses, scans, session, sources, sso, tenants, users, verdicts, webhooks,
};
use crate::app::App;
use crate::people::Role;

/// What a route or a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: machines, and people who have not signed in yet.
    Open,
    /// No role: what is sent is let in by its own signature, and refused by its handler without one.
    Signed,
    /// To be somebody: what only concerns the caller.
    Own,
    /// To see what is in the tenant.
    See,
    /// To add leaks and to decide on them.
    Decide,
    /// To manage sources, scans, webhooks, gateways and notifications.
    Operate,
    /// To manage users and API tokens.
    People,
    /// To manage tenants.
    Tenants,
}

impl Right {
    /// Which roles have it. Nobody needs a role for what is open or signed.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::Open | Self::Signed | Self::Own | Self::See => &Role::ALL,
            Self::Decide | Self::Operate | Self::People => &[Role::Administrator, Role::GlobalAdministrator],
            Self::Tenants => &[Role::GlobalAdministrator],
        }
    }
}

/// One method of one path.
pub struct Route {
    /// The method. `HEAD` is let in where `GET` is.
    pub method: Method,
    /// The template of the path, as the router spells it.
    pub path: &'static str,
    /// What it needs.
    pub right: Right,
    /// The name of what answers.
    pub name: &'static str,
    /// What answers.
    pub(super) handler: MethodRouter<Arc<App>>,
    /// What that takes and answers with.
    pub(super) describe: Describe,
}

/// A table that reads like one.
macro_rules! table {
    ($($method:ident $path:literal $right:ident $handler:path;)*) => {
        vec![$(Route {
            method: method(stringify!($method)),
            path: $path,
            right: Right::$right,
            name: stringify!($handler),
            handler: $method($handler),
            describe: describe(&$handler),
        }),*]
    };
}

/// Every route.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one table in one place")]
pub fn routes() -> Vec<Route> {
    table! {
        get    "/healthz"                          Open    health::healthz;
        get    "/readyz"                           Open    health::readyz;
        get    "/metrics"                          Open    health::metrics;
        // The operator's customers, who have no account here; a tenant switches it on, and each address may ask so often.
        get    "/public/v1/{tenant}/checks/{prefix}" Open  public_checks::range;

        get    "/api/docs"                         Open    openapi::page;
        get    "/api/docs/page.js"                 Open    openapi::script;
        get    "/api/docs/page.css"                Open    openapi::style;
        get    "/api/v1/openapi.json"              Open    openapi::json;

        get    "/api/v1/leaks"                     See     leaks::list;
        post   "/api/v1/leaks"                     Decide  leaks::add;
        get    "/api/v1/leaks/summary"             See     leaks::summary;
        get    "/api/v1/leaks/export"              See     leaks::export::leaks;
        get    "/api/v1/leaks/{number}"            See     leaks::show;
        patch  "/api/v1/leaks/{number}"            Decide  leaks::change;
        post   "/api/v1/leaks/{number}/decisions"  Decide  leaks::decisions::decide;
        get    "/api/v1/leaks/{number}/impact"     See     leaks::decisions::impact;
        get    "/api/v1/leaks/{number}/comments"   See     leaks::comments::list;
        post   "/api/v1/leaks/{number}/comments"   Decide  leaks::comments::add;
        post   "/api/v1/decisions"                 Decide  leaks::decisions::decide_many;
        get    "/api/v1/pending"                   See     leaks::decisions::list_pending;
        post   "/api/v1/pending/{id}/approve"      Decide  leaks::decisions::approve;
        post   "/api/v1/pending/{id}/reject"       Decide  leaks::decisions::reject;
        post   "/api/v1/pending/{id}/cancel"       Decide  leaks::decisions::cancel;
        get    "/api/v1/policies"                  See     policies::list;
        post   "/api/v1/policies"                  Decide  policies::add;
        get    "/api/v1/policies/{id}"             See     policies::show;
        patch  "/api/v1/policies/{id}"             Decide  policies::change;
        delete "/api/v1/policies/{id}"             Decide  policies::remove;
        get    "/api/v1/policies/{id}/preview"     See     policies::preview;
        get    "/api/v1/pause"                     See     guard_rails::pause;
        post   "/api/v1/pause"                     Decide  guard_rails::begin_pause;
        delete "/api/v1/pause"                     Decide  guard_rails::end_pause;
        get    "/api/v1/settings/response"         See     responses::show;
        put    "/api/v1/settings/response"         Decide  responses::choose;
        delete "/api/v1/settings/response"         Decide  responses::reset;
        get    "/api/v1/settings/closed-leaks"     See     closed_leaks::show;
        put    "/api/v1/settings/closed-leaks"     Decide  closed_leaks::choose;
        get    "/api/v1/guard-rails"               See     guard_rails::show;
        post   "/api/v1/guard-rails/second-approver" Decide  guard_rails::want_second_approver;
        delete "/api/v1/guard-rails/second-approver" Tenants guard_rails::waive_second_approver;
        get    "/api/v1/checks"                    See     checks::key;
        post   "/api/v1/checks"                    See     checks::check;
        get    "/api/v1/attempts"                  See     attempts::list;
        get    "/api/v1/attempts/export"           See     leaks::export::attempts;

        post   "/api/v1/verdicts"                  See     verdicts::judge;

        get    "/api/v1/sources"                   See     sources::list;
        post   "/api/v1/sources"                   Operate sources::add;
        get    "/api/v1/sources/{id}"              See     sources::show;
        post   "/api/v1/sources/{id}/scans"        Operate scans::start;
        get    "/api/v1/scans/{id}"                See     scans::show;
        get    "/api/v1/imports"                   See     imports::list;
        post   "/api/v1/imports"                   Decide  imports::add;
        get    "/api/v1/imports/{id}"              See     imports::show;
        put    "/api/v1/imports/{id}/report"       Decide  imports::read;
        get    "/api/v1/webhooks"                  See     webhooks::list;
        post   "/api/v1/webhooks"                  Operate webhooks::add;
        get    "/api/v1/webhooks/{id}"             See     webhooks::show;
        delete "/api/v1/webhooks/{id}"             Operate webhooks::revoke;
        post   "/api/v1/intake/webhooks/{id}"      Signed  intake::webhook;
        post   "/api/v1/intake/github/{tenant}"    Signed  intake::github;

        get    "/api/v1/gateways"                  See     gateways::list;
        post   "/api/v1/gateways"                  Operate gateways::add;
        get    "/api/v1/gateways/{id}"             See     gateways::show;
        delete "/api/v1/gateways/{id}"             Operate gateways::revoke;
        get    "/api/v1/epochs/{epoch}"            See     epochs::show;

        get    "/api/v1/jobs"                      Operate jobs::list;
        post   "/api/v1/jobs/{id}/retry"           Operate jobs::retry;
        get    "/api/v1/notifications/channels"              See     notifications::list;
        post   "/api/v1/notifications/channels"              Operate notifications::add;
        get    "/api/v1/notifications/channels/{id}"         See     notifications::show;
        patch  "/api/v1/notifications/channels/{id}"         Operate notifications::change;
        post   "/api/v1/notifications/channels/{id}/test"    Operate notifications::test;
        post   "/api/v1/notifications/channels/{id}/secret"  Operate notifications::renew_secret;
        delete "/api/v1/notifications/channels/{id}"         Operate notifications::remove;
        get    "/api/v1/notifications/deliveries"            See     notifications::deliveries;
        get    "/api/v1/notifications/deliveries/{id}"       See     notifications::delivery;
        post   "/api/v1/notifications/deliveries/{id}/retry" Operate notifications::retry;

        get    "/api/v1/tenants"                   See     tenants::list;
        post   "/api/v1/tenants"                   Tenants tenants::add;
        get    "/api/v1/tenants/{name}"            See     tenants::show;
        patch  "/api/v1/tenants/{name}"            Tenants tenants::change;

        post   "/api/v1/session"                   Open    session::sign_in;
        get    "/api/v1/session"                   Own     session::show;
        delete "/api/v1/session"                   Own     session::sign_out;
        post   "/api/v1/session/password"          Own     session::change_password;
        get    "/api/v1/sessions"                  Own     session::list;
        delete "/api/v1/sessions"                  Own     session::end_all;
        delete "/api/v1/sessions/{id}"             Own     session::end;
        get    "/api/v1/sso"                       Open    sso::begin;
        get    "/api/v1/sso/callback"              Open    sso::callback;
        get    "/api/v1/users"                     See     users::list;
        post   "/api/v1/users"                     People  users::add;
        get    "/api/v1/users/{id}"                See     users::show;
        patch  "/api/v1/users/{id}"                People  users::change;
        delete "/api/v1/users/{id}"                People  users::remove;
        delete "/api/v1/users/{id}/sessions"       People  users::sign_out;
        get    "/api/v1/api-tokens"                See     api_tokens::list;
        post   "/api/v1/api-tokens"                People  api_tokens::add;
        get    "/api/v1/api-tokens/{id}"           See     api_tokens::show;
        delete "/api/v1/api-tokens/{id}"           People  api_tokens::revoke;

        get    "/api/v1/audit"                     See     audit::list;
        get    "/api/v1/audit/export"              See     audit::export;
    }
}

pub use pages::pages;

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It calls the API with a token that has this right.
    Api(Right),
    /// It needs the server's data folder, and with it the right of whoever runs the machine.
    Machine,
    /// It calls nobody and opens no database.
    Nothing,
}

/// Every command of the command line.
pub const COMMANDS: &[(&str, Needs)] = &[
    ("serve", Needs::Machine),
    ("worker", Needs::Machine),
    ("backup", Needs::Machine),
    ("restore", Needs::Machine),
    ("export", Needs::Machine),
    ("admin-token", Needs::Machine),
    ("keys status", Needs::Machine),
    ("keys add", Needs::Machine),
    ("keys swap", Needs::Machine),
    ("keys retire", Needs::Machine),
    ("scan", Needs::Nothing),
    ("index bench", Needs::Nothing),
    ("completions", Needs::Nothing),
    ("openapi", Needs::Nothing),
    ("leak list", Needs::Api(Right::See)),
    ("leak show", Needs::Api(Right::See)),
    ("leak add", Needs::Api(Right::Decide)),
    ("leak patch", Needs::Api(Right::Decide)),
    ("leak false", Needs::Api(Right::Decide)),
    ("leak close", Needs::Api(Right::Decide)),
    ("leak reopen", Needs::Api(Right::Decide)),
    ("leak risk", Needs::Api(Right::Decide)),
    ("leak unpatch", Needs::Api(Right::Decide)),
    ("leak decide", Needs::Api(Right::Decide)),
    ("leak impact", Needs::Api(Right::See)),
    ("leak pending", Needs::Api(Right::See)),
    ("leak approve", Needs::Api(Right::Decide)),
    ("leak reject", Needs::Api(Right::Decide)),
    ("leak cancel", Needs::Api(Right::Decide)),
    ("leak comment", Needs::Api(Right::Decide)),
    ("leak assign", Needs::Api(Right::Decide)),
    ("leak export", Needs::Api(Right::See)),
    ("leak summary", Needs::Api(Right::See)),
    ("policy list", Needs::Api(Right::See)),
    ("policy add", Needs::Api(Right::Decide)),
    ("policy preview", Needs::Api(Right::See)),
    ("policy enable", Needs::Api(Right::Decide)),
    ("policy disable", Needs::Api(Right::Decide)),
    ("policy remove", Needs::Api(Right::Decide)),
    ("guard-rails show", Needs::Api(Right::See)),
    ("guard-rails want-second-approver", Needs::Api(Right::Decide)),
    ("guard-rails waive-second-approver", Needs::Api(Right::Tenants)),
    ("pause show", Needs::Api(Right::See)),
    ("pause begin", Needs::Api(Right::Decide)),
    ("pause end", Needs::Api(Right::Decide)),
    ("check", Needs::Api(Right::See)),
    ("response show", Needs::Api(Right::See)),
    ("response set", Needs::Api(Right::Decide)),
    ("response reset", Needs::Api(Right::Decide)),
    ("closed-leaks show", Needs::Api(Right::See)),
    ("closed-leaks set", Needs::Api(Right::Decide)),
    ("attempts list", Needs::Api(Right::See)),
    ("try", Needs::Api(Right::See)),
    ("source list", Needs::Api(Right::See)),
    ("source add", Needs::Api(Right::Operate)),
    ("source scan", Needs::Api(Right::Operate)),
    ("import", Needs::Api(Right::Decide)),
    ("webhook list", Needs::Api(Right::See)),
    ("webhook add", Needs::Api(Right::Operate)),
    ("webhook revoke", Needs::Api(Right::Operate)),
    ("profile add", Needs::Nothing),
    ("profile list", Needs::Nothing),
    ("profile remove", Needs::Nothing),
    ("gateway list", Needs::Api(Right::See)),
    ("gateway add", Needs::Api(Right::Operate)),
    ("gateway revoke", Needs::Api(Right::Operate)),
    ("job list", Needs::Api(Right::Operate)),
    ("job retry", Needs::Api(Right::Operate)),
    ("notification list", Needs::Api(Right::See)),
    ("notification add", Needs::Api(Right::Operate)),
    ("notification change", Needs::Api(Right::Operate)),
    ("notification remove", Needs::Api(Right::Operate)),
    ("notification test", Needs::Api(Right::Operate)),
    ("notification renew-secret", Needs::Api(Right::Operate)),
    ("notification deliveries", Needs::Api(Right::See)),
    ("notification retry", Needs::Api(Right::Operate)),
    ("tenant list", Needs::Api(Right::See)),
    ("tenant add", Needs::Api(Right::Tenants)),
    ("tenant set", Needs::Api(Right::Tenants)),
    ("user list", Needs::Api(Right::See)),
    ("user add", Needs::Api(Right::People)),
    ("user set", Needs::Api(Right::People)),
    ("user remove", Needs::Api(Right::People)),
    ("user sign-out", Needs::Api(Right::People)),
    ("api-token list", Needs::Api(Right::See)),
    ("api-token add", Needs::Api(Right::People)),
    ("api-token revoke", Needs::Api(Right::People)),
    ("audit list", Needs::Api(Right::See)),
    ("audit export", Needs::Api(Right::See)),
    ("audit verify", Needs::Api(Right::See)),
];

fn method(name: &str) -> Method {
    match name {
        "post" => Method::POST,
        "put" => Method::PUT,
        "patch" => Method::PATCH,
        "delete" => Method::DELETE,
        _ => Method::GET,
    }
}
