//! `/api/v1/users`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Asked, Body, IdInPath, IfMatchTag, line};
use super::output::{Created, Tagged, tag};
use super::page::{Page, has, list_query};
use super::problem::{Answer, Problem};
use super::rights::Right;
use crate::app::App;
use crate::audit;
use crate::people::users::{self, User};
use crate::people::{Caller, PasswordError, Role, Who, sessions};
use crate::secret::SecretText;
use crate::store::Connection;
use crate::tenants::DEFAULT;
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddUser {
    /// By which they sign in: letters, digits and `. _ @ + -`.
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) name: String,
    pub(crate) role: Role,
    /// 12 characters at least, and none that others have guessed already.
    pub(crate) password: SecretText,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeUser {
    pub(crate) role: Option<Role>,
    /// Ends the user's sessions.
    pub(crate) password: Option<SecretText>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct UserList {
    users: Vec<User>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

list_query! {
    pub(super) struct ListUsers by ["name", "id", "role", "created_at", "last_signed_in_at"] {
        /// A part of the name, in any case.
        text: Option<String>,
        role: Option<Role>,
    }
}

const MAX_NAME: usize = 100;

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListUsers>) -> Answer<Json<UserList>> {
    let mut users = users::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    users.retain(|user| has(&user.name, asked.text.as_deref()) && asked.role.is_none_or(|role| user.role == role));
    let Page { items: users, next } = asked.page().of(users)?;
    Ok(Json(UserList { users, next }))
}

pub(crate) async fn add(State(app): State<Arc<App>>, caller: Caller, Body(asked): Body<AddUser>) -> Answer<Created<User>> {
    let name = name(&asked.name)?;
    may_give(&caller, asked.role)?;
    let hash = new_password(&app, &name, &asked.password).await?;
    let mut db = app.store.write().await?;
    let user = users::add(&mut db, caller.tenant.id, &name, asked.role, Some(&hash), Time::now()).await?;
    let user = user.ok_or(Problem::NameTaken { what: "user" })?;
    audit::record(&mut db, &caller, "user.add", &object(user.id), None, audit::seen(&user)).await?;
    db.commit().await?;
    tracing::info!(user = user.id, author = caller.name, "user added");
    Ok(Created::at(format!("/api/v1/users/{}", user.id), user))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Tagged<User>> {
    let user = users::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    user.map(tagged).ok_or(Problem::NotFound { what: "user" })
}

/// Whoever gets another password is signed out everywhere.
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    seen: IfMatchTag,
    Body(asked): Body<ChangeUser>,
) -> Answer<Tagged<User>> {
    let before = managed(&mut *app.store.read().await?, &caller, id).await?;
    let hash = match &asked.password {
        Some(password) => Some(new_password(&app, &before.name, password).await?),
        None => None,
    };
    let mut db = app.store.write().await?;
    // Once more: it may have changed while the password was hashed.
    let before = managed(&mut db, &caller, id).await?;
    seen.holds(&etag(&before))?;
    if let Some(role) = asked.role.filter(|role| *role != before.role) {
        may_give(&caller, role)?;
        keeps_an_administrator(&mut db, &caller, &before).await?;
        users::set_role(&mut db, caller.tenant.id, id, role).await?;
    }
    if let Some(hash) = &hash {
        users::set_password(&mut db, caller.tenant.id, id, hash).await?;
        sessions::end_all(&mut db, caller.tenant.id, id).await?;
    }
    let after = users::get(&mut db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "user" })?;
    let seen = json!({"user": after, "new_password": hash.is_some()});
    audit::record(&mut db, &caller, "user.change", &object(id), audit::seen(&before), Some(seen)).await?;
    db.commit().await?;
    tracing::info!(user = id, author = caller.name, "user changed");
    Ok(tagged(after))
}

pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let mut db = app.store.write().await?;
    let before = managed(&mut db, &caller, id).await?;
    keeps_an_administrator(&mut db, &caller, &before).await?;
    users::remove(&mut db, caller.tenant.id, id, Time::now()).await?;
    sessions::end_all(&mut db, caller.tenant.id, id).await?;
    audit::record(&mut db, &caller, "user.remove", &object(id), audit::seen(&before), None).await?;
    db.commit().await?;
    tracing::info!(user = id, author = caller.name, "user removed");
    Ok(NoContent)
}

/// Signs a user out everywhere.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let mut db = app.store.write().await?;
    managed(&mut db, &caller, id).await?;
    let ended = sessions::end_all(&mut db, caller.tenant.id, id).await?;
    let after = Some(json!({"sessions_ended": ended}));
    audit::record(&mut db, &caller, "user.sign_out", &object(id), None, after).await?;
    db.commit().await?;
    Ok(NoContent)
}

/// The hash of a password, when it can be taken.
pub(super) async fn new_password(app: &App, account: &str, password: &SecretText) -> Answer<String> {
    app.passwords.hash(account, &password.0).await.map_err(|error| match error {
        PasswordError::Weak(detail) => Problem::Invalid { field: "password", detail },
        PasswordError::Failed(reason) => Problem::Internal(anyhow::Error::msg(reason)),
    })
}

/// Nobody gives a role that reaches further than their own, and who has one over all tenants belongs to the first.
pub(super) fn may_give(caller: &Caller, role: Role) -> Answer<()> {
    if !caller.role.may_give(role) {
        return Err(Problem::Forbidden { roles: Right::Tenants.roles() });
    }
    if role.is_global() && caller.tenant.name != DEFAULT {
        let detail = format!("reaches over all tenants; whoever has it belongs to the tenant {DEFAULT}");
        return Err(Problem::Invalid { field: "role", detail });
    }
    Ok(())
}

/// A user whom the caller may manage.
async fn managed(db: &mut Connection, caller: &Caller, id: i64) -> Answer<User> {
    let user = users::get(db, caller.tenant.id, id).await?.ok_or(Problem::NotFound { what: "user" })?;
    if caller.role.may_give(user.role) { Ok(user) } else { Err(Problem::Forbidden { roles: Right::Tenants.roles() }) }
}

/// That somebody is removed or gets another role: not oneself, and not the last one who could undo it.
async fn keeps_an_administrator(db: &mut Connection, caller: &Caller, user: &User) -> Answer<()> {
    if matches!(caller.who, Who::User { user: own, .. } if own == user.id) {
        return Err(Problem::OwnAccount);
    }
    if user.role.administers() && !users::has_another(db, caller.tenant.id, user.id, user.role).await? {
        return Err(Problem::LastAdministrator { role: user.role });
    }
    Ok(())
}

fn tagged(user: User) -> Tagged<User> {
    Tagged { etag: etag(&user), body: user }
}

/// Signing in changes nobody's account.
fn etag(user: &User) -> String {
    tag(&User { last_signed_in_at: None, ..user.clone() })
}

fn object(id: i64) -> String {
    format!("user/{id}")
}

fn name(text: &str) -> Answer<String> {
    let name = line("name", text, MAX_NAME)?.to_lowercase();
    let is_plain = |c: char| c.is_alphanumeric() || "._@+-".contains(c);
    let detail = "may have letters, digits and . _ @ + -".to_owned();
    if name.chars().all(is_plain) { Ok(name) } else { Err(Problem::Invalid { field: "name", detail }) }
}
