//! Sources: the places that are scanned, and what others fill; each with its newest scan and its leaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::forms::{Asked, Form, Pairs};
use super::frame::Frame;
use super::page::{Page, With};
use super::{filters, icons, words};
use crate::api;
use crate::api::input::{Body, IdInPath};
use crate::api::problem::{Answer, Problem, Shown};
use crate::api::rights::Right;
use crate::api::sources::{AddSource, SourceView};
use crate::app::App;
use crate::leaks::{self, Counts};
use crate::people::Caller;
use crate::time::Time;

/// The list.
#[derive(askama::Template)]
#[template(path = "sources.html")]
pub(crate) struct Sources {
    frame: Frame,
    asked: Pairs,
    rows: Vec<SourceView>,
    /// Leaks of each.
    counts: BTreeMap<i64, Counts>,
    first: Option<String>,
    next: Option<String>,
    /// What was filled in before something came in between.
    form: Pairs,
    /// Why it was not done.
    wrong: Option<Shown>,
}

const PAGE: u32 = 50;
const KEPT: [&str; 2] = ["text", "kind"];
/// Of charts, which are not shown here.
const NO_DAYS: u32 = 1;

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    Asked(asked): Asked,
) -> Answer<Page<Sources>> {
    let form = asked.only(&["location", "title"]);
    page(&app, &caller, frame, &asked, form, None).await.map(Page)
}

/// Adds a source and begins with it at once.
pub(crate) async fn add(State(app): State<Arc<App>>, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let asked = AddSource { location: form.text("location").to_owned(), title: form.get("title").map(str::to_owned) };
    let added = match api::sources::add(State(Arc::clone(&app)), caller.clone(), Body(asked)).await {
        Ok(added) => start(&app, &caller, added.body.id).await,
        Err(problem) => Err(problem),
    };
    after(&app, &caller, frame, form, added).await
}

pub(crate) async fn scan(State(app): State<Arc<App>>, caller: Caller, frame: Frame, Form(form): Form) -> Answer<Response> {
    let id = form.text("id").parse().map_err(|_| Problem::NotFound { what: "source" })?;
    let started = start(&app, &caller, id).await;
    after(&app, &caller, frame, form, started).await
}

/// The scan that begins, or the one that is under way.
async fn start(app: &Arc<App>, caller: &Caller, source: i64) -> Answer<i64> {
    match api::scans::start(State(Arc::clone(app)), caller.clone(), IdInPath(source)).await {
        Ok(started) => Ok(started.into_body().id),
        Err(Problem::ScanUnderWay { scan }) => Ok(scan),
        Err(problem) => Err(problem),
    }
}

async fn after(app: &Arc<App>, caller: &Caller, frame: Frame, form: Pairs, started: Answer<i64>) -> Answer<Response> {
    match started {
        Ok(scan) => Ok(Redirect::to(&frame.to(&format!("scans/{scan}"))).into_response()),
        Err(problem) => {
            let shown = problem.shown();
            if !shown.status.is_client_error() {
                return Err(problem);
            }
            let status = shown.status;
            let page = page(app, caller, frame, &Pairs::default(), form, Some(shown)).await?;
            Ok(With(status, page).into_response())
        }
    }
}

async fn page(
    app: &Arc<App>,
    caller: &Caller,
    frame: Frame,
    asked: &Pairs,
    form: Pairs,
    wrong: Option<Shown>,
) -> Answer<Sources> {
    let query = asked.only(&["text", "kind", "cursor"]).with("limit", PAGE).with("sort", "-id").read()?;
    let Json(list) = api::sources::list(State(Arc::clone(app)), caller.clone(), api::input::Asked(query)).await?;
    let summary = leaks::summarise(&mut *app.store.read().await?, caller.tenant.id, NO_DAYS, Time::now()).await?;
    let (kept, base) = (asked.only(&KEPT), frame.to("sources"));
    let to = |pairs: &Pairs| if pairs.is_empty() { base.clone() } else { format!("{base}?{pairs}") };
    Ok(Sources {
        rows: list.sources,
        counts: summary.sources.into_iter().filter_map(|counted| Some((counted.source?, counted.counts))).collect(),
        first: asked.get("cursor").map(|_| to(&kept)),
        next: list.next.map(|next| to(&kept.with("cursor", next))),
        asked: kept,
        form,
        wrong,
        frame,
    })
}

impl Sources {
    /// Whether the reader may do something with sources.
    fn operates(&self) -> bool {
        self.frame.may(Right::Operate)
    }

    /// Open leaks, where they are counted.
    fn open(&self, source: i64) -> Option<i64> {
        self.counts.get(&source).map(|counts| counts.open)
    }
}
