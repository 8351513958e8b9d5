//! Decisions: on one leak or on many, now or later, by one administrator or by two.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_contract::settings::Scope;
use stopleak_detector::Risk;

use super::answers::{Answered, DecisionTaken, DecisionWaits, Judged, WouldBe, WouldDecide};
use super::asked::FilterBody;
use super::scope::{AskImpact, AskedScope, scope};
use super::{load, say};
use crate::api::input::{Asked, Body, IdInPath, IfMatch, LEAK_ID, LeakInPath, days, line, whole};
use crate::api::page::history_query;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks::{
    self, Action, BULK, Bulk, BulkResult, Cursor, CursorText, Filter, Impact, LeakNumber, NEWEST_FIRST, Origin, PendingView,
    RecordError, Refusal, Request, RiskName, parse_leak_id,
};
use crate::people::Caller;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    pub(crate) action: Action,
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    pub(crate) reason: Option<String>,
    /// The new risk, for `set_risk`.
    #[schemars(with = "Option<RiskName>")]
    pub(crate) risk: Option<Risk>,
    /// Tokens that could match ordinary traffic are meant to be blocked.
    #[serde(default)]
    pub(crate) confirm: bool,
    /// The version of the leak that the caller has seen.
    #[serde(default, deserialize_with = "whole")]
    pub(crate) expected: Option<i64>,
    /// When it is to be taken; now when absent.
    pub(crate) at: Option<Time>,
    /// When the virtual patch ends by itself.
    pub(crate) expires_at: Option<Time>,
    /// Where the virtual patch is to apply; everywhere when absent.
    pub(crate) scope: Option<AskedScope>,
    /// Nothing is changed: the answer says what would become of it.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideMany {
    pub(crate) action: Action,
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    pub(crate) reason: Option<String>,
    /// The new risk, for `set_risk`.
    #[schemars(with = "Option<RiskName>")]
    pub(crate) risk: Option<Risk>,
    /// Tokens that could match ordinary traffic are meant to be blocked.
    #[serde(default)]
    pub(crate) confirm: bool,
    /// When it is to be taken; now when absent.
    pub(crate) at: Option<Time>,
    /// When the virtual patch ends by itself.
    pub(crate) expires_at: Option<Time>,
    /// Where the virtual patch is to apply; everywhere when absent.
    pub(crate) scope: Option<AskedScope>,
    /// Nothing is changed: the answer says what would become of it.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// These leaks,
    #[schemars(length(min = 1, max = BULK), inner(regex(pattern = LEAK_ID)))]
    pub(crate) leaks: Option<Vec<String>>,
    /// or those that are like this, the newest first,
    pub(crate) filter: Option<FilterBody>,
    /// from here on.
    pub(crate) cursor: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 1, max = BULK))]
    pub(crate) limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ManyDecided {
    pub(crate) dry_run: bool,
    pub(crate) results: Vec<BulkResult>,
    /// The new epoch, when gateways have to know.
    pub(crate) epoch: Option<i64>,
    /// What to give as `cursor` to go on.
    pub(crate) next: Option<CursorText>,
}

