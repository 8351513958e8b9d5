//! What is decided and said on a leak's page. Afterwards the page is shown anew, and with it what has become of it; what is not possible as
//! the leak stands by now is told beside what was filled in.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::api::input::{Body, IdInPath, IfMatch, LeakInPath};
use crate::api::leaks::comments::{self, AddComment};
use crate::api::leaks::decisions::{self, Decide, Settle};
use crate::api::leaks::{self as api_leaks, ChangeLeak};
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::console::forms::{Form, Pairs};
use crate::console::frame::Frame;
use crate::console::page::With;
use crate::leaks::{Action, LeakNumber};
use crate::people::Caller;

/// What the form asks, beside its reason.
#[derive(serde::Deserialize)]
struct Asked {
    action: Action,
    new_risk: Option<stopleak_detector::Risk>,
    #[serde(default)]
    confirm: bool,
    expected: Option<i64>,
}

pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    leak: LeakInPath,
    Form(form): Form,
) -> Answer<Response> {
    let number = leak.0;
    let Asked { action, new_risk, confirm, expected } = form.only(&["action", "new_risk", "confirm", "expected"]).read()?;
    let asked = Decide {
        action,
        reason: form.get("reason").map(str::to_owned),
        risk: new_risk.filter(|_| action == Action::SetRisk),
        confirm: confirm && action == Action::ApplyVirtualPatch,
        expected,
        at: None,
        expires_at: None,
        scope: None,
        dry_run: false,
    };
    let decided = decisions::decide(State(Arc::clone(&app)), caller.clone(), leak, IfMatch(None), Body(asked)).await;
    after(&app, &caller, frame, number, form, decided.map(drop), "decided").await
}

pub(crate) async fn comment(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    leak: LeakInPath,
    Form(form): Form,
) -> Answer<Response> {
    let (number, text) = (leak.0, form.text("text").to_owned());
    let added = comments::add(State(Arc::clone(&app)), caller.clone(), leak, Body(AddComment { text })).await;
    after(&app, &caller, frame, number, form, added.map(drop), "story").await
}

pub(crate) async fn assign(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    leak: LeakInPath,
    Form(form): Form,
) -> Answer<Response> {
    let number = leak.0;
    let change = ChangeLeak { title: None, assignee: Some(form.text("assignee").to_owned()), risk: None };
    let changed = api_leaks::change(State(Arc::clone(&app)), caller.clone(), leak, IfMatch(None), Body(change)).await;
    after(&app, &caller, frame, number, form, changed.map(drop), "main").await
}

/// What waits is approved, rejected or cancelled.
pub(crate) async fn settle(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    leak: LeakInPath,
    Form(form): Form,
) -> Answer<Response> {
    let missing = || Problem::NotFound { what: "pending decision" };
    let id = IdInPath(form.text("id").parse().map_err(|_| missing())?);
    let (state, who) = (State(Arc::clone(&app)), caller.clone());
    let body = Body(Settle { reason: form.get("reason").map(str::to_owned) });
    let settled = match form.text("settle") {
        "approve" => decisions::approve(state, who, id).await.map(drop),
        "reject" => decisions::reject(state, who, id, body).await.map(drop),
        "cancel" => decisions::cancel(state, who, id, body).await.map(drop),
        _ => Err(missing()),
    };
    after(&app, &caller, frame, leak.0, form, settled, "decided").await
}

async fn after(
    app: &Arc<App>,
    caller: &Caller,
    frame: Frame,
    number: LeakNumber,
    form: Pairs,
    done: Answer<()>,
    then: &str,
) -> Answer<Response> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("{}#{then}", frame.to(&format!("leaks/{number}")))).into_response()),
        Err(problem) => {
            let shown = problem.shown();
            if !shown.status.is_client_error() {
                return Err(problem);
            }
            let status = shown.status;
            let page = super::page(app, caller, frame, number, form, Some(shown)).await?;
            Ok(With(status, page).into_response())
        }
    }
}
