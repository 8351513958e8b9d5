//! What stands in the filter chain of each gateway that is measured.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stopleak_tests::tokens;

use crate::gateway::cluster;

/// One thing that can look at requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Only the router.
    NoFilter,
    /// A Wasm filter that does nothing: the measure of all others.
    NoopWasm,
    /// Stopleak's, with so many tokens in its index.
    Stopleak(u64),
    /// Envoy's Lua filter with one look-up of the bearer token in a table.
    Lua,
    /// A call of an authorization service for each request.
    ExtAuthz,
    /// Envoy's RBAC filter with a matcher for each of so many tokens.
    Rbac,
}

/// Entries of Lua's table, and RBAC's matchers.
const LISTED: u32 = 1_000;

impl Variant {
    /// What tables call it.
    pub fn name(self) -> String {
        match self {
            Self::NoFilter => "no filter".to_owned(),
            Self::NoopWasm => "no-op Wasm filter".to_owned(),
            Self::Stopleak(tokens) => format!("stopleak, {tokens} tokens"),
            Self::Lua => format!("Lua, one look-up in {LISTED}"),
            Self::ExtAuthz => "ext_authz, local gRPC service".to_owned(),
            Self::Rbac => format!("RBAC, {LISTED} header matchers"),
        }
    }

    /// What the name becomes in a file's name.
    pub fn slug(self) -> String {
        self.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    }
}

/// A Wasm filter from a file; its configuration goes to Stopleak's, and the other one does not ask for it.
pub fn wasm(module: &std::path::Path) -> Value {
    let settings = json!({"cluster": "stopleak_feed", "on_not_ready": "deny"});
    json!({
        "name": "wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "wasm",
                "root_id": "stopleak",
                "failure_policy": "FAIL_RELOAD",
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": settings.to_string(),
                },
                "vm_config": {
                    "vm_id": "stopleak",
                    "runtime": "envoy.wasm.runtime.v8",
                    "environment_variables": {"host_env_keys": ["STOPLEAK_CREDENTIAL", "STOPLEAK_PUBLIC_KEY"]},
                    "code": {"local": {"filename": module}},
                },
            },
        },
    })
}

/// Refuses a request whose bearer token is in a table.
pub fn lua() -> Value {
    let entries: String = (0..LISTED).map(|n| ["[\"", &tokens::own(n), "\"] = true,\n"].concat()).collect();
    let code = format!(
        "local leaked = {{\n{entries}}}\n\
         function envoy_on_request(request)\n\
           local authorization = request:headers():get(\"authorization\")\n\
           if authorization and leaked[string.sub(authorization, 8)] then\n\
             request:respond({{[\":status\"] = \"403\"}}, \"leaked\")\n\
           end\n\
         end\n"
    );
    json!({
        "name": "lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": code},
        },
    })
}

/// Refuses a request whose credential is one of a list.
pub fn rbac() -> Value {
    let matcher =
        |n| json!({"header": {"name": "authorization", "string_match": {"exact": format!("Bearer {}", tokens::own(n))}}});
    let matchers: Vec<Value> = (0..LISTED).map(matcher).collect();
    json!({
        "name": "rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {
                "action": "DENY",
                "policies": {"leaked": {"permissions": [{"any": true}], "principals": [{"or_ids": {"ids": matchers}}]}},
            },
        },
    })
}

/// Asks a service, and the cluster where that is.
pub fn ext_authz(address: SocketAddr) -> (Value, Value) {
    let filter = json!({
        "name": "ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "ext_authz"}, "timeout": "1s"},
        },
    });
    (filter, cluster("ext_authz", address, true))
}
