//! Gateways: which are connected, which index each has, and what is wrong with them; and adding one, with the configuration that it needs.

mod setup;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};

use self::setup::Setup;
use super::forms::{Form, Pairs};
use super::frame::Frame;
use super::page::{Page, With};
use super::{filters, icons, words};
use crate::api;
use crate::api::gateways::{AddGateway, GatewayAdded, GatewayList, GatewayView};
use crate::api::input::{Body, IdInPath};
use crate::api::problem::{Answer, Problem, Shown};
use crate::api::rights::Right;
use crate::app::App;
use crate::people::Caller;

/// The list.
#[derive(askama::Template)]
#[template(path = "gateways/gateways.html")]
pub(crate) struct Gateways {
    frame: Frame,
    list: GatewayList,
    /// What was filled in before something came in between.
    form: Pairs,
    /// Why it was not done.
    wrong: Option<Shown>,
}

/// A new gateway, and what it needs: the only page that ever shows its credential.
#[derive(askama::Template)]
#[template(path = "gateways/added.html")]
pub(crate) struct Added {
    frame: Frame,
    gateway: GatewayAdded,
    setup: Setup,
}

/// As many as the API gives at once; a fleet has fewer credentials.
const PAGE: u32 = 1000;

pub(crate) async fn show(State(app): State<Arc<App>>, caller: Caller, frame: Frame) -> Answer<Page<Gateways>> {
    page(&app, caller, frame, Pairs::default(), None).await.map(Page)
}

pub(crate) async fn add(State(app): State<Arc<App>>, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let asked = AddGateway { name: form.text("name").to_owned() };
    match api::gateways::add(State(Arc::clone(&app)), caller.clone(), Body(asked)).await {
        Ok(added) => {
            let gateway = added.into_body();
            let setup = Setup::of(&gateway);
            Ok(Page(Added { frame, gateway, setup }).into_response())
        }
        Err(problem) => refused(&app, caller, frame, form, problem).await,
    }
}

pub(crate) async fn revoke(State(app): State<Arc<App>>, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let id = IdInPath(form.text("id").parse().map_err(|_| Problem::NotFound { what: "gateway" })?);
    match api::gateways::revoke(State(Arc::clone(&app)), caller.clone(), id).await {
        Ok(_) => Ok(Redirect::to(&frame.to("gateways")).into_response()),
        Err(problem) => refused(&app, caller, frame, form, problem).await,
    }
}

async fn refused(app: &Arc<App>, caller: Caller, frame: Frame, form: Pairs, problem: Problem) -> Answer<Response> {
    let shown = problem.shown();
    if !shown.status.is_client_error() {
        return Err(problem);
    }
    let status = shown.status;
    Ok(With(status, page(app, caller, frame, form, Some(shown)).await?).into_response())
}

async fn page(app: &Arc<App>, caller: Caller, frame: Frame, form: Pairs, wrong: Option<Shown>) -> Answer<Gateways> {
    let query = Pairs::default().with("limit", PAGE).with("revoked", false).read()?;
    let Json(list) = api::gateways::list(State(Arc::clone(app)), caller, api::input::Asked(query)).await?;
    Ok(Gateways { frame, list, form, wrong })
}

impl Gateways {
    /// Whether the reader may add and revoke them.
    fn operates(&self) -> bool {
        self.frame.may(Right::Operate)
    }

    /// How it is, in a word, and what that looks like.
    fn state(gateway: &GatewayView) -> (&'static str, &'static str) {
        let state = &gateway.state;
        match (state.connected, state.refuses, state.is_behind()) {
            (false, ..) => ("false", "Not connected"),
            (_, true, _) => ("bad", "Refuses pushes"),
            (_, _, true) => ("wait", "Behind"),
            _ => ("good", "In sync"),
        }
    }

    fn number(number: Option<u64>) -> String {
        number.map_or("–".to_owned(), |number| filters::group(&number.to_string()))
    }
}
