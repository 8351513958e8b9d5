//! Trying a request: what the filter would say of it, by the index that the tenant's gateways have.
//!
//! What was sent, in whichever of three [`Form`]s, becomes a [`ParsedRequest`]; the very filter module judges it; and what the module
//! reports of it says what matched. [`locate`] then finds the place again in what was sent. Nothing of a request is stored or logged, and
//! its buffers are overwritten.

mod request;
mod form;
mod raw;
mod words;
mod curl;
mod curl_options;
mod locate;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::Fingerprint;
use stopleak_contract::feed::wire::{Attempt, Place};
use stopleak_filter_host::{HostError, Judged};
use tokio::sync::SemaphorePermit;

pub use self::form::{Form, Headers, MAX_TEXT, Parts};
pub use self::request::{ParsedRequest, Unreadable};

use self::locate::{Needle, Span};
use crate::app::App;
use crate::attempts;
use crate::index::Trial;
use crate::leaks::{LeakNumber, leak_id};
use crate::store::Connection;
use crate::tenants::TenantId;

/// Requests that are tried at once: each has a processor for itself, and publishing goes on beside them.
pub const AT_ONCE: usize = 2;

/// Leaked tokens that are told of one request.
const MAX_MATCHES: usize = 8;

/// What a gateway would do with the request.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Verdict {
    /// `pass`, `observe`, `block`, `not_ready` or `overflow`, as in access logs.
    #[schemars(extend("enum" = ["pass", "observe", "block", "not_ready", "overflow"]))]
    pub verdict: String,
    /// The status of the gateway's own answer; `null` when the request goes on to the upstream.
    pub status: Option<u32>,
    /// The epoch of the index that was asked.
    pub epoch: u64,
    /// The leaked tokens of the request; the one that decided comes first.
    pub matches: Vec<Match>,
}

/// A leaked token of the request.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Match {
    /// `authorization`, `header`, `cookie`, `query`, `path` or `body`.
    pub place: &'static str,
    /// The header's, the cookie's or the parameter's name, where it shows no secret.
    pub name: Option<String>,
    /// Which segment of the path, counted from 1.
    pub segment: Option<usize>,
    /// Which bytes of the text that was sent, when the token stands there as it is.
    pub range: Option<Span>,
    /// What people may see of the token.
    pub preview: String,
    /// Whose it is.
    pub leak: String,
    /// The leak's number.
    pub number: LeakNumber,
    /// The leak's title.
    pub title: String,
}

/// What the database knows of a token.
#[derive(sqlx::FromRow)]
struct Known {
    #[sqlx(try_from = "i64")]
    leak: LeakNumber,
    preview: String,
    length: i64,
    title: String,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
    /// The module used up what it may use, or failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The thread fell.
    #[error(transparent)]
    Thread(#[from] tokio::task::JoinError),
}

/// Tries a request. The turn is one of [`App::trying`].
pub async fn judge(
    app: &App,
    tenant: TenantId,
    trial: Trial,
    form: Form,
    request: ParsedRequest,
    turn: SemaphorePermit<'_>,
) -> Result<Verdict, TryError> {
    let epoch = trial.epoch;
    let (first, attempts, mut request) = run(&trial, request).await?;
    let mut verdict = Verdict { verdict: first.verdict, status: first.status, epoch, matches: Vec::new() };
    let (mut attempt, mut last, form) = (attempts.into_iter().next(), None, Arc::new(form));
    // The filter tells of one token: the others are seen when that one is not there.
    while let Some(found) = attempt.take() {
        let mut db = app.store.read().await?;
        // One that is still there was not to be found with bounded work.
        let fingerprint =
            Fingerprint::from_stored(&found.fingerprint).filter(|fingerprint| last.replace(*fingerprint) != Some(*fingerprint));
        let Some(fingerprint) = fingerprint else { break };
        let Some(known) = known(&mut db, tenant, &fingerprint).await? else { break };
        drop(db);
        let keys = app.keys.fingerprint(tenant).all().clone();
        let needle = Needle::new(keys, fingerprint, usize::try_from(known.length).unwrap_or(0));
        let (matched, blanked, rest) = look(found, known, Arc::clone(&form), request, needle).await?;
        verdict.matches.push(matched);
        if verdict.matches.len() == MAX_MATCHES || !blanked {
            break;
        }
        let (_, attempts, again) = run(&trial, rest).await?;
        request = again;
        attempt = attempts.into_iter().next();
    }
    drop(turn);
    Ok(verdict)
}

/// Finds the place of a token, and takes the token out; hashes too much for a thread that others wait for.
async fn look(
    found: Attempt,
    known: Known,
    form: Arc<Form>,
    mut request: ParsedRequest,
    needle: Needle,
) -> Result<(Match, bool, ParsedRequest), TryError> {
    let looked = tokio::task::spawn_blocking(move || {
        let matched = matched(&found, known, &form, &request, &needle);
        let blanked = request.blank(&needle);
        (matched, blanked, request)
    });
    Ok(looked.await?)
}

async fn run(trial: &Trial, request: ParsedRequest) -> Result<(Judged, Vec<Attempt>, ParsedRequest), TryError> {
    let trial = trial.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let judged = trial.judge(request.for_filter());
        judged.map(|(judged, attempts)| (judged, attempts, request))
    });
    Ok(ran.await??)
}

fn matched(found: &Attempt, known: Known, form: &Form, request: &ParsedRequest, needle: &Needle) -> Match {
    let (name, segment) = match found.place() {
        Place::Cookie => (locate::cookie(request, needle), None),
        Place::Query => (locate::parameter(request, needle), None),
        Place::Path => (None, locate::segment(request, needle)),
        _ => (Some(found.header.clone()).filter(|name| !name.is_empty()), None),
    };
    let range = form.text().and_then(|text| needle.find(text.as_bytes()));
    let place = attempts::place(found).unwrap_or("unknown");
    let Known { leak, preview, title, .. } = known;
    Match { place, name, segment, range, preview, leak: leak_id(leak), number: leak, title }
}

async fn known(db: &mut Connection, tenant: TenantId, fingerprint: &Fingerprint) -> Result<Option<Known>, sqlx::Error> {
    sqlx::query_as(
        "SELECT t.leak, t.preview, t.length, l.title FROM tokens t
         JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak
         WHERE t.tenant_id = $1 AND t.fingerprint = $2",
    )
    .bind(tenant)
    .bind(fingerprint.as_bytes().as_slice())
    .fetch_optional(db)
    .await
}
