//! The overview: how it stands, and what has happened lately. Every number leads to the things behind it.

use std::sync::Arc;

use axum::extract::State;
use stopleak_detector::Risk;

use super::chart::{self, Chart, Kind, Row, Series};
use super::forms::{Asked, Pairs};
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api::problem::Answer;
use crate::app::App;
use crate::attempts::Outcome;
use crate::leaks::{self, Counts, SourceCounts, Standing, Status, Summary};
use crate::people::Caller;
use crate::store::Connection;
use crate::time::Time;
use crate::{epochs, gateways, tenants};

/// How it stands.
#[derive(askama::Template)]
#[template(path = "overview.html")]
pub(crate) struct Overview {
    frame: Frame,
    tiles: Vec<Tile>,
    /// How it stands.
    now_charts: Vec<Chart>,
    /// How it came to that.
    charts: Vec<Chart>,
    days: u32,
    /// Whether there is anything to see.
    is_new: bool,
}

/// One number.
struct Tile {
    name: &'static str,
    value: String,
    href: String,
    /// What it means.
    note: String,
    tone: &'static str,
}

/// Days that may be chosen.
const DAYS: [u32; 3] = [7, 30, 90];
const USUAL_DAYS: u32 = 30;
/// Sources that have a bar.
const SOURCES: usize = 8;

/// Gateways, and those of them that have the newest index.
struct Gateways {
    connected: usize,
    in_sync: usize,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    Asked(asked): Asked,
) -> Answer<Page<Overview>> {
    let days = asked.get("days").and_then(|days| days.parse().ok()).filter(|days| DAYS.contains(days)).unwrap_or(USUAL_DAYS);
    let (tenant, now) = (caller.tenant.id, Time::now());
    let mut db = app.store.read().await?;
    let summary = leaks::summarise(&mut db, tenant, days, now).await?;
    let standing = leaks::standing(&mut db, tenant, days, &summary.all, now).await?;
    let gateways = look_at_gateways(&app, &mut db, &caller, now).await?;
    let took = epochs::took_lately(&mut db, tenant).await?;
    let mut tiles = tiles(&frame, &summary, &gateways, days);
    tiles.push(enforced(&took));
    let now_charts = vec![by_risk(&frame, &summary), by_life(&frame, &summary), by_source(&frame, &summary.sources)];
    let charts = vec![over_time(&frame, &standing), attempts(&frame, &summary, &standing)];
    Ok(Page(Overview { frame, tiles, now_charts, charts, days, is_new: summary.total == 0 }))
}

async fn look_at_gateways(app: &App, db: &mut Connection, caller: &Caller, now: Time) -> Answer<Gateways> {
    let newest = tenants::epoch(&mut *db, caller.tenant.id).await?.epoch;
    let newest = u64::try_from(newest).unwrap_or(0);
    let gateways = gateways::list(&mut *db, caller.tenant.id).await?;
    let overview = app.fleet.overview(db, caller.tenant.id, newest).await?;
    let states = gateways.iter().map(|gateway| overview.gateway(gateway.id, now)).filter(|state| state.connected);
    let behind: Vec<bool> = states.map(|state| state.is_behind()).collect();
    Ok(Gateways { connected: behind.len(), in_sync: behind.iter().filter(|behind| !**behind).count() })
}

fn tiles(frame: &Frame, summary: &Summary, gateways: &Gateways, days: u32) -> Vec<Tile> {
    let leaks = |query: &str| frame.to(&format!("leaks?{query}"));
    let critical = summary.risks.get(Risk::Critical.as_str()).copied().unwrap_or_default();
    let of_days = |what: &str| summary.days.iter().filter_map(|day| day.counts.get(what)).sum::<i64>();
    let (blocked, observed) = (of_days("blocked"), of_days("observed"));
    let number = |number: i64| filters::group(&number.to_string());
    let unpatched = summary.all.open - summary.all.patched;
    let tile =
        |name, value: i64, query: &str, note: String, tone| Tile { name, value: number(value), href: leaks(query), note, tone };
    vec![
        tile("Open leaks", summary.all.open, "status=open", format!("of {} in all", number(summary.total)), ""),
        tile(
            "Open without a patch",
            unpatched,
            "status=open&patched=false",
            "their tokens still work".to_owned(),
            if unpatched > 0 { "high" } else { "" },
        ),
        tile(
            "Critical without a patch",
            critical.open - critical.patched,
            "status=open&risk=critical&patched=false",
            format!("of {} open critical leaks", number(critical.open)),
            if critical.open > critical.patched { "critical" } else { "" },
        ),
        Tile {
            name: "Attempts",
            value: number(blocked + observed),
            href: frame.to("attempts"),
            note: format!("{} blocked, {} observed in {days} days", number(blocked), number(observed)),
            tone: "",
        },
        Tile {
            name: "Gateways in sync",
            value: format!("{} of {}", gateways.in_sync, gateways.connected),
            href: frame.to("gateways"),
            note: if gateways.connected == 0 { "none is connected" } else { "have the newest index" }.to_owned(),
            tone: if gateways.in_sync < gateways.connected || gateways.connected == 0 { "high" } else { "" },
        },
    ]
}

