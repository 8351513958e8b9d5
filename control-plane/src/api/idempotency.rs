//! `Idempotency-Key`: a POST whose answer was lost may be sent again, and is carried out once.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::input::all_of_it;
use super::problem::{Answer, BrokeOff, Problem, Repeat};
use crate::app::App;
use crate::people::Caller;
use crate::repeats::{self, Begun, Kept, MAX_ANSWER};
use crate::time::Time;

const KEY: &str = "idempotency-key";
/// Says that an answer is that of the first request.
const REPLAYED: &str = "idempotency-replayed";
/// A UUID has 36.
const MAX_KEY: usize = 255;

/// Carries a request out, unless it was carried out before. What is open to all has no caller whose key it would be.
pub(super) async fn once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    match (request.headers().get(KEY).cloned(), caller) {
        (Some(key), Some(caller)) if request.method() == Method::POST => {
            carry_out(&app, &caller, &key, request, next).await.unwrap_or_else(Problem::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn carry_out(app: &App, caller: &Caller, key: &HeaderValue, request: Request, next: Next) -> Answer<Response> {
    let key = readable(key)?;
    let (parts, body) = request.into_parts();
    let body = all_of_it(Request::from_parts(parts.clone(), body), &()).await?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let digest = app.keys.digest(caller.tenant.id, &[target.as_bytes(), &body]);

    let mut db = app.store.write().await?;
    let begun = repeats::begin(&mut db, caller, key, &digest, Time::now()).await?;
    db.commit().await?;
    let id = match begun {
        Begun::Now(id) => id,
        Begun::Otherwise => return Err(Problem::Repeat(Repeat::OtherRequest)),
        Begun::UnderWay => return Err(Problem::Repeat(Repeat::UnderWay)),
        Begun::Broken => return Err(Problem::Repeat(Repeat::OutcomeUnknown)),
        Begun::Done(kept) => return answer_again(kept),
    };
    let (answer, kept) = look_at(next.run(Request::from_parts(parts, Body::from(body))).await).await?;
    if let Err(error) = note(app, id, is_undone(&answer), kept).await {
        // The caller has its answer; a repeat will be told that the outcome is unknown.
        tracing::warn!(%error, "the answer to a request with an idempotency key was not written down");
    }
    Ok(answer)
}

fn readable(key: &HeaderValue) -> Answer<&str> {
    let detail = format!("{KEY}: is not a text of 1 to {MAX_KEY} visible ASCII characters, such as a UUID");
    let text = key.to_str().ok().filter(|text| (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()));
    text.ok_or(Problem::Malformed(detail))
}

/// What may be kept of an answer, beside the answer as it was. What must not be stored by those who get it is not stored here either:
/// it shows a secret.
async fn look_at(answer: Response) -> Answer<(Response, Option<Kept>)> {
    if !answer.status().is_success() {
        return Ok((answer, None));
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|error| Problem::Internal(error.into()))?;
    let is_secret = parts.headers.get(header::CACHE_CONTROL).is_some_and(|value| value == "no-store");
    let kept = Kept {
        status: parts.status.as_u16(),
        location: parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned),
        answer: (!is_secret && body.len() <= MAX_ANSWER).then(|| body.to_vec()),
    };
    Ok((Response::from_parts(parts, Body::from(body)), Some(kept)))
}

/// What was refused changed nothing, and neither did what the database did not begin. What broke off may have been committed: of a
/// connection that is lost meanwhile, nobody knows.
fn is_undone(answer: &Response) -> bool {
    let status = answer.status();
    let broke_off = answer.extensions().get::<BrokeOff>().is_some();
    status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE && !broke_off
}

async fn note(app: &App, id: i64, is_undone: bool, kept: Option<Kept>) -> Result<(), sqlx::Error> {
    let mut db = app.store.write().await?;
    match kept {
        Some(kept) => repeats::keep(&mut db, id, &kept).await?,
        None if is_undone => repeats::release(&mut db, id).await?,
        None => repeats::broke(&mut db, id).await?,
    }
    db.commit().await
}

fn answer_again(kept: Kept) -> Answer<Response> {
    let Kept { status, location, answer } = kept;
    let Some(body) = answer else { return Err(Problem::Repeat(Repeat::AnswerNotKept { location })) };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(|error| Problem::Internal(error.into()))?;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_may_have_been_done_is_not_sent_again() {
        let lost = || sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        for (problem, undone) in [
            (Problem::NotFound { what: "leak" }, true),
            (Problem::Busy { what: "tests run" }, true),
            (Problem::Store(sqlx::Error::PoolTimedOut), true),
            (Problem::Store(lost()), false),
            (Problem::Internal(lost().into()), false),
        ] {
            let told = format!("{problem:?}");
            assert_eq!(is_undone(&problem.into_response()), undone, "{told}");
        }
    }
}
