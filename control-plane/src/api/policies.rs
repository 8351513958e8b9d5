//! `/api/v1/policies`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use stopleak_detector::Risk;

use super::input::{Body, IdInPath, line};
use super::leaks::say;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::leaks::Action;
use crate::people::Caller;
use crate::policies::{self, NewPolicy, Policy};
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddPolicy {
    name: String,
    action: Action,
    rule: Option<String>,
    own_format: Option<bool>,
    risk: Option<Risk>,
    life: Option<Life>,
    life_days: Option<u32>,
    age_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePolicy {
    enabled: bool,
}

/// What gateways have seen of a token.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Life {
    Alive,
    Dead,
    Unseen,
}

const MAX_NAME: usize = 100;
/// Ten years: more is a slip.
const MAX_DAYS: u32 = 3_650;

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Response> {
    let policies = policies::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    Ok(Json(json!({"policies": policies.iter().map(shown).collect::<Vec<_>>()})).into_response())
}

pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(body): Body<AddPolicy>) -> Answer<Response> {
    let policy = checked(&app, &caller, body).await?;
    let mut db = app.store.write().await?;
    let added = policies::add(&mut db, caller.tenant.id, &policy, &caller.name, Time::now()).await?;
    if let Some(added) = &added {
        audit::record(&mut db, &caller, "policy.add", &format!("policy/{}", added.id), None, Some(shown(added))).await?;
    }
    db.commit().await?;
    let Some(added) = added else {
        let mut db = app.store.read().await?;
        return Err(if policies::list(&mut db, caller.tenant.id).await?.iter().any(|other| other.name == policy.name) {
            Problem::NameTaken { what: "policy" }
        } else {
            Problem::Invalid {
                field: "name",
                detail: format!("is one too many: a tenant has {} policies at most", policies::MAX),
            }
        });
    };
    tracing::info!(policy = added.name, author = caller.name, "policy written; it is off");
    Ok((StatusCode::CREATED, Json(shown(&added))).into_response())
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Body(body): Body<ChangePolicy>,
) -> Answer<Json<Value>> {
    let mut db = app.store.write().await?;
    let before = policies::get(&mut db, caller.tenant.id, id).await?;
    let changed = policies::enable(&mut db, caller.tenant.id, id, body.enabled, Time::now()).await?;
    let changed = changed.ok_or(Problem::NotFound { what: "policy" })?;
    let (before, after) = (before.as_ref().map(shown), Some(shown(&changed)));
    audit::record(&mut db, &caller, "policy.change", &format!("policy/{id}"), before, after).await?;
    db.commit().await?;
    tracing::info!(policy = changed.name, author = caller.name, enabled = body.enabled, "policy changed");
    Ok(Json(shown(&changed)))
}

pub(super) async fn remove(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<StatusCode> {
    let mut db = app.store.write().await?;
    let before = policies::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "policy" })?;
    policies::remove(&mut db, caller.tenant.id, id).await?;
    let after = Some(json!({"removed": true}));
    audit::record(&mut db, &caller, "policy.remove", &format!("policy/{id}"), Some(shown(&before)), after).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What it would do now, whether it is on or off.
pub(super) async fn preview(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Response> {
    let (tenant, mut db) = (caller.tenant.id, app.store.read().await?);
    let policy = policies::get(&mut db, tenant, id).await?.ok_or(Problem::NotFound { what: "policy" })?;
    Ok(Json(policies::preview(&mut db, tenant, &policy, &app.own_rules(), Time::now()).await?).into_response())
}

async fn checked(app: &App, caller: &Caller, body: AddPolicy) -> Answer<NewPolicy> {
    let invalid = |field, detail: &str| Err(Problem::Invalid { field, detail: detail.to_owned() });
    let AddPolicy { action, rule, own_format, risk, life, life_days, age_days, .. } = body;
    if !matches!(action, Action::ApplyVirtualPatch | Action::Close) {
        return invalid("action", "a policy can apply_virtual_patch or close; everything else is for people");
    }
    if rule.is_none() && own_format.is_none() && risk.is_none() && life.is_none() && age_days.is_none() {
        return invalid(
            "action",
            "without a condition it would decide on every leak; give rule, own_format, risk, life or age_days",
        );
    }
    if life.is_none() && life_days.is_some() {
        return invalid("life_days", "says for how long a token has been alive, dead or unseen: give `life` too");
    }
    for (field, days) in [("life_days", life_days), ("age_days", age_days)] {
        if days.is_some_and(|days| days > MAX_DAYS) {
            return Err(Problem::Invalid { field, detail: format!("is over {MAX_DAYS}") });
        }
    }
    let name = say(app, caller, "name", line("name", &body.name, MAX_NAME)?).await?;
    let rule = rule.map(|rule| line("rule", &rule, MAX_NAME)).transpose()?;
    let life = life.map(|life| match life {
        Life::Alive => "alive",
        Life::Dead => "dead",
        Life::Unseen => "unseen",
    });
    Ok(NewPolicy { name, action, rule, own_format, risk, life, life_days, age_days })
}

fn shown(policy: &Policy) -> Value {
    let mut shown = json!(policy);
    shown["own_format"] = json!(policy.own_format.map(|own| own != 0));
    shown
}