/// From a decision until every gateway does what it says.
fn enforced(took: &[i64]) -> Tile {
    let number = |millis: i64| format!("{} ms", filters::group(&millis.to_string()));
    let (value, note) = match (took.get(took.len() / 2), took.get(took.len() * 95 / 100)) {
        (Some(median), Some(slow)) => {
            (number(*median), format!("median of the last {}; 95 % within {}", took.len(), number(*slow)))
        }
        _ => ("–".to_owned(), "nothing was measured yet".to_owned()),
    };
    Tile { name: "Decision to enforced", value, href: String::new(), note, tone: "" }
}

fn by_risk(frame: &Frame, summary: &Summary) -> Chart {
    let row = |risk: Risk| {
        let counts: Counts = summary.risks.get(risk.as_str()).copied().unwrap_or_default();
        let href = frame.to(&format!("leaks?status=open&risk={}", risk.as_str()));
        Row::new(words::risk(risk.as_str()), chart::tone_of_risk(risk), href, counts.open)
    };
    Chart::of_rows(Kind::Donut, "risk", "Open leaks by risk", "Risk", words::RISKS.into_iter().map(row).collect())
}

fn by_life(frame: &Frame, summary: &Summary) -> Chart {
    let row = |life: &str| {
        let counts: Counts = summary.lives.get(life).copied().unwrap_or_default();
        Row::new(
            words::life_name(life),
            chart::tone_of_life(life),
            frame.to(&format!("leaks?status=open&life={life}")),
            counts.open,
        )
    };
    Chart::of_rows(Kind::Donut, "life", "Open leaks by life", "Life", words::LIVES.into_iter().map(row).collect())
}

fn by_source(frame: &Frame, sources: &[SourceCounts]) -> Chart {
    let row = |source: &SourceCounts| {
        let asked = Pairs::default().with("status", Status::Open.as_str());
        let (name, asked) = match source.source {
            Some(id) => (source.title.as_deref().unwrap_or(words::GONE_SOURCE), asked.with("source", id)),
            None => (words::BY_HAND, asked.with("kind", "manual")),
        };
        Row::new(name, "accent", frame.to(&format!("leaks?{asked}")), source.counts.open)
    };
    let rows = sources.iter().filter(|source| source.counts.open > 0).take(SOURCES).map(row).collect();
    Chart::of_rows(Kind::Bars, "source", "Open leaks by source", "Source", rows)
}

fn over_time(frame: &Frame, standing: &[Standing]) -> Chart {
    let series = |status: Status| Series {
        name: words::status(status).to_owned(),
        tone: chart::tone_of_status(status),
        href: frame.to(&format!("leaks?status={}", status.as_str())),
    };
    let row = |day: &Standing| Row {
        name: filters::day_of(day.day),
        tone: "",
        href: String::new(),
        values: vec![day.open, day.closed, day.false_positive],
        is_chosen: false,
    };
    Chart {
        kind: Kind::Area,
        id: "status",
        title: "Leaks by status over time".to_owned(),
        of: "Day",
        series: words::STATUSES.into_iter().map(series).collect(),
        rows: standing.iter().map(row).collect(),
        note: String::new(),
    }
}

fn attempts(frame: &Frame, summary: &Summary, days: &[Standing]) -> Chart {
    let row = |day: &Standing| {
        let found = summary.days.iter().find(|counted| counted.day == day.day);
        let count = |what: &str| found.and_then(|day| day.counts.get(what)).copied().unwrap_or(0);
        let values = vec![count("blocked"), count("observed")];
        Row { name: filters::day_of(day.day), tone: "", href: String::new(), values, is_chosen: false }
    };
    let series = |outcome: Outcome| Series {
        name: words::outcome(outcome).to_owned(),
        tone: outcome.as_str(),
        href: frame.to(&format!("attempts?outcome={}", outcome.as_str())),
    };
    Chart {
        kind: Kind::Columns,
        id: "attempts",
        title: "Attempts over time".to_owned(),
        of: "Day",
        series: vec![series(Outcome::Blocked), series(Outcome::Observed)],
        rows: days.iter().map(row).collect(),
        note: String::new(),
    }
}
