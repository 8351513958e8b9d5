//! The console's half of the table: pages, and the forms on them.
//!
//! A form does what the API's route of the same right does, by the same function.

use axum::http::Method;
use axum::routing::{get, post};

use super::{Right, Route};
use crate::console::{assets, attempts, gateways, home, leak, leaks, overview, sign_in};

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
        get  "/t/{tenant}/leaks/{number}"               See    leak::show;
        get  "/t/{tenant}/leaks/{number}/live"          See    leak::live;
        post "/t/{tenant}/leaks/{number}/decisions"     Decide leak::decide;
        post "/t/{tenant}/leaks/{number}/pending"       Decide leak::settle;
        post "/t/{tenant}/leaks/{number}/comments"      Decide leak::comment;
        post "/t/{tenant}/leaks/{number}/assignee"      Decide leak::assign;
        get  "/t/{tenant}/attempts"                     See    attempts::show;
        get  "/t/{tenant}/gateways"                     See    gateways::show;
    }
}

fn method(name: &str) -> Method {
    if name == "post" { Method::POST } else { Method::GET }
}