history_query! {
    pub(crate) struct ListPending by "id" {
        /// Of this leak: `LK-7` or `7`.
        #[schemars(regex(pattern = LEAK_ID))]
        leak: Option<String>,
        /// Also those that do not wait any more.
        #[serde(default)]
        all: bool,
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct PendingList {
    pending: Vec<PendingView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settle {
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    pub(crate) reason: Option<String>,
}

const MAX_REASON: usize = 1000;
/// Days that an impact is of, unless the caller says otherwise.
const IMPACT_DAYS: u32 = 30;

pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    IfMatch(seen): IfMatch,
    Body(body): Body<Decide>,
) -> Answer<Judged> {
    let reason = reason(&app, &caller, body.reason.as_deref()).await?;
    let scope = scope(&app, &caller, body.scope, body.dry_run).await?;
    let Decide { action, risk, confirm, expires_at, .. } = body;
    let request = Request { action, risk, confirm, expires_at, scope: scope.as_ref().map(|scope| scope.id), approved: false };
    let (reason, expected) = (reason.as_deref(), seen.or(body.expected));
    let asked = leaks::Asked { reason, expected, ..leaks::Asked::of(&caller, Origin::Person, request) };
    let (tenant, now) = (caller.tenant.id, Time::now());
    let told = |error| Problem::record(error, seen.is_some());
    if body.dry_run {
        return dry_run(&app, &caller, number, &asked, (scope.map(|scope| scope.scope), body.at), now).await;
    }
    let answered = leaks::ask(&app.store, tenant, number, &asked, &key(&caller), body.at, now).await.map_err(told)?;
    answer(&app, &caller, number, answered).await.map(Judged::Answered)
}

/// What the decision would do, and to whom.
async fn dry_run(
    app: &App,
    caller: &Caller,
    number: LeakNumber,
    asked: &leaks::Asked<'_>,
    (scope, at): (Option<Scope>, Option<Time>),
    now: Time,
) -> Answer<Judged> {
    let tenant = caller.tenant.id;
    let mut db = app.store.read().await?;
    let found = leaks::current(&mut db, tenant, number).await?.ok_or(Problem::NotFound { what: "leak" })?;
    let judged = leaks::judge(&found, asked, now);
    let impact = match asked.request.action {
        Action::ApplyVirtualPatch => Some(leaks::impact(&mut db, tenant, number, IMPACT_DAYS, scope.as_ref(), now).await?),
        _ => None,
    };
    let (outcome, after) = match judged {
        Ok(change) if at.is_none_or(|at| at <= now) => (WouldBe::Decided, Some(change)),
        Ok(change) => (WouldBe::Pending, Some(change)),
        Err(RecordError::Refused(Refusal::ApprovalRequired, _)) => (WouldBe::Pending, None),
        Err(error) => return Err(Problem::record(error, false)),
    };
    let (leak, after) = (leaks::leak_id(number), after.map(Into::into));
    Ok(Judged::Would(Box::new(WouldDecide { dry_run: true, leak, outcome, after, impact })))
}

pub(crate) async fn decide_many(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<DecideMany>,
) -> Answer<Json<ManyDecided>> {
    let reason = reason(&app, &caller, body.reason.as_deref()).await?;
    let (tenant, limit) = (caller.tenant.id, body.limit.unwrap_or(BULK));
    if limit == 0 || limit > BULK {
        return Err(Problem::Invalid { field: "limit", detail: format!("is not between 1 and {BULK}; go on with `next`") });
    }
    let (numbers, next) = match (&body.leaks, body.filter.clone()) {
        (Some(leaks), None) => (named(leaks)?, None),
        (None, Some(filter)) => matching(&app, &caller, &filter.filter()?, body.cursor.as_deref(), limit).await?,
        _ => {
            let detail = "name either `leaks` or a `filter`; an empty filter, {}, is every leak".to_owned();
            return Err(Problem::Invalid { field: "filter", detail });
        }
    };
    let scope = scope(&app, &caller, body.scope, body.dry_run).await?;
    let DecideMany { action, risk, confirm, expires_at, at, dry_run, .. } = body;
    let scope = scope.map(|scope| scope.id);
    let request = Request { action, risk, confirm, expires_at, scope, approved: false };
    let asked = leaks::Asked { reason: reason.as_deref(), ..leaks::Asked::of(&caller, Origin::Person, request) };
    let key = key(&caller);
    let bulk = Bulk { asked, author_key: &key, at, dry_run };
    let (results, epoch) = leaks::decide_all(&app.store, tenant, &numbers, &bulk, Time::now()).await?;
    if let Some(epoch) = epoch {
        app.committed(tenant, epoch);
    }
    tracing::info!(leaks = results.len(), ?action, author = caller.name, epoch, dry_run, "decisions taken");
    Ok(Json(ManyDecided { dry_run, results, epoch, next }))
}

pub(crate) async fn impact(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Asked(asked): Asked<AskImpact>,
) -> Answer<Json<Impact>> {
    let (days, scope) = (days(asked.days, IMPACT_DAYS)?, asked.scope()?);
    let (tenant, mut db) = (caller.tenant.id, app.store.read().await?);
    leaks::show_summary(&mut db, tenant, number).await?.ok_or(Problem::NotFound { what: "leak" })?;
    Ok(Json(leaks::impact(&mut db, tenant, number, days, Some(&scope), Time::now()).await?))
}

pub(crate) async fn list_pending(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListPending>,
) -> Answer<Json<PendingList>> {
    let bad = || Problem::Invalid { field: "leak", detail: "write it as LK-7 or 7".to_owned() };
    let leak = asked.leak.as_deref().map(|text| parse_leak_id(text).ok_or_else(bad)).transpose()?;
    let page = asked.page()?;
    let mut db = app.store.read().await?;
    let pending = leaks::list_pending(&mut db, caller.tenant.id, leak, !asked.all, &page).await?;
    let next = page.next(&pending, |pending| pending.id);
    Ok(Json(PendingList { pending, next }))
}

pub(crate) async fn approve(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Answered> {
    let now = Time::now();
    let approved = leaks::approve(&app.store, &caller, id, &key(&caller), now).await;
    let (answered, number) = approved?;
    answer(&app, &caller, number, answered).await
}

pub(crate) async fn reject(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Body(body): Body<Settle>,
) -> Answer<Json<PendingView>> {
    drop_pending(&app, &caller, id, true, body.reason.as_deref()).await
}

pub(crate) async fn cancel(
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
async fn answer(app: &App, caller: &Caller, number: LeakNumber, answered: leaks::Answered) -> Answer<Answered> {
    let id = leaks::leak_id(number);
    let decided = match answered {
        leaks::Answered::Taken(decided) => decided,
        leaks::Answered::Waits(pending) => {
            tracing::info!(leak = id, status = pending.status, author = pending.author, "decision waits");
            let leak = load(app, caller, number).await?;
            return Ok(Answered::Waits(Box::new(DecisionWaits { pending: *pending, leak })));
        }
    };
    if decided.index_changes {
        app.committed(caller.tenant.id, decided.epoch);
    }
    let leak = load(app, caller, number).await?;
    let decision = leak.decisions.iter().find(|decision| decision.id == decided.id).cloned();
    let decision = decision.ok_or_else(|| Problem::Internal(anyhow::anyhow!("a decision just written is not there")))?;
    tracing::info!(leak = id, action = ?decision.action, author = decision.author, epoch = decided.epoch, "decision taken");
    Ok(Answered::Taken(Box::new(DecisionTaken { decision, leak, epoch: decided.epoch })))
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
