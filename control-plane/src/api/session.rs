//! `/api/v1/session` and `/api/v1/sessions`: signing in and out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cookie;
use super::input::{Asked, Body, IdInPath};
use super::limits::Visitor;
use super::output::{Opened, SignedOut};
use super::page::{Page, list_query};
use super::problem::{Answer, Problem};
use super::users::new_password;
use crate::app::App;
use crate::audit;
use crate::people::sessions::{self, Session};
use crate::people::{Caller, Role, Who, lockout, users};
use crate::secret::{Purpose, Secret, SecretText};
use crate::tenants::{self, Tenant};
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    pub(crate) name: String,
    pub(crate) password: SecretText,
    /// `default` when absent.
    pub(crate) tenant: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    current: SecretText,
    new: SecretText,
}

/// Who the caller is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Whoami {
    kind: &'static str,
    name: String,
    role: Role,
    /// The tenant that the caller belongs to.
    home: String,
    /// The tenant that the request was about.
    tenant: String,
    /// What a browser sends as `x-csrf-token` with everything that changes something.
    csrf_token: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SessionList {
    sessions: Vec<Session>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

list_query! {
    pub(super) struct ListSessions by ["id", "created_at", "last_used_at", "address"] {}
}

/// Takes name and password, and answers with a session's cookie. One that the browser had before ends.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    Visitor { headers, address }: Visitor,
    Body(asked): Body<SignIn>,
) -> Answer<Opened<Whoami>> {
    let SignIn { name, password, tenant } = asked;
    let caller = authenticate(&app, tenant.as_deref().unwrap_or(tenants::DEFAULT), &name, &password).await?;
    open(&app, Caller { address, ..caller }, &headers).await
}

pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap, caller: Caller) -> Json<Whoami> {
    let secret = app.site.session(&headers).filter(|_| matches!(caller.who, Who::User { .. }));
    Json(whoami(&caller, secret.as_ref()))
}

pub(crate) async fn sign_out(State(app): State<Arc<App>>, caller: Caller) -> Answer<SignedOut> {
    let (user, session) = person(&caller)?;
    end_one(&app, &caller, user, session).await?;
    Ok(SignedOut(app.site.no_cookie()))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListSessions>,
) -> Answer<Json<SessionList>> {
    let (user, session) = person(&caller)?;
    let mut db = app.store.read().await?;
    let sessions = sessions::list(&mut db, caller.home.id, user, Some(session), Time::now()).await?;
    let Page { items: sessions, next } = asked.page().by_default("-id").of(sessions)?;
    Ok(Json(SessionList { sessions, next }))
}

pub(super) async fn end(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let (user, _) = person(&caller)?;
    end_one(&app, &caller, user, id).await?;
    Ok(NoContent)
}

/// Signs out everywhere, here too.
pub(super) async fn end_all(State(app): State<Arc<App>>, caller: Caller) -> Answer<SignedOut> {
    let (user, _) = person(&caller)?;
    let mut db = app.store.write().await?;
    let ended = sessions::end_all(&mut db, caller.home.id, user).await?;
    let (object, after) = (format!("user/{user}"), Some(json!({"sessions_ended": ended})));
    audit::record(&mut db, &caller.of(&caller.home), "session.end_all", &object, None, after).await?;
    db.commit().await?;
    Ok(SignedOut(app.site.no_cookie()))
}

/// The other sessions end: whoever knew the old password may have one of them.
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    caller: Caller,
    Body(asked): Body<ChangePassword>,
) -> Answer<Opened<Whoami>> {
    let (user, _) = person(&caller)?;
    authenticate(&app, &caller.home.name, &caller.name, &asked.current).await?;
    let hash = new_password(&app, &caller.name, &asked.new).await?;
    let mut db = app.store.write().await?;
    users::set_password(&mut db, caller.home.id, user, &hash).await?;
    sessions::end_all(&mut db, caller.home.id, user).await?;
    let object = format!("user/{user}");
    audit::record(&mut db, &caller.of(&caller.home), "user.change_password", &object, None, Some(json!({}))).await?;
    db.commit().await?;
    open(&app, caller, &headers).await
}

