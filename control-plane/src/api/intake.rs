//! `/api/v1/intake`: what is let in by its own signature, and not by an API token.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body as Stream;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use tokio_stream::StreamExt as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::MAX_BODY;
use super::input::IdInPath;
use super::peer::{Peer, network};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::intake::{NotGenuine, Receipt, github, webhooks};
use crate::signature::{self, Signature};
use crate::time::Time;

/// The headers of what is signed; whether they are there and right, the handler says.
pub(super) struct Signed<Sender> {
    headers: HeaderMap,
    peer: Peer,
    by: PhantomData<Sender>,
}

/// In which headers a sender's signature comes.
pub(super) trait Signs {
    const HEADERS: &'static [&'static str];
}

/// Whoever has a webhook's secret.
pub(super) struct ByWebhook;
/// GitHub's secret scanning.
pub(super) struct ByGithub;

/// A sender that takes longer for all of a delivery gives its turn to others.
const RECEIVING: Duration = Duration::from_secs(10);
/// A delivery that gets no turn in that time is told to come again.
const WAITING: Duration = Duration::from_secs(5);

pub(super) async fn webhook(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    Signed { headers, peer, .. }: Signed<ByWebhook>,
    body: Stream,
) -> Answer<Json<Receipt>> {
    let now = Time::now();
    let signature = only(&headers, signature::HEADER).ok().and_then(Signature::parse);
    let signature = signature.ok_or(Problem::NotGenuine(NotGenuine::Header(signature::HEADER)))?;
    if !signature.is_timely(now) {
        return Err(Problem::NotGenuine(NotGenuine::Untimely));
    }
    let body = receive(&app, app.proxies.client(&headers, peer), body).await?;
    Ok(Json(webhooks::receive(&app, id, signature, body, now).await?))
}

/// Answers with an empty list: GitHub reads there which of its findings were false, and whether they are is decided later. What GitHub did
/// not sign is told the same whether the tenant takes part or not.
pub(super) async fn github(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    Signed { headers, peer, .. }: Signed<ByGithub>,
    body: Stream,
) -> Answer<Json<[(); 0]>> {
    let receiver = app.intake.github.as_ref().ok_or(Problem::NoSuchRoute)?;
    let Path(tenant) = path.map_err(|_| Problem::NotGenuine(NotGenuine::Signature))?;
    let (key, signature) = (only(&headers, github::KEY_HEADER)?, only(&headers, github::SIGNATURE_HEADER)?);
    let signed = receiver.signed(key, signature, Instant::now()).await?;
    let body = receive(&app, app.proxies.client(&headers, peer), body).await?;
    github::receive(&app, receiver, &tenant, &signed, body).await?;
    Ok(Json([]))
}

impl Signs for ByWebhook {
    const HEADERS: &'static [&'static str] = &[signature::HEADER];
}

impl Signs for ByGithub {
    const HEADERS: &'static [&'static str] = &[github::KEY_HEADER, github::SIGNATURE_HEADER];
}

impl<S: Send + Sync, Sender> FromRequestParts<S> for Signed<Sender> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get().copied().unwrap_or_default();
        Ok(Self { headers: parts.headers.clone(), peer, by: PhantomData })
    }
}

/// The one value of a header: of two, nobody could say which was meant.
fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Answer<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Problem::NotGenuine(NotGenuine::Header(name))),
    }
}

/// The whole body, as it was signed. It is overwritten when it is dropped, for it holds tokens.
async fn receive(app: &App, address: Option<IpAddr>, body: Stream) -> Answer<Zeroizing<Vec<u8>>> {
    let busy = |_| Problem::Busy { what: "deliveries are being received" };
    let turn = app.intake.receiving.turn(address.map(network));
    let _turn = tokio::time::timeout(WAITING, turn).await.map_err(busy)?;
    let late = || Problem::Malformed(format!("the body did not come to its end within {} s", RECEIVING.as_secs()));
    tokio::time::timeout(RECEIVING, collect(body)).await.map_err(|_| late())?
}

async fn collect(body: Stream) -> Answer<Zeroizing<Vec<u8>>> {
    // With room for all of it: growing would leave copies behind that are not overwritten. Pages that are not touched cost nothing.
    let mut whole = Zeroizing::new(Vec::with_capacity(MAX_BODY));
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::Malformed("the body could not be read to its end".to_owned()))?;
        if whole.len() + chunk.len() > MAX_BODY {
            return Err(Problem::TooLarge);
        }
        whole.extend_from_slice(&chunk);
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.zeroize();
        }
    }
    Ok(whole)
}
