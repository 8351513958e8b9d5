//! What browsers need beside what programs get: pages instead of problems, and forms that may change something.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::forms::{self, Pairs};
use super::page::With;
use super::sign_in::SignInPage;
use super::words;
use crate::api::cookie::CSRF_HEADER;
use crate::api::input::all_of_it;
use crate::api::problem::{Problem, Shown};

/// Something is wrong.
#[derive(askama::Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shown: Shown,
}

/// Sent by the script that replaces a part of a page.
const PART: &str = "hx-request";
/// Tells that script to go to another page.
const GO_TO: &str = "hx-redirect";
/// The field in which a form has its token.
const CSRF_FIELD: &str = "csrf";
/// Secrets are given again, and a form's token is another one after signing in.
const NOT_KEPT: [&str; 4] = [CSRF_FIELD, "password", "tokens", "fingerprinted"];

/// Lets a request of a browser through, and makes a page of what it is refused with. Programs do not ask for HTML, and get problems.
pub(crate) async fn for_browsers(request: Request, next: Next) -> Response {
    if !wants_html(request.headers()) {
        return next.run(request).await;
    }
    let is_part = request.headers().contains_key(PART);
    let (request, draft) = match opened(request).await {
        Ok(opened) => opened,
        Err(problem) => return page_of(&problem.shown()),
    };
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    match response.extensions().get::<Shown>() {
        None => response,
        Some(shown) if shown.kind == "unauthenticated" => sign_in_first(&method, &uri, &draft, is_part),
        Some(shown) => page_of(shown),
    }
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    headers.contains_key(PART) || accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// A form cannot send a header: its token goes to where that of a script is. What else it has may have to be filled in once more.
async fn opened(request: Request) -> Result<(Request, Pairs), Problem> {
    if request.method().is_safe() || !forms::is_form(request.headers()) {
        return Ok((request, Pairs::default()));
    }
    let (mut parts, body) = request.into_parts();
    let body = all_of_it(Request::from_parts(parts.clone(), body), &()).await?;
    let mut pairs = Pairs::of(&body);
    if let Some(token) = pairs.get(CSRF_FIELD).and_then(|token| HeaderValue::from_str(token).ok()) {
        parts.headers.entry(CSRF_HEADER).or_insert(token);
    }
    pairs.retain(|name| !NOT_KEPT.contains(&name));
    Ok((Request::from_parts(parts, Body::from(body)), pairs))
}

/// Afterwards the page is there again, and what was filled in on it.
fn sign_in_first(method: &Method, uri: &Uri, draft: &Pairs, is_part: bool) -> Response {
    if method.is_safe() {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let sign_in = format!("/sign-in?{}", Pairs::default().with("next", target));
        // A redirection would put the page to sign in on into the part.
        return if is_part {
            (StatusCode::UNAUTHORIZED, [(GO_TO, sign_in)]).into_response()
        } else {
            Redirect::to(&sign_in).into_response()
        };
    }
    // A form is sent to a path below its page's.
    let page = uri.path().rsplit_once('/').map_or("/", |(page, _)| page);
    let asked = Pairs::of(uri.query().unwrap_or_default().as_bytes()).and(draft);
    let next = if asked.is_empty() { page.to_owned() } else { format!("{page}?{asked}") };
    With(StatusCode::UNAUTHORIZED, SignInPage::expired(&next)).into_response()
}

fn page_of(shown: &Shown) -> Response {
    With(shown.status, ProblemPage { shown: shown.clone() }).into_response()
}
