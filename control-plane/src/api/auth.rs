//! Who calls, and whether they may: one middleware, by the table of `rights`, before any handler.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::cookie;
use super::peer::{Peer, network};
use super::rights::{Right, Route};
use super::{Answer, Problem};
use crate::api_tokens::{self, Presented};
use crate::app::App;
use crate::people::{Caller, Who, sessions};
use crate::secret::{Purpose, Secret};
use crate::tenants;
use crate::time::Time;

/// By which a global caller chooses the tenant; without it, it is [`tenants::DEFAULT`].
pub const TENANT_HEADER: &str = "stopleak-tenant";

/// What the paths of a tenant's pages begin with.
const TENANT_PREFIX: &str = "/t/";

/// The rights of every route, by path.
#[derive(Default)]
pub(super) struct Gate {
    rights: HashMap<&'static str, Vec<(Method, Right)>>,
}

impl Gate {
    pub(super) fn of(routes: &[Route]) -> Self {
        let mut gate = Self::default();
        for route in routes {
            gate.rights.entry(route.path).or_default().push((route.method.clone(), route.right));
        }
        gate
    }

    /// What the route needs; `None` when the table does not have it.
    fn right(&self, path: &str, method: &Method) -> Result<Right, Option<String>> {
        let rows = self.rights.get(path).ok_or(None)?;
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let row = rows.iter().find(|(method, _)| method == wanted);
        row.map(|(_, right)| *right).ok_or_else(|| Some(allowed(rows)))
    }
}

