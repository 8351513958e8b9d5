//! `/api/v1/leaks`

pub(crate) mod answers;
pub(crate) mod asked;
pub(crate) mod comments;
pub(crate) mod decisions;
pub(crate) mod export;
pub(crate) mod fingerprinted;
mod scope;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_contract::Token;
use stopleak_detector::Risk;

use self::asked::ListLeaks;
use self::fingerprinted::Fingerprinted;
use super::input::{Asked, Body, IfMatch, LeakInPath, MAX_DAYS, days, limit, line};
use super::output::{Created, Tagged};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::keys::TenantKeys;
use crate::leaks::{self, CursorText, Edit, LeakDetail, LeakNumber, LeakSummary, NewLeak, NewToken, RiskName, Summary};
use crate::people::Caller;
use crate::secret::SecretText;
use crate::time::Time;

/// A manual leak.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddLeak {
    /// What people call it. It may hold no leaked token.
    #[schemars(length(min = 1, max = MAX_TITLE))]
    pub(crate) title: String,
    /// High when absent: somebody found it worth typing in.
    #[schemars(with = "Option<RiskName>")]
    pub(crate) risk: Option<Risk>,
    /// The tokens themselves,
    #[serde(default)]
    #[schemars(length(max = MAX_TOKENS))]
    pub(crate) tokens: Vec<SecretText>,
    /// or what the caller has made of them.
    pub(crate) fingerprinted: Option<Fingerprinted>,
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeLeak {
    #[schemars(length(min = 1, max = MAX_TITLE))]
    pub(crate) title: Option<String>,
    /// Empty: nobody.
    #[schemars(length(max = MAX_ASSIGNEE))]
    pub(crate) assignee: Option<String>,
    /// On record as a decision.
    #[schemars(with = "Option<RiskName>")]
    pub(crate) risk: Option<Risk>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskSummary {
    #[schemars(range(min = 1, max = MAX_DAYS))]
    pub(crate) days: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct LeakList {
    pub(crate) leaks: Vec<LeakSummary>,
    /// What to give as `cursor` for the next page.
    pub(crate) next: Option<CursorText>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct LeakAdded {
    #[serde(flatten)]
    pub(crate) leak: LeakDetail,
    /// The first epoch of the index that carries the leak.
    epoch: i64,
}

const CONTAINS_TOKEN: &str = "contains a leaked token, and would be stored and shown; write its preview instead";
const MAX_TITLE: usize = 200;
const MAX_ASSIGNEE: usize = 100;
/// Days that charts show, unless the caller says otherwise.
const SUMMARY_DAYS: u32 = 30;
/// The whole leak is written in one transaction, and nobody else writes meanwhile.
const MAX_TOKENS: usize = 10_000;

pub(crate) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(request): Body<AddLeak>) -> Answer<Created<LeakAdded>> {
    let title = line("title", &request.title, MAX_TITLE)?;
    let keys = app.keys.fingerprint(caller.tenant.id);
    let mut tokens = take_tokens(&keys, &title, request.tokens)?;
    if let Some(fingerprinted) = request.fingerprinted {
        tokens.extend(fingerprinted.take(&keys)?);
    }
    // Whoever recognised a format may have put the token where its name belongs.
    let rules: BTreeSet<&str> = tokens.iter().filter_map(|token| token.rule.as_deref()).collect();
    let rules = rules.into_iter().collect::<Vec<_>>().join(" ");
    check(&keys, &tokens, [("title", &title), ("rule", &rules)])?;
    say(&app, &caller, "rule", rules).await?;
    let title = say(&app, &caller, "title", title).await?;
    let leak = NewLeak { title: &title, risk: request.risk.unwrap_or(Risk::High), place: None };
    let added = leaks::add(&app.store, &caller, &leak, &tokens, Time::now()).await?;
    app.committed(caller.tenant.id, added.epoch);
    tracing::info!(leak = leaks::leak_id(added.leak), tokens = tokens.len(), author = caller.name, "leak added");

    let leak = load(&app, &caller, added.leak).await?;
    Ok(Created::at(format!("/api/v1/leaks/{}", added.leak), LeakAdded { leak, epoch: added.epoch }))
}

pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListLeaks>) -> Answer<Json<LeakList>> {
    let (filter, sort, limit) = (asked.filter()?, asked.sort()?, limit(asked.limit)?);
    let cursor = asked.cursor(sort)?;
    let mut db = app.store.read().await?;
    let page = leaks::list(&mut db, caller.tenant.id, &filter, sort, cursor.as_ref(), limit).await?;
    Ok(Json(LeakList { leaks: page.leaks, next: page.next.map(CursorText) }))
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
) -> Answer<Tagged<LeakDetail>> {
    load(&app, &caller, number).await.map(with_etag)
}

/// What no gateway has to know of; everything else is a decision.
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    LeakInPath(number): LeakInPath,
    IfMatch(seen): IfMatch,
    Body(body): Body<ChangeLeak>,
) -> Answer<Tagged<LeakDetail>> {
    let title = match body.title {
        Some(title) => Some(say(&app, &caller, "title", line("title", &title, MAX_TITLE)?).await?),
        None => None,
    };
    let assignee = match body.assignee.as_deref() {
        Some("") | None => body.assignee,
        Some(name) => Some(say(&app, &caller, "assignee", line("assignee", name, MAX_ASSIGNEE)?).await?),
    };
    let edit = Edit { title: title.as_deref(), assignee: assignee.as_deref(), risk: body.risk };
    let told = |error| Problem::record(error, seen.is_some());
    leaks::edit(&app.store, &caller, number, &edit, seen, Time::now()).await.map_err(told)?;
    tracing::info!(leak = leaks::leak_id(number), author = caller.name, "leak changed");
    load(&app, &caller, number).await.map(with_etag)
}

