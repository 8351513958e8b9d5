//! Signing in and out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::forms::{Asked, Form};
use super::page::{Page, With};
use crate::api::input::Body;
use crate::api::limits::Visitor;
use crate::api::problem::{Answer, Problem};
use crate::api::session::{self, SignIn};
use crate::app::App;
use crate::people::Caller;
use crate::secret::SecretText;
use crate::tenants;

/// Who are you?
#[derive(askama::Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage {
    /// Where to go then: a path of this server.
    next: String,
    name: String,
    tenant: String,
    /// Why it has to be tried again.
    wrong: String,
    /// Whether somebody was signed in until now.
    has_expired: bool,
    /// Whether single sign-on is configured.
    with_sso: bool,
}

const HOME: &str = "/";

impl SignInPage {
    fn new(next: Option<&str>) -> Self {
        let next = next.filter(|next| is_ours(next)).unwrap_or(HOME).to_owned();
        let tenant = tenants::DEFAULT.to_owned();
        Self { next, name: String::new(), tenant, wrong: String::new(), has_expired: false, with_sso: false }
    }

    /// In the middle of something.
    pub(super) fn expired(next: &str) -> Self {
        Self { has_expired: true, ..Self::new(Some(next)) }
    }
}

pub(crate) async fn show(State(app): State<Arc<App>>, Asked(asked): Asked) -> Page<SignInPage> {
    Page(SignInPage { with_sso: app.sso.is_some(), ..SignInPage::new(asked.get("next")) })
}

pub(crate) async fn sign_in(State(app): State<Arc<App>>, visitor: Visitor, Form(form): Form) -> Answer<Response> {
    let page = SignInPage::new(form.get("next"));
    let tenant = form.get("tenant").unwrap_or(tenants::DEFAULT).to_owned();
    let (name, password) = (form.text("name").to_owned(), SecretText::from(form.text("password").to_owned()));
    let asked = SignIn { name: name.clone(), password, tenant: Some(tenant.clone()) };
    let with_sso = app.sso.is_some();
    match session::sign_in(State(app), visitor, Body(asked)).await {
        Ok(opened) => Ok(with_cookie(Redirect::to(&page.next), opened.cookie)),
        Err(problem @ (Problem::SignInFailed | Problem::LockedOut { .. } | Problem::RateLimited { .. })) => {
            let shown = problem.shown();
            Ok(With(shown.status, SignInPage { name, tenant, wrong: shown.detail, with_sso, ..page }).into_response())
        }
        Err(problem) => Err(problem),
    }
}

pub(crate) async fn sign_out(app: State<Arc<App>>, caller: Caller) -> Answer<Response> {
    let signed_out = session::sign_out(app, caller).await?;
    Ok(with_cookie(Redirect::to("/sign-in"), signed_out.0))
}

/// A path of this server, and not another server's address.
fn is_ours(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t'])
}

fn with_cookie(redirect: Redirect, cookie: HeaderValue) -> Response {
    let mut response = redirect.into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server() {
        for ours in ["/", "/t/default/leaks?status=open&text=//"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }
}
