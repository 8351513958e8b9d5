//! What is changed on the settings' page, by the API's own functions. Afterwards the page is shown anew.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::page;
use crate::api;
use crate::api::api_tokens::AddApiToken;
use crate::api::closed_leaks::Choose;
use crate::api::guard_rails::BeginPause;
use crate::api::input::{Body, IdInPath, IfMatchTag, NameInPath};
use crate::api::policies::ChangePolicy;
use crate::api::problem::{Answer, Problem};
use crate::api::tenants::ChangeTenant;
use crate::api::users::{AddUser, ChangeUser};
use crate::app::App;
use crate::console::forms::{Form, Pairs};
use crate::console::frame::Frame;
use crate::console::page::{Page, With};
use crate::leaks::OnUse;
use crate::people::{Caller, Role};
use crate::secret::SecretText;
use crate::time::Time;

/// The server.
pub(super) type TheApp = State<Arc<App>>;

const HOUR: u64 = 60 * 60;

pub(crate) async fn begin_pause(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let hours: u64 = form.text("hours").parse().unwrap_or(1);
    let until = Time::now().plus(Duration::from_secs(hours.saturating_mul(HOUR)));
    let asked = BeginPause { reason: form.text("reason").to_owned(), until };
    let done = api::guard_rails::begin_pause(State(Arc::clone(&app)), caller.clone(), Body(asked)).await.map(drop);
    after(&app, &caller, frame, form, done, "guard-rails").await
}

pub(crate) async fn end_pause(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let done = api::guard_rails::end_pause(State(Arc::clone(&app)), caller.clone()).await.map(drop);
    after(&app, &caller, frame, form, done, "guard-rails").await
}

pub(crate) async fn want_second_approver(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let done = api::guard_rails::want_second_approver(State(Arc::clone(&app)), caller.clone()).await.map(drop);
    after(&app, &caller, frame, form, done, "guard-rails").await
}

pub(crate) async fn waive_second_approver(
    State(app): TheApp,
    caller: Caller,
    frame: Frame,
    Form(form): Form,
) -> Answer<Response> {
    let done = api::guard_rails::waive_second_approver(State(Arc::clone(&app)), caller.clone()).await.map(drop);
    after(&app, &caller, frame, form, done, "guard-rails").await
}

pub(crate) async fn closed_leaks(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let on_use = if form.has("on_use", "alarm") { OnUse::Alarm } else { OnUse::Reopen };
    let days = form.text("observe_days").parse().map_err(|_| invalid("observe_days", "is not a whole number"));
    let done = match days {
        Ok(observe_days) => {
            let asked = Choose { observe_days, on_use };
            api::closed_leaks::choose(State(Arc::clone(&app)), caller.clone(), Body(asked)).await.map(drop)
        }
        Err(problem) => Err(problem),
    };
    after(&app, &caller, frame, form, done, "closed-leaks").await
}

/// Switches one on or off, or removes it.
pub(crate) async fn policy(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let (state, id) = (State(Arc::clone(&app)), IdInPath(id(&form, "policy")?));
    let done = match form.text("change") {
        "remove" => api::policies::remove(state, caller.clone(), id).await.map(drop),
        change => {
            let asked = Body(ChangePolicy { enabled: change == "enable" });
            api::policies::change(state, caller.clone(), id, IfMatchTag::any(), asked).await.map(drop)
        }
    };
    after(&app, &caller, frame, form, done, "policies").await
}

pub(crate) async fn add_user(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let asked = AddUser {
        name: form.text("name").to_owned(),
        role: role(&form)?,
        password: SecretText::from(form.text("password").to_owned()),
    };
    let done = api::users::add(State(Arc::clone(&app)), caller.clone(), Body(asked)).await.map(drop);
    after(&app, &caller, frame, form, done, "people").await
}

/// Gives somebody another role, signs them out, or removes them.
pub(crate) async fn user(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let (state, id) = (State(Arc::clone(&app)), IdInPath(id(&form, "user")?));
    let done = match form.text("change") {
        "remove" => api::users::remove(state, caller.clone(), id).await.map(drop),
        "sign_out" => api::users::sign_out(state, caller.clone(), id).await.map(drop),
        _ => {
            let asked = Body(ChangeUser { role: Some(role(&form)?), password: None });
            api::users::change(state, caller.clone(), id, IfMatchTag::any(), asked).await.map(drop)
        }
    };
    after(&app, &caller, frame, form, done, "people").await
}

/// The page that follows is the only one that shows the token.
pub(crate) async fn add_api_token(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let days: Option<u64> = form.get("days").and_then(|days| days.parse().ok());
    let expires_at = days.map(|days| Time::now().plus(Duration::from_secs(days.saturating_mul(24 * HOUR))));
    let expires_at = expires_at.map(|time| crate::console::filters::in_rfc_3339(&time));
    let asked = AddApiToken { name: form.text("name").to_owned(), role: role(&form)?, expires_at };
    match api::api_tokens::add(State(Arc::clone(&app)), caller.clone(), Body(asked)).await {
        Ok(added) => {
            let added = added.into_body();
            let mut page = page(&app, &caller, frame, Pairs::default(), None).await?;
            page.new_token = Some((added.api_token.name, added.token));
            Ok(Page(page).into_response())
        }
        Err(problem) => after(&app, &caller, frame, form, Err(problem), "api-tokens").await,
    }
}

pub(crate) async fn revoke_api_token(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let id = IdInPath(id(&form, "API token")?);
    let done = api::api_tokens::revoke(State(Arc::clone(&app)), caller.clone(), id).await.map(drop);
    after(&app, &caller, frame, form, done, "api-tokens").await
}

/// A box that is not ticked is not sent.
pub(crate) async fn change_tenant(State(app): TheApp, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let asked = ChangeTenant {
        title: form.get("title").map(str::to_owned),
        api_leaks: Some(form.has("api_leaks", "true")),
        public_checks: Some(form.has("public_checks", "true")),
    };
    let (state, name) = (State(Arc::clone(&app)), NameInPath(frame.tenant.clone()));
    let done = api::tenants::change(state, caller.clone(), name, IfMatchTag::any(), Body(asked)).await.map(drop);
    after(&app, &caller, frame, form, done, "tenant").await
}

pub(super) async fn after(
    app: &Arc<App>,
    caller: &Caller,
    frame: Frame,
    form: Pairs,
    done: Answer<()>,
    section: &str,
) -> Answer<Response> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("{}#{section}", frame.to("settings"))).into_response()),
        Err(problem) => {
            let shown = problem.shown();
            if !shown.status.is_client_error() {
                return Err(problem);
            }
            let status = shown.status;
            Ok(With(status, page(app, caller, frame, form, Some(shown)).await?).into_response())
        }
    }
}

pub(super) fn id(form: &Pairs, what: &'static str) -> Answer<i64> {
    form.text("id").parse().map_err(|_| Problem::NotFound { what })
}

fn role(form: &Pairs) -> Answer<Role> {
    Role::parse(form.text("role")).ok_or_else(|| invalid("role", "is not one of the roles"))
}

pub(super) fn invalid(field: &'static str, detail: &str) -> Problem {
    Problem::Invalid { field, detail: detail.to_owned() }
}