/// The numbers of charts.
pub(crate) async fn summary(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<AskSummary>,
) -> Answer<Json<Summary>> {
    let days = days(asked.days, SUMMARY_DAYS)?;
    Ok(Json(leaks::summarise(&mut *app.store.read().await?, caller.tenant.id, days, Time::now()).await?))
}

fn with_etag(leak: LeakDetail) -> Tagged<LeakDetail> {
    Tagged { etag: leak.summary.version.to_string(), body: leak }
}

/// Turns the texts into what may be kept; the texts themselves are gone when this returns.
fn take_tokens(key: &TenantKeys, title: &str, texts: Vec<SecretText>) -> Answer<Vec<NewToken>> {
    let take = |(position, SecretText(text)): (usize, SecretText)| {
        let token =
            Token::parse(text.as_bytes()).map_err(|error| Problem::TokenRejected { position, reason: error.to_string() })?;
        if title.as_bytes().windows(token.as_bytes().len()).any(|part| part == token.as_bytes()) {
            return Err(Problem::Invalid { field: "title", detail: CONTAINS_TOKEN.to_owned() });
        }
        Ok(NewToken::of(key, &token, None))
    };
    (1..).zip(texts).map(take).collect()
}

/// As many as a leak may have, and none of them in these texts.
fn check(key: &TenantKeys, tokens: &[NewToken], texts: [(&'static str, &str); 2]) -> Answer<()> {
    if tokens.is_empty() {
        return Err(Problem::Invalid { field: "tokens", detail: "is empty; a leak has one token at least".to_owned() });
    }
    if tokens.len() > MAX_TOKENS {
        return Err(Problem::Invalid { field: "tokens", detail: format!("has over {MAX_TOKENS} tokens; make several leaks") });
    }
    match texts.into_iter().find(|(_, text)| leaks::mentions_one_of(tokens, key, text)) {
        Some((field, _)) => Err(Problem::Invalid { field, detail: CONTAINS_TOKEN.to_owned() }),
        None => Ok(()),
    }
}

/// A text that is stored and shown: it is given back when it holds no leaked token.
pub(crate) async fn say(app: &App, caller: &Caller, field: &'static str, text: String) -> Answer<String> {
    let mut db = app.store.read().await?;
    if leaks::mentions_token(&mut db, caller.tenant.id, &app.keys.fingerprint(caller.tenant.id), &text).await? {
        return Err(Problem::Invalid { field, detail: CONTAINS_TOKEN.to_owned() });
    }
    Ok(text)
}

async fn load(app: &App, caller: &Caller, number: LeakNumber) -> Answer<LeakDetail> {
    let (mut db, tenant) = (app.store.read().await?, caller.tenant.id);
    let floors = app.fleet.all_floors(&mut db, tenant).await?;
    leaks::show(&mut db, tenant, number, &floors).await?.ok_or(Problem::NotFound { what: "leak" })
}
