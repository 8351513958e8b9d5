//! The console's half of the table: pages, and the forms on them.
//!
//! A form does what the API's route of the same right does, by the same function.

use axum::http::Method;
use axum::routing::{get, post};

use super::{Right, Route};
use crate::console::{
    add, assets, attempts, audit, gateways, home, leak, leaks, overview, scans, settings, sign_in, sources, try_it,
};

/// The same table, without what only a document of the API would say.
macro_rules! table {
    ($($method:ident $path:literal $right:ident $handler:path;)*) => {
        vec![$(Route {
            method: method(stringify!($method)),
            path: $path,
            right: Right::$right,
            name: stringify!($handler),
            handler: $method($handler),
            describe: |_| {},
        }),*]
    };
}

/// Every page. Those of a tenant have its name in their path.
#[must_use]
pub fn pages() -> Vec<Route> {
    table! {
        get  "/assets/{name}"                           Open   assets::show;
        get  "/sign-in"                                 Open   sign_in::show;
        post "/sign-in"                                 Open   sign_in::sign_in;
        post "/sign-out"                                Own    sign_in::sign_out;
        get  "/"                                        Own    home;
        get  "/t/{tenant}"                              See    overview::show;
        get  "/t/{tenant}/leaks"                        See    leaks::show;
        get  "/t/{tenant}/leaks.csv"                    See    leaks::csv;
        post "/t/{tenant}/leaks/decisions"              Decide leaks::decide;
        post "/t/{tenant}/leaks/save-view"              See    leaks::save;
        post "/t/{tenant}/leaks/forget-view"            See    leaks::forget;
        get  "/t/{tenant}/leaks/new"                    Decide add::show;
        post "/t/{tenant}/leaks/new/keys"               Decide add::keys;
        post "/t/{tenant}/leaks/new/leak"               Decide add::add;
        get  "/t/{tenant}/leaks/{number}"               See    leak::show;
        get  "/t/{tenant}/leaks/{number}/live"          See    leak::live;
        post "/t/{tenant}/leaks/{number}/decisions"     Decide leak::decide;
        post "/t/{tenant}/leaks/{number}/pending"       Decide leak::settle;
        post "/t/{tenant}/leaks/{number}/comments"      Decide leak::comment;
        post "/t/{tenant}/leaks/{number}/assignee"      Decide leak::assign;
        get  "/t/{tenant}/attempts"                     See    attempts::show;
        get  "/t/{tenant}/sources"                      See    sources::show;
        post "/t/{tenant}/sources/source"               Operate sources::add;
        post "/t/{tenant}/sources/scan"                 Operate sources::scan;
        get  "/t/{tenant}/scans/{id}"                   See    scans::show;
        get  "/t/{tenant}/gateways"                     See    gateways::show;
        post "/t/{tenant}/gateways/gateway"             Operate gateways::add;
        post "/t/{tenant}/gateways/revoke"              Operate gateways::revoke;
        get  "/t/{tenant}/try"                          See    try_it::show;
        post "/t/{tenant}/try/verdict"                  See    try_it::judge;
        get  "/t/{tenant}/audit"                        See    audit::show;
        get  "/t/{tenant}/audit.csv"                    See    audit::csv;
        get  "/t/{tenant}/settings"                     See    settings::show;
        post "/t/{tenant}/settings/begin-pause"         Decide settings::begin_pause;
        post "/t/{tenant}/settings/end-pause"           Decide settings::end_pause;
        post "/t/{tenant}/settings/want-second-approver" Decide settings::want_second_approver;
        post "/t/{tenant}/settings/waive-second-approver" Tenants settings::waive_second_approver;
        post "/t/{tenant}/settings/closed-leaks"        Decide settings::closed_leaks;
        post "/t/{tenant}/settings/policy"              Decide settings::policy;
        post "/t/{tenant}/settings/add-user"            People settings::add_user;
        post "/t/{tenant}/settings/user"                People settings::user;
        post "/t/{tenant}/settings/add-api-token"       People settings::add_api_token;
        post "/t/{tenant}/settings/api-token"           People settings::revoke_api_token;
        post "/t/{tenant}/settings/tenant"              Tenants settings::change_tenant;
        post "/t/{tenant}/settings/response"            Decide  settings::response;
        post "/t/{tenant}/settings/add-policy"          Decide  settings::add_policy;
        post "/t/{tenant}/settings/add-channel"         Operate settings::add_channel;
        post "/t/{tenant}/settings/channel"             Operate settings::channel;
    }
}

fn method(name: &str) -> Method {
    if name == "post" { Method::POST } else { Method::GET }
}
