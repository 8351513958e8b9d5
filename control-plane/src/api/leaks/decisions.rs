//! Decisions: on one leak or on many, now or later, by one administrator or by two.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stopleak_detector::Risk;

use super::asked::FilterBody;
use super::scope::{AskedScope, scope};
use super::{load, say};
use crate::api::input::{Asked, Body, IdInPath, IfMatch, LeakInPath, days, limit, line};
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks::{
    self, Action, Answered, BULK, Bulk, BulkResult, Cursor, CursorText, DecisionView, Filter, Impact, LeakDetail, LeakNumber,
    NEWEST_FIRST, Origin, PendingView, RecordError, Refusal, Request, parse_leak_id,
};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Decide {
    action: Action,
    reason: Option<String>,
    risk: Option<Risk>,
    #[serde(default)]
    confirm: bool,
    /// The version of the leak that the caller has seen.
    expected: Option<i64>,
    at: Option<Time>,
    expires_at: Option<Time>,
    scope: Option<AskedScope>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DecideMany {
    action: Action,
    reason: Option<String>,
    risk: Option<Risk>,
    #[serde(default)]
    confirm: bool,
    at: Option<Time>,
    expires_at: Option<Time>,
    scope: Option<AskedScope>,
    #[serde(default)]
    dry_run: bool,
    /// These leaks,
    leaks: Option<Vec<String>>,
    /// or those that are like this, the newest first,
    filter: Option<FilterBody>,
    /// from here on.
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct DecisionTaken {
    decision: DecisionView,
    leak: LeakDetail,
    epoch: i64,
}

#[derive(Serialize)]
struct ManyDecided {
    dry_run: bool,
    results: Vec<BulkResult>,
    /// The new epoch, when gateways have to know.
    epoch: Option<i64>,
    /// What to give as `cursor` to go on.
    next: Option<CursorText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListPending {
    leak: Option<String>,
    #[serde(default)]
    all: bool,
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Settle {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AskImpact {
    days: Option<u32>,
}

const MAX_REASON: usize = 1000;
/// Days that an impact is of, unless the caller says otherwise.
const IMPACT_DAYS: u32 = 30;

pub(in crate::api) async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    IfMatch(seen): IfMatch,
    Body(body): Body<Decide>,
) -> Answer<Response> {
    let reason = reason(&app, &caller, body.reason.as_deref()).await?;
    let scope = scope(&app, &caller, body.scope, body.dry_run).await?;
    let Decide { action, risk, confirm, expires_at, .. } = body;
    let request = Request { action, risk, confirm, expires_at, scope, approved: false };
    let (reason, expected) = (reason.as_deref(), seen.or(body.expected));
    let asked = leaks::Asked { reason, expected, ..leaks::Asked::of(&caller, Origin::Person, request) };
    let (tenant, now) = (caller.tenant.id, Time::now());
    let told = |error| Problem::record(error, seen.is_some());
    if body.dry_run {
        return dry_run(&app, &caller, number, &asked, body.at, now).await;
    }
    let answered = leaks::ask(&app.store, tenant, number, &asked, &key(&caller), body.at, now).await.map_err(told)?;
    answer(&app, &caller, number, answered).await
}

/// What the decision would do, and to whom.
async fn dry_run(
    app: &App,
    caller: &Caller,
    number: LeakNumber,
    asked: &leaks::Asked<'_>,
    at: Option<Time>,
    now: Time,
) -> Answer<Response> {
    let tenant = caller.tenant.id;
    let mut db = app.store.read().await?;
    let found = leaks::current(&mut db, tenant, number).await?.ok_or(Problem::NotFound { what: "leak" })?;
    let judged = leaks::judge(&found, asked, now);
    let impact = match asked.request.action {
        Action::ApplyVirtualPatch => Some(leaks::impact(&mut db, tenant, number, IMPACT_DAYS, now).await?),
        _ => None,
    };
    let (outcome, after) = match judged {
        Ok(change) if at.is_none_or(|at| at <= now) => ("decided", Some(change)),
        Ok(change) => ("pending", Some(change)),
        Err(RecordError::Refused(Refusal::ApprovalRequired, _)) => ("pending", None),
        Err(error) => return Err(Problem::record(error, false)),
    };
    let after = after.map(|change| {
        json!({
            "status": change.status, "risk": change.risk, "patched": change.patched_at.is_some(),
            "patch_expires_at": change.patch_expires_at, "index_changes": change.index_changes,
        })
    });
    let id = leaks::leak_id(number);
    Ok(Json(json!({"dry_run": true, "leak": id, "outcome": outcome, "after": after, "impact": impact})).into_response())
}

pub(in crate::api) async fn decide_many(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<DecideMany>,
) -> Answer<Response> {
    let reason = reason(&app, &caller, body.reason.as_deref()).await?;
    let tenant = caller.tenant.id;
    let (numbers, next) = match (&body.leaks, body.filter.clone()) {
        (Some(leaks), None) => (named(leaks)?, None),
        (None, Some(filter)) => {
            let limit = body.limit.unwrap_or(BULK);
            if limit == 0 || limit > BULK {
                return Err(Problem::Invalid {
                    field: "limit",
                    detail: format!("is not between 1 and {BULK}; go on with `next`"),
                });
            }
            matching(&app, &caller, &filter.filter()?, body.cursor.as_deref(), limit).await?
        }
        _ => {
            let detail = "name either `leaks` or a `filter`; an empty filter, {}, is every leak".to_owned();
            return Err(Problem::Invalid { field: "filter", detail });
        }
    };
    let scope = scope(&app, &caller, body.scope, body.dry_run).await?;
    let DecideMany { action, risk, confirm, expires_at, at, dry_run, .. } = body;
    let request = Request { action, risk, confirm, expires_at, scope, approved: false };
    let asked = leaks::Asked { reason: reason.as_deref(), ..leaks::Asked::of(&caller, Origin::Person, request) };
    let key = key(&caller);
    let bulk = Bulk { asked, author_key: &key, at, dry_run };
    let (results, epoch) = leaks::decide_all(&app.store, tenant, &numbers, &bulk, Time::now()).await?;
    if let Some(epoch) = epoch {
        app.committed(tenant, epoch);
    }
    tracing::info!(leaks = results.len(), ?action, author = caller.name, epoch, dry_run, "decisions taken");
    Ok(Json(ManyDecided { dry_run, results, epoch, next }).into_response())
}

pub(in crate::api) async fn impact(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Asked(asked): Asked<AskImpact>,
) -> Answer<Json<Impact>> {
    let days = days(asked.days, IMPACT_DAYS)?;
    let (tenant, mut db) = (caller.tenant.id, app.store.read().await?);
    leaks::show_summary(&mut db, tenant, number).await?.ok_or(Problem::NotFound { what: "leak" })?;
    Ok(Json(leaks::impact(&mut db, tenant, number, days, Time::now()).await?))
}

pub(in crate::api) async fn list_pending(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListPending>,
) -> Answer<Response> {
    let bad = || Problem::Invalid { field: "leak", detail: "write it as LK-7 or 7".to_owned() };
    let leak = asked.leak.as_deref().map(|text| parse_leak_id(text).ok_or_else(bad)).transpose()?;
    let limit = limit(asked.limit)?;
    let mut db = app.store.read().await?;
    let pending = leaks::list_pending(&mut db, caller.tenant.id, leak, !asked.all, asked.before, limit).await?;
    let next = pending.last().filter(|_| pending.len() == limit as usize).map(|last| last.id);
    Ok(Json(json!({"pending": pending, "next": next})).into_response())
}

pub(in crate::api) async fn approve(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Response> {
    let now = Time::now();
    let approved = leaks::approve(&app.store, &caller, id, &key(&caller), now).await;
    let (answered, number) = approved?;
    answer(&app, &caller, number, answered).await
}

pub(in crate::api) async fn reject(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Body(body): Body<Settle>,
) -> Answer<Json<PendingView>> {
    drop_pending(&app, &caller, id, true, body.reason.as_deref()).await
}

pub(in crate::api) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Body(body): Body<Settle>,
) -> Answer<Json<PendingView>> {
    drop_pending(&app, &caller, id, false, body.reason.as_deref()).await
}

async fn drop_pending(app: &App, caller: &Caller, id: i64, rejected: bool, why: Option<&str>) -> Answer<Json<PendingView>> {
    let why = reason(app, caller, why).await?;
    let now = Time::now();
    let dropped = leaks::drop_pending(&app.store, caller, id, rejected, why.as_deref(), now).await?;
    tracing::info!(leak = dropped.leak, status = dropped.status, by = caller.name, "pending decision settled");
    Ok(Json(dropped))
}

/// 201 with the decision, or 202 with what waits.
async fn answer(app: &App, caller: &Caller, number: LeakNumber, answered: Answered) -> Answer<Response> {
    let id = leaks::leak_id(number);
    let decided = match answered {
        Answered::Taken(decided) => decided,
        Answered::Waits(pending) => {
            tracing::info!(leak = id, status = pending.status, author = pending.author, "decision waits");
            let leak = load(app, caller, number).await?;
            return Ok((StatusCode::ACCEPTED, Json(json!({"pending": pending, "leak": leak}))).into_response());
        }
    };
    if decided.index_changes {
        app.committed(caller.tenant.id, decided.epoch);
    }
    let leak = load(app, caller, number).await?;
    let decision = leak.decisions.iter().find(|decision| decision.id == decided.id).cloned();
    let decision = decision.ok_or_else(|| Problem::Internal(anyhow::anyhow!("a decision just written is not there")))?;
    tracing::info!(leak = id, action = ?decision.action, author = decision.author, epoch = decided.epoch, "decision taken");
    Ok((StatusCode::CREATED, Json(DecisionTaken { decision, leak, epoch: decided.epoch })).into_response())
}

/// The leaks that a list names, each once.
fn named(texts: &[String]) -> Answer<Vec<LeakNumber>> {
    let invalid = |detail: String| Problem::Invalid { field: "leaks", detail };
    if texts.is_empty() || texts.len() > BULK as usize {
        return Err(invalid(format!("has {} leaks; between 1 and {BULK} are decided on at once", texts.len())));
    }
    let number = |text: &String| parse_leak_id(text).ok_or_else(|| invalid("write each as \"LK-7\" or \"7\"".to_owned()));
    let mut numbers = texts.iter().map(number).collect::<Answer<Vec<_>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

async fn matching(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    cursor: Option<&str>,
    limit: u32,
) -> Answer<(Vec<LeakNumber>, Option<CursorText>)> {
    let bad = || Problem::Invalid { field: "cursor", detail: "is not what `next` has said".to_owned() };
    let cursor = cursor.map(|text| Cursor::parse(text, NEWEST_FIRST).ok_or_else(bad)).transpose()?;
    let mut db = app.store.read().await?;
    let page = leaks::list(&mut db, caller.tenant.id, filter, NEWEST_FIRST, cursor.as_ref(), limit).await?;
    Ok((page.leaks.iter().map(|leak| leak.number).collect(), page.next.map(CursorText)))
}

async fn reason(app: &App, caller: &Caller, text: Option<&str>) -> Answer<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    say(app, caller, "reason", line("reason", text, MAX_REASON)?).await.map(Some)
}

/// Who the caller is, whatever they are called.
fn key(caller: &Caller) -> String {
    format!("{} {}", caller.who.kind(), caller.who.id().unwrap_or_default())
}
