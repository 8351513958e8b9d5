//! `/api/v1/checks`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_contract::{Fingerprint, FingerprintKey};

use super::input::Body;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::checks::{self, CheckView};
use crate::people::Caller;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    /// Each as 64 hexadecimal digits.
    #[schemars(length(min = 1, max = MAX_FINGERPRINTS), inner(regex(pattern = "^[0-9a-fA-F]{64}$")))]
    fingerprints: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Checks {
    checks: Vec<CheckView>,
}

/// By which a caller finds out whether it hashes with the right key: with another one, nothing would ever look leaked.
#[derive(Serialize, JsonSchema)]
pub(super) struct CheckKey {
    tenant: String,
    /// Of which the tenant's key is made.
    tenant_number: i64,
    /// Tells the key from others, and does not tell it.
    key_check: String,
    /// The same of the key that is in force beside it while the fingerprint key is being changed: tokens may be known by either.
    second_key_check: Option<String>,
}

const MAX_FINGERPRINTS: usize = 10_000;

pub(super) async fn key(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<CheckKey>> {
    let keys = app.keys.fingerprint(caller.tenant.id);
    let check = |key: &FingerprintKey| blake3::Hash::from_bytes(key.check()).to_hex().to_string();
    Ok(Json(CheckKey {
        tenant: caller.tenant.name,
        tenant_number: caller.tenant.id.0,
        key_check: check(&keys.all().first),
        second_key_check: keys.all().second.as_ref().map(check),
    }))
}

pub(super) async fn check(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<Check>) -> Answer<Json<Checks>> {
    let invalid = |detail: String| Problem::Invalid { field: "fingerprints", detail };
    match request.fingerprints.len() {
        0 => return Err(invalid("is empty".to_owned())),
        got if got > MAX_FINGERPRINTS => {
            return Err(invalid(format!("has {got}; {MAX_FINGERPRINTS} are the most in one request")));
        }
        _ => {}
    }
    let parse = |(position, text): (usize, &String)| {
        let hash = blake3::Hash::from_hex(text).ok();
        let detail = || format!("the one at {position} is not 64 hexadecimal digits; tokens themselves are never sent");
        hash.and_then(|hash| Fingerprint::from_stored(hash.as_bytes())).ok_or_else(|| invalid(detail()))
    };
    let fingerprints = (1..).zip(&request.fingerprints).map(parse).collect::<Result<Vec<_>, _>>()?;
    let checks = checks::check(&mut *app.store.read().await?, caller.tenant.id, &fingerprints).await?;
    Ok(Json(Checks { checks }))
}
