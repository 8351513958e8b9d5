//! `/api/v1/leaks`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use stopleak_contract::Token;
use stopleak_detector::Risk;

use super::input::{Asked, Body, LeakInPath, limit, line};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks::{self, Action, DecisionView, Filter, LeakDetail, LeakNumber, LeakSummary, NewLeak, NewToken, Status};
use crate::people::Caller;
use crate::secret::SecretText;
use crate::tenants::TenantId;
use crate::time::Time;

/// A manual leak.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddLeak {
    title: String,
    /// High when absent: somebody found it worth typing in.
    risk: Option<Risk>,
    tokens: Vec<SecretText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListLeaks {
    status: Option<Status>,
    risk: Option<Risk>,
    patched: Option<bool>,
    before: Option<LeakNumber>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    action: Action,
    reason: Option<String>,
    risk: Option<Risk>,
    #[serde(default)]
    confirm: bool,
}

#[derive(Serialize)]
struct LeakList {
    leaks: Vec<LeakSummary>,
    /// What to give as `before` for the next page.
    next: Option<LeakNumber>,
}

#[derive(Serialize)]
struct LeakAdded {
    #[serde(flatten)]
    leak: LeakDetail,
    /// The first epoch of the index that carries the leak.
    epoch: i64,
}

#[derive(Serialize)]
struct DecisionTaken {
    decision: DecisionView,
    leak: LeakDetail,
    epoch: i64,
}

const CONTAINS_TOKEN: &str = "contains a leaked token, and would be stored and shown; write its preview instead";
const MAX_TITLE: usize = 200;
const MAX_REASON: usize = 1000;
/// The whole leak is written in one transaction, and nobody else writes meanwhile.
const MAX_TOKENS: usize = 10_000;

pub(super) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<AddLeak>) -> Answer<Response> {
    let title = line("title", &request.title, MAX_TITLE)?;
    let tokens = take_tokens(&app, caller.tenant.id, &title, request.tokens)?;
    refuse_tokens(&app, &caller, "title", &title).await?;
    let leak = NewLeak { title: &title, risk: request.risk.unwrap_or(Risk::High), place: None };
    let added = leaks::add(&app.store, &caller, &leak, &tokens, Time::now()).await?;
    app.committed(caller.tenant.id, added.epoch);
    tracing::info!(leak = leaks::leak_id(added.leak), tokens = tokens.len(), author = caller.name, "leak added");

    let leak = load(&app, &caller, added.leak).await?;
    let location = [(header::LOCATION, format!("/api/v1/leaks/{}", added.leak))];
    Ok((StatusCode::CREATED, location, Json(LeakAdded { leak, epoch: added.epoch })).into_response())
}

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListLeaks>) -> Answer<Response> {
    let filter = Filter {
        status: asked.status,
        risk: asked.risk.map(|risk| risk.as_str().to_owned()),
        patched: asked.patched,
        before: asked.before,
        limit: limit(asked.limit)?,
    };
    let leaks = leaks::list(&mut *app.store.read().await?, caller.tenant.id, &filter).await?;
    let full = leaks.len() == filter.limit as usize;
    let next = leaks.last().filter(|_| full).map(|leak| leak.number);
    Ok(Json(LeakList { leaks, next }).into_response())
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
) -> Answer<Json<LeakDetail>> {
    load(&app, &caller, number).await.map(Json)
}

pub(super) async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    Body(asked): Body<Decide>,
) -> Answer<Response> {
    let reason = asked.reason.as_deref().map(|reason| line("reason", reason, MAX_REASON)).transpose()?;
    if let Some(reason) = &reason {
        refuse_tokens(&app, &caller, "reason", reason).await?;
    }
    let request = leaks::Request { action: asked.action, risk: asked.risk, confirm: asked.confirm };
    let tenant = caller.tenant.id;
    let decided = leaks::record(&app.store, &caller, number, request, reason.as_deref(), Time::now()).await?;
    if decided.index_changes {
        app.committed(tenant, decided.epoch);
    }
    let (id, action, epoch) = (leaks::leak_id(number), asked.action, decided.epoch);
    tracing::info!(leak = id, ?action, author = caller.name, epoch, "decision taken");

    let leak = load(&app, &caller, number).await?;
    let decision = leak.decisions.iter().find(|decision| decision.id == decided.id).cloned();
    let decision = decision.ok_or_else(|| Problem::Internal(anyhow::anyhow!("a decision just written is not there")))?;
    Ok((StatusCode::CREATED, Json(DecisionTaken { decision, leak, epoch })).into_response())
}

/// Turns the texts into what may be kept; the texts themselves are gone when this returns.
fn take_tokens(app: &App, tenant: TenantId, title: &str, texts: Vec<SecretText>) -> Answer<Vec<NewToken>> {
    if texts.is_empty() {
        return Err(Problem::Invalid { field: "tokens", detail: "is empty; a leak has one token at least".to_owned() });
    }
    if texts.len() > MAX_TOKENS {
        return Err(Problem::Invalid { field: "tokens", detail: format!("has over {MAX_TOKENS} tokens; make several leaks") });
    }
    let key = app.keys.fingerprint(tenant);
    let take = |(position, SecretText(text)): (usize, SecretText)| {
        let token =
            Token::parse(text.as_bytes()).map_err(|error| Problem::TokenRejected { position, reason: error.to_string() })?;
        if title.as_bytes().windows(token.as_bytes().len()).any(|part| part == token.as_bytes()) {
            return Err(Problem::Invalid { field: "title", detail: CONTAINS_TOKEN.to_owned() });
        }
        Ok(NewToken::of(&key, &token, None))
    };
    let tokens: Vec<_> = (1..).zip(texts).map(take).collect::<Answer<_>>()?;
    if leaks::mentions_one_of(&tokens, &key, title) {
        return Err(Problem::Invalid { field: "title", detail: CONTAINS_TOKEN.to_owned() });
    }
    Ok(tokens)
}

/// In texts that are stored and shown.
async fn refuse_tokens(app: &App, caller: &Caller, field: &'static str, text: &str) -> Answer<()> {
    let mut db = app.store.read().await?;
    if leaks::mentions_token(&mut db, caller.tenant.id, &app.keys.fingerprint(caller.tenant.id), text).await? {
        return Err(Problem::Invalid { field, detail: CONTAINS_TOKEN.to_owned() });
    }
    Ok(())
}

async fn load(app: &App, caller: &Caller, number: LeakNumber) -> Answer<LeakDetail> {
    leaks::show(&mut *app.store.read().await?, caller.tenant.id, number).await?.ok_or(Problem::NotFound { what: "leak" })
}