/// Lets a request through to its handler, with a [`Caller`], or refuses it.
pub(super) async fn authorise(State((app, gate)): State<(Arc<App>, Arc<Gate>)>, request: Request, next: Next) -> Response {
    // Without a path nothing matched, and what follows says so.
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else { return next.run(request).await };
    let right = match gate.right(path.as_str(), request.method()) {
        Ok(right) => right,
        Err(Some(allow)) => return method_not_allowed(&allow),
        // Somebody added a route beside the table: nobody has a right to it.
        Err(None) => return Problem::Forbidden { roles: &[] }.into_response(),
    };
    if matches!(right, Right::Open | Right::Signed) {
        return next.run(request).await;
    }
    let peer = Peer::of(&request);
    let (mut parts, body) = request.into_parts();
    let let_in = async {
        let caller = recognise(&app, &parts, peer).await?;
        let left = app.limits.take(&caller)?;
        Ok::<_, Problem>((permit(caller, right)?, left))
    };
    match let_in.await {
        Ok((caller, left)) => {
            parts.extensions.insert(caller);
            let mut response = next.run(Request::from_parts(parts, body)).await;
            app.limits.tell(response.headers_mut(), left);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

fn permit(caller: Caller, right: Right) -> Answer<Caller> {
    if right.roles().contains(&caller.role) { Ok(caller) } else { Err(Problem::Forbidden { roles: right.roles() }) }
}

async fn recognise(app: &Arc<App>, parts: &Parts, peer: Peer) -> Answer<Caller> {
    let (method, headers, in_path) = (&parts.method, &parts.headers, tenant_in_path(parts.uri.path()));
    let address = app.proxies.client(headers, peer);
    let session = if headers.contains_key(header::AUTHORIZATION) { None } else { app.site.session(headers) };
    let known = match &session {
        Some(session) => with_session(app, method, headers, session).await,
        None => with_token(app, headers).await,
    };
    let mut caller = known.map_err(|problem| stranger(app, address, problem))?;
    caller.address = address;
    let named = headers.get(TENANT_HEADER).map(|name| name.to_str().unwrap_or_default());
    for name in [named, in_path].into_iter().flatten() {
        choose_tenant(&mut *app.store.read().await?, &mut caller, name).await?;
    }
    Ok(caller)
}

/// Whoever is not known may try only so often.
fn stranger(app: &App, address: Option<IpAddr>, problem: Problem) -> Problem {
    if !matches!(problem, Problem::Unauthenticated(_)) {
        return problem;
    }
    match app.limits.strangers.take(address.map(network), Instant::now()) {
        Ok(_) => problem,
        Err(left) => Problem::RateLimited { left },
    }
}

async fn with_token(app: &Arc<App>, headers: &HeaderMap) -> Answer<Caller> {
    let secret = bearer(headers)?;
    let now = Time::now();
    let (presented, stale) = api_tokens::present(&mut *app.store.read().await?, &secret, now).await?;
    let Presented::Known(caller) = presented else {
        return Err(Problem::Unauthenticated(refusal(&presented, &secret)));
    };
    if stale {
        note_use(app, &caller, now);
    }
    Ok(caller)
}

async fn with_session(app: &Arc<App>, method: &Method, headers: &HeaderMap, secret: &Secret) -> Answer<Caller> {
    let now = Time::now();
    let Some((caller, stale)) = sessions::present(&mut *app.store.read().await?, secret, now).await? else {
        return Err(Problem::Unauthenticated("the session has ended; sign in again".to_owned()));
    };
    cookie::is_ours(&app.site, method, headers, secret)?;
    if stale {
        note_use(app, &caller, now);
    }
    Ok(caller)
}

/// A page's URL says whose it is, so that it means the same in every window and for everybody.
fn tenant_in_path(path: &str) -> Option<&str> {
    path.strip_prefix(TENANT_PREFIX)?.split('/').next()
}

/// A tenant that is not there and one that is none of the caller's business look alike.
async fn choose_tenant(db: &mut crate::store::Connection, caller: &mut Caller, name: &str) -> Answer<()> {
    let no_such = Problem::NotFound { what: "tenant" };
    if caller.tenant.name == name {
        return Ok(());
    }
    if !caller.role.is_global() {
        return Err(no_such);
    }
    caller.tenant = tenants::find(db, name).await?.ok_or(no_such)?;
    Ok(())
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let nobody = || Problem::Internal(anyhow::anyhow!("a route that is open to all asks for a caller"));
        parts.extensions.get::<Self>().cloned().ok_or_else(nobody)
    }
}

fn bearer(headers: &HeaderMap) -> Result<Secret, Problem> {
    let missing = || {
        Problem::Unauthenticated(
            "send an API token as `authorization: Bearer slk_…`; the first one is in the file admin-token of the data folder"
                .to_owned(),
        )
    };
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::presented(token)).ok_or_else(missing)
}

fn refusal(presented: &Presented, secret: &Secret) -> String {
    match presented {
        Presented::Expired(_) => "this API token has expired; use another".to_owned(),
        Presented::Revoked(_) => "this API token was revoked; use another".to_owned(),
        _ if secret.purpose() == Some(Purpose::Gateway) => {
            "this is a gateway's credential (slg_…); the API takes API tokens (slk_…)".to_owned()
        }
        _ => "this API token is not known here; the first one is in the file admin-token of the data folder".to_owned(),
    }
}

/// Nobody waits for this, and nothing depends on it.
fn note_use(app: &Arc<App>, caller: &Caller, now: Time) {
    let (store, who, home) = (app.store.clone(), caller.who, caller.home.id);
    tokio::spawn(async move {
        let written = async {
            let mut db = store.write().await?;
            match who {
                Who::ApiToken(id) => api_tokens::touch(&mut db, id, now).await?,
                Who::User { session, .. } => sessions::touch(&mut db, home, session, now).await?,
                Who::System => {}
            }
            db.commit().await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "the use of an API token or a session was not written down");
        }
    });
}

fn method_not_allowed(allow: &str) -> Response {
    let mut response = Problem::MethodNotAllowed.into_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn allowed(rows: &[(Method, Right)]) -> String {
    let mut methods: Vec<&str> = rows.iter().map(|(method, _)| method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::rights;

    #[test]
    fn only_what_the_table_has_is_let_through() {
        let gate = Gate::of(&rights::routes());
        assert_eq!(gate.right("/api/v1/leaks", &Method::HEAD), Ok(Right::See));
        assert_eq!(gate.right("/api/v1/leaks", &Method::POST), Ok(Right::Decide));
        assert_eq!(gate.right("/api/v1/leaks", &Method::PUT), Err(Some("GET,POST,HEAD".to_owned())));
        assert_eq!(gate.right("/api/v1/beside-the-table", &Method::GET), Err(None));
    }
}
