//! `/api/v1/policies`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stopleak_detector::Risk;

use super::input::{Asked, Body, IdInPath, IfMatchTag, line, whole};
use super::leaks::say;
use super::output::{Created, Tagged, tag};
use super::page::{Page, has, list_query};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::attempts::Life;
use crate::audit;
use crate::leaks::{Action, RiskName};
use crate::people::Caller;
use crate::policies::{self, NewPolicy, Policy, Preview};
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddPolicy {
    /// The author of its decisions.
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) name: String,
    /// `apply_virtual_patch` or `close`.
    pub(crate) action: Action,
    /// Tokens that this rule found.
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) rule: Option<String>,
    /// Tokens of the operator's own formats, or of others.
    pub(crate) own_format: Option<bool>,
    /// Leaks of this risk.
    #[schemars(with = "Option<RiskName>")]
    pub(crate) risk: Option<Risk>,
    /// Tokens that gateways have seen so.
    pub(crate) life: Option<Life>,
    /// For so many days.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = MAX_DAYS))]
    pub(crate) life_days: Option<u32>,
    /// Leaks that were found so many days ago.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = MAX_DAYS))]
    pub(crate) age_days: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PolicyList {
    policies: Vec<Policy>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePolicy {
    pub(crate) enabled: bool,
}

list_query! {
    pub(super) struct ListPolicies by ["name", "id", "action", "created_at", "updated_at"] {
        /// A part of the name, in any case.
        text: Option<String>,
        enabled: Option<bool>,
        action: Option<Action>,
    }
}

const MAX_NAME: usize = 100;
/// Ten years: more is a slip.
const MAX_DAYS: u32 = 3_650;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListPolicies>,
) -> Answer<Json<PolicyList>> {
    let mut policies = policies::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    policies.retain(|policy| {
        has(&policy.name, asked.text.as_deref())
            && asked.enabled.is_none_or(|enabled| policy.enabled.0 == enabled)
            && asked.action.is_none_or(|action| policy.action == action)
    });
    let Page { items: policies, next } = asked.page().of(policies)?;
    Ok(Json(PolicyList { policies, next }))
}

pub(crate) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(body): Body<AddPolicy>) -> Answer<Created<Policy>> {
    let policy = checked(&app, &caller, body).await?;
    let mut db = app.store.write().await?;
    let added = policies::add(&mut db, caller.tenant.id, &policy, &caller.name, Time::now()).await?;
    if let Some(added) = &added {
        audit::record(&mut db, &caller, "policy.add", &format!("policy/{}", added.id), None, audit::seen(added)).await?;
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
    Ok(Created::at(format!("/api/v1/policies/{}", added.id), added))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Tagged<Policy>> {
    let policy = policies::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    policy.map(Tagged::new).ok_or(Problem::NotFound { what: "policy" })
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    seen: IfMatchTag,
    Body(body): Body<ChangePolicy>,
) -> Answer<Tagged<Policy>> {
    let mut db = app.store.write().await?;
    let before = policies::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "policy" })?;
    seen.holds(&tag(&before))?;
    let changed = policies::enable(&mut db, caller.tenant.id, id, body.enabled, Time::now()).await?;
    let changed = changed.ok_or(Problem::NotFound { what: "policy" })?;
    let (before, after) = (audit::seen(&before), audit::seen(&changed));
    audit::record(&mut db, &caller, "policy.change", &format!("policy/{id}"), before, after).await?;
    db.commit().await?;
    tracing::info!(policy = changed.name, author = caller.name, enabled = body.enabled, "policy changed");
    Ok(Tagged::new(changed))
}

pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let mut db = app.store.write().await?;
    let before = policies::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "policy" })?;
    policies::remove(&mut db, caller.tenant.id, id).await?;
    let after = Some(json!({"removed": true}));
    audit::record(&mut db, &caller, "policy.remove", &format!("policy/{id}"), audit::seen(&before), after).await?;
    db.commit().await?;
    Ok(NoContent)
}

/// What it would do now, whether it is on or off.
pub(super) async fn preview(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<Preview>> {
    let (tenant, mut db) = (caller.tenant.id, app.store.read().await?);
    let policy = policies::get(&mut db, tenant, id).await?.ok_or(Problem::NotFound { what: "policy" })?;
    Ok(Json(policies::preview(&mut db, tenant, &policy, &app.own_rules(), Time::now()).await?))
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
    Ok(NewPolicy { name, action, rule, own_format, risk, life, life_days, age_days })
}
