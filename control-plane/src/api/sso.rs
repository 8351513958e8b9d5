//! `/api/v1/sso`: single sign-on, in a browser.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::cookie;
use super::input::Asked;
use super::limits::Visitor;
use super::output::Redirect;
use super::problem::{Answer, Problem};
use super::session::{open, person_of};
use crate::app::App;
use crate::audit;
use crate::people::sso::{Identity, Sso, SsoError};
use crate::people::{Caller, sessions, users};
use crate::secret::{Purpose, Secret};
use crate::tenants;
use crate::time::Time;

/// What the provider sends the browser back with. Anybody can send anything here.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "/api/v1/sso/callback";
/// Where somebody is who has signed in.
const AFTERWARDS: &str = "/";
/// Seconds that a sign-in may take at the provider.
const MINUTES_THERE: u64 = 600;

/// Sends the browser to the provider.
pub(super) async fn begin(State(app): State<Arc<App>>, _: Visitor) -> Answer<Redirect> {
    let sso = provider(&app)?;
    let secret = Secret::generate(Purpose::Session).map_err(|error| Problem::Internal(anyhow::anyhow!("{error}")))?;
    let url = sso.begin(&secret).await.map_err(told)?;
    let cookie = app.site.set(cookie_name(&app), secret.expose(), MINUTES_THERE);
    redirect(&url, [cookie])
}

/// Takes the browser back from the provider and opens a session.
pub(super) async fn callback(
    State(app): State<Arc<App>>,
    Asked(back): Asked<Back>,
    Visitor { headers, address }: Visitor,
) -> Answer<Redirect> {
    let sso = provider(&app)?;
    let begin_again = || told(SsoError::Refused("this sign-in was not begun in this browser; begin once more".to_owned()));
    let secret = cookie::read(&headers, cookie_name(&app)).map(Secret::presented).ok_or_else(begin_again)?;
    let (Some(code), Some(state)) = (back.code, back.state) else {
        return Err(told(SsoError::Refused("the provider has not signed anybody in; begin once more".to_owned())));
    };
    let identity = sso.finish(&secret, &state, code, back.iss.as_deref()).await.map_err(told)?;
    let caller = Caller { address, ..enter(&app, &identity).await? };
    let opened = open(&app, caller, &headers).await?;
    let used = app.site.set(cookie_name(&app), "", 0);
    redirect(AFTERWARDS, [opened.cookie, used])
}

/// The user of an identity, as the provider's groups have it now.
async fn enter(app: &App, identity: &Identity) -> Answer<Caller> {
    let Some((tenant, role)) = &identity.place else {
        return Err(told(SsoError::Refused("none of your groups has a role here; ask an administrator".to_owned())));
    };
    let now = Time::now();
    let mut db = app.store.write().await?;
    let tenant = tenants::find(&mut db, tenant).await?;
    let tenant = tenant.ok_or_else(|| told(SsoError::Refused("your group belongs to a tenant that is not there".to_owned())))?;
    let system = Caller::system("single sign-on", tenant.clone());
    let known = users::of_subject(&mut db, &identity.issuer, &identity.subject).await?;
    let known = match known {
        // Another tenant now: somebody else, as far as the rows are concerned.
        Some((home, user)) if home.id != tenant.id => {
            users::remove(&mut db, home.id, user.id, now).await?;
            sessions::end_all(&mut db, home.id, user.id).await?;
            let system = Caller::system("single sign-on", home);
            audit::record(&mut db, &system, "user.remove", &format!("user/{}", user.id), audit::seen(&user), None).await?;
            None
        }
        known => known.map(|(_, user)| user),
    };
    let user = match known {
        Some(user) if user.role == *role => user,
        Some(user) => {
            users::set_role(&mut db, tenant.id, user.id, *role).await?;
            let object = format!("user/{}", user.id);
            let after = Some(json!({"role": role, "by": "the provider's groups"}));
            audit::record(&mut db, &system, "user.change", &object, audit::seen(&user), after).await?;
            users::User { role: *role, ..user }
        }
        None => {
            let name = identity.name.trim().to_lowercase();
            let subject = (identity.issuer.as_str(), identity.subject.as_str());
            let user = users::add_of_subject(&mut db, tenant.id, &name, *role, subject, now).await?;
            // An account of that name is somebody else's.
            let user = user.ok_or(Problem::NameTaken { what: "user" })?;
            audit::record(&mut db, &system, "user.add", &format!("user/{}", user.id), None, audit::seen(&user)).await?;
            user
        }
    };
    users::signed_in(&mut db, tenant.id, user.id, now).await?;
    db.commit().await?;
    Ok(person_of(tenant, user))
}

fn provider(app: &App) -> Answer<Arc<Sso>> {
    app.sso.clone().ok_or(Problem::NotFound { what: "provider of single sign-on" })
}

fn cookie_name(app: &App) -> &'static str {
    if app.site.is_secure() { "__Host-stopleak-sso" } else { "stopleak-sso" }
}

fn told(error: SsoError) -> Problem {
    match error {
        SsoError::Provider(_) => Problem::ProviderFailed { detail: error.to_string() },
        SsoError::Refused(detail) => Problem::SsoRefused { detail },
    }
}

fn redirect(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Answer<Redirect> {
    let mut headers = HeaderMap::new();
    let location = HeaderValue::from_str(to).map_err(|error| Problem::Internal(error.into()))?;
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    Ok(Redirect((StatusCode::SEE_OTHER, headers).into_response()))
}