/// Checks a password. What is wrong is not told, nor does it show in the time that it takes.
async fn authenticate(app: &App, tenant: &str, name: &str, password: &SecretText) -> Answer<Caller> {
    let name = name.trim().to_lowercase();
    let mut db = app.store.read().await?;
    let tenant = tenants::find(&mut db, tenant).await?;
    let account = match &tenant {
        Some(tenant) => users::named(&mut db, tenant.id, &name).await?,
        None => None,
    };
    drop(db);
    let (Some(tenant), Some(account)) = (tenant, account) else {
        // Names that nobody has are locked like others: otherwise the lock would tell which there are.
        if let Some(wait) = app.limits.unknown.try_again(&name, Time::now()) {
            return Err(Problem::LockedOut { wait });
        }
        app.passwords.is_right(None, &password.0).await;
        return Err(Problem::SignInFailed);
    };
    let user = account.user.id;
    let mut db = app.store.write().await?;
    // Read again, and the clock too: of many who try at the same time, each counts before its password is looked at.
    let now = Time::now();
    let account = users::for_a_try(&mut db, tenant.id, user).await?.ok_or(Problem::SignInFailed)?;
    if let Some(wait) = lockout::wait(account.failures, account.failed_at, now) {
        return Err(Problem::LockedOut { wait });
    }
    users::count_try(&mut db, tenant.id, user, now).await?;
    db.commit().await?;
    if !app.passwords.is_right(account.password.as_deref(), &password.0).await {
        tracing::warn!(user, tenant = tenant.name, failures = account.failures + 1, "a wrong password");
        return Err(Problem::SignInFailed);
    }
    let mut db = app.store.write().await?;
    users::signed_in(&mut db, tenant.id, user, Time::now()).await?;
    db.commit().await?;
    Ok(person_of(tenant, account.user))
}

/// Opens a session for somebody who has just proved who they are.
pub(super) async fn open(app: &App, caller: Caller, headers: &HeaderMap) -> Answer<Opened<Whoami>> {
    let secret = Secret::generate(Purpose::Session).map_err(|error| Problem::Internal(anyhow::anyhow!("{error}")))?;
    let Who::User { user, .. } = caller.who else { return Err(Problem::NotFound { what: "session" }) };
    let address = caller.address.map(|address| address.to_string()).unwrap_or_default();
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let mut db = app.store.write().await?;
    // What was signed in with before is not taken along: nobody can have planted it.
    if let Some(before) = app.site.session(headers) {
        sessions::end_presented(&mut db, &before).await?;
    }
    let session = sessions::open(&mut db, caller.home.id, user, &secret, (&address, agent), Time::now()).await?;
    let (object, after) = (format!("session/{session}"), Some(json!({"user": user, "agent": agent})));
    audit::record(&mut db, &caller.of(&caller.home), "session.open", &object, None, after).await?;
    db.commit().await?;
    Ok(Opened { body: whoami(&caller, Some(&secret)), cookie: app.site.cookie(&secret) })
}

/// A user who is about to have a session.
pub(super) fn person_of(tenant: Tenant, user: users::User) -> Caller {
    let who = Who::User { user: user.id, session: 0 };
    Caller { who, name: user.name, role: user.role, home: tenant.clone(), tenant, address: None }
}

async fn end_one(app: &App, caller: &Caller, user: i64, id: i64) -> Answer<()> {
    let mut db = app.store.write().await?;
    if !sessions::end(&mut db, caller.home.id, user, id).await? {
        return Err(Problem::NotFound { what: "session" });
    }
    let (object, before) = (format!("session/{id}"), Some(json!({"user": user})));
    audit::record(&mut db, &caller.of(&caller.home), "session.end", &object, before, None).await?;
    db.commit().await?;
    Ok(())
}

fn whoami(caller: &Caller, session: Option<&Secret>) -> Whoami {
    Whoami {
        kind: caller.who.kind(),
        name: caller.name.clone(),
        role: caller.role,
        home: caller.home.name.clone(),
        tenant: caller.tenant.name.clone(),
        csrf_token: session.map(cookie::csrf_token),
    }
}

/// Programs with an API token have no sessions.
fn person(caller: &Caller) -> Answer<(i64, i64)> {
    match caller.who {
        Who::User { user, session } => Ok((user, session)),
        Who::ApiToken(_) | Who::System => Err(Problem::NotFound { what: "session" }),
    }
}
