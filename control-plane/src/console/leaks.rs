//! The list of leaks: what the URL asks for, charts of the same leaks above it, and a decision on many at once.

mod decided;
mod filter;
mod views;

pub(crate) use decided::decide;
pub(crate) use views::{forget, save};

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use self::filter::{Chip, Choice, Column};
use super::chart::{self, Chart, Kind, Row};
use super::forms::{Asked, Pairs};
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api;
use crate::api::input::Asked as Query;
use crate::api::leaks::asked::ListLeaks;
use crate::api::problem::Answer;
use crate::app::App;
use crate::leaks::{self, Glance, LeakSummary, Spread};
use crate::people::Caller;
use crate::saved_views::SavedView;
use crate::sources::{self, Source};

/// The list.
#[derive(askama::Template)]
#[template(path = "leaks/list.html")]
pub(crate) struct List {
    frame: Frame,
    asked: Pairs,
    total: i64,
    is_partial: bool,
    charts: Vec<Chart>,
    chips: Vec<Chip>,
    choices: Vec<Choice>,
    columns: Vec<Column>,
    lines: Vec<Line>,
    /// The page before the first one is the list without a cursor.
    first: Option<String>,
    next: Option<String>,
    csv: String,
    /// Lists that the reader has saved, and where each is.
    views: Vec<SavedView>,
    save: String,
    forget: String,
    /// Where the form is sent to: with what the list asks, so that it is there again afterwards.
    decide: String,
}

/// A leak of the list.
struct Line {
    leak: LeakSummary,
    source: String,
    source_href: String,
    glance: Glance,
    is_selected: bool,
}

/// Leaks of a page: what a person looks through.
const PAGE: u32 = 50;

pub(crate) async fn show(State(app): State<Arc<App>>, caller: Caller, frame: Frame, Asked(asked): Asked) -> Answer<Page<List>> {
    let query: ListLeaks = filter::for_api(&asked).with("limit", PAGE).read()?;
    let wanted = query.filter()?;
    let Json(page) = api::leaks::list(State(Arc::clone(&app)), caller.clone(), Query(query)).await?;
    let (leaks, next) = (page.leaks, page.next);
    let tenant = caller.tenant.id;
    let mut db = app.store.read().await?;
    let numbers: Vec<_> = leaks.iter().map(|leak| leak.number).collect();
    let mut glances = leaks::glance(&mut db, tenant, &numbers).await?;
    let spread = leaks::spread(&mut db, tenant, &wanted).await?;
    let sources = sources::list(&mut db, tenant).await?;
    let views = views::list(&mut db, &caller).await?;
    drop(db);
    let sources: BTreeMap<i64, Source> = sources.into_iter().map(|source| (source.id, source)).collect();
    let base = frame.to("leaks");
    let lines = leaks.into_iter().map(|leak| {
        let glance = glances.remove(&leak.number).unwrap_or_default();
        line(leak, glance, &sources, &asked, &base)
    });
    let kept = asked.only(filter::KEPT);
    Ok(Page(List {
        total: spread.total,
        is_partial: spread.is_partial,
        charts: charts(&spread, &sources, &kept, &base),
        chips: filter::chips(&kept, &sources, &base),
        choices: filter::choices(&kept, &sources, &frame.user),
        columns: filter::columns(&kept, &base),
        lines: lines.collect(),
        first: asked.get("cursor").map(|_| filter::link(&base, &kept)),
        next: next.map(|next| filter::link(&base, &kept.with("cursor", next.0))),
        decide: filter::link(&frame.to("leaks/decisions"), &asked.only(filter::PLACE)),
        save: filter::link(&frame.to("leaks/save-view"), &kept),
        forget: filter::link(&frame.to("leaks/forget-view"), &kept),
        views,
        csv: filter::link(&frame.to("leaks.csv"), &kept),
        frame,
        asked,
    }))
}

/// All leaks of the list as a file.
pub(crate) async fn csv(app: State<Arc<App>>, caller: Caller, Asked(asked): Asked) -> Answer<Response> {
    let query = filter::for_api(&asked.only(filter::KEPT)).read()?;
    Ok(api::leaks::export::leaks(app, caller, Query(query)).await?.into_response())
}

fn line(leak: LeakSummary, glance: Glance, sources: &BTreeMap<i64, Source>, asked: &Pairs, base: &str) -> Line {
    let (source, source_href) = match leak.source {
        Some(id) => {
            let title = sources.get(&id).map_or(words::GONE_SOURCE, |source| source.title.as_str());
            (title.to_owned(), format!("{base}?source={id}"))
        }
        None => (words::BY_HAND.to_owned(), format!("{base}?kind=manual")),
    };
    let is_selected = asked.has("leaks", &leak.id) || asked.has("leaks", &leak.number.to_string());
    Line { leak, source, source_href, glance, is_selected }
}

/// Each row asks for the same list with one more condition, or, where that is met already, without it.
fn charts(spread: &Spread, sources: &BTreeMap<i64, Source>, kept: &Pairs, base: &str) -> Vec<Chart> {
    let toggle = |mut row: Row, name: &str, value: &str| {
        row.is_chosen = kept.has(name, value);
        row.href = filter::link(base, &if row.is_chosen { kept.without(name) } else { kept.with(name, value) });
        row
    };
    let risks = words::RISKS.into_iter().map(|risk| {
        let count = spread.risks.get(risk.as_str()).copied().unwrap_or(0);
        toggle(Row::new(words::risk(risk.as_str()), chart::tone_of_risk(risk), String::new(), count), "risk", risk.as_str())
    });
    let mut statuses = chart::by_status(&spread.all, |_| String::new());
    for (row, status) in statuses.iter_mut().zip(words::STATUSES) {
        row.is_chosen = kept.has("status", status.as_str());
        row.href = filter::link(base, &if row.is_chosen { kept.without("status") } else { kept.with("status", status.as_str()) });
    }
    let by_source = spread.sources.iter().map(|(source, count)| match sources.get(source) {
        None if *source == 0 => toggle(Row::new(words::BY_HAND, "accent", String::new(), *count), "kind", "manual"),
        found => {
            let title = found.map_or(words::GONE_SOURCE, |source| source.title.as_str());
            toggle(Row::new(title, "accent", String::new(), *count), "source", &source.to_string())
        }
    });
    vec![
        Chart::of_rows(Kind::Donut, "risk", "By risk", "Risk", risks.collect()),
        Chart::of_rows(Kind::Donut, "status", "By status", "Status", statuses),
        Chart::of_rows(Kind::Bars, "source", "By source", "Source", by_source.collect()),
    ]
}
