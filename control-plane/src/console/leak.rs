//! One leak: what leaked and where, what a patch would refuse, what was decided and said, and who tries to use it.

mod change;
mod live;
mod story;

pub(crate) use change::{assign, comment, decide, settle};
pub(crate) use live::live;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use self::story::Event;
use super::chart::{Chart, Kind, Row, Series};
use super::forms::{Asked, Pairs};
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api;
use crate::api::input::LeakInPath;
use crate::api::problem::{Answer, Shown};
use crate::app::App;
use crate::attempts::{self, AttemptView, Outcome};
use crate::epochs::{Enforcement, Reach};
use crate::leaks::{self, Action, Impact, LeakDetail, LeakNumber, Status};
use crate::people::Caller;
use crate::sources::{self, Source};
use crate::store::Page as Part;
use crate::time::Time;

/// The page.
#[derive(askama::Template)]
#[template(path = "leak/leak.html")]
pub(crate) struct LeakPage {
    frame: Frame,
    leak: LeakDetail,
    sources: BTreeMap<i64, Source>,
    impact: Impact,
    chart: Chart,
    attempts: Vec<AttemptView>,
    events: Vec<Event>,
    /// What was filled in before something came in between.
    form: Pairs,
    /// Why a decision was not taken.
    wrong: Option<Shown>,
    /// The last decision that gateways have to know of.
    reach: Option<Enforcement>,
    path: String,
}

/// Attempts that the chart is made of.
const CHARTED: u32 = 1000;
/// Attempts that are listed.
const LISTED: usize = 20;
/// Comments that are shown.
const COMMENTS: u32 = 500;

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    leak: LeakInPath,
    Asked(form): Asked,
) -> Answer<Page<LeakPage>> {
    page(&app, &caller, frame, leak.0, form, None).await.map(Page)
}

async fn page(
    app: &Arc<App>,
    caller: &Caller,
    frame: Frame,
    number: LeakNumber,
    form: Pairs,
    wrong: Option<Shown>,
) -> Answer<LeakPage> {
    let leak = api::leaks::show(State(Arc::clone(app)), caller.clone(), LeakInPath(number)).await?.body;
    let asked = api::input::Asked(Pairs::default().read()?);
    let Json(impact) = api::leaks::decisions::impact(State(Arc::clone(app)), caller.clone(), LeakInPath(number), asked).await?;
    let (tenant, mut db) = (caller.tenant.id, app.store.read().await?);
    let comments = leaks::list_comments(&mut db, tenant, number, &Part::newest(COMMENTS)).await?;
    let filter = attempts::Filter { leak: Some(number), outcome: None, page: Part::newest(CHARTED) };
    let mut attempts = attempts::list(&mut db, tenant, &filter).await?;
    let sources = sources::list(&mut db, tenant).await?;
    drop(db);
    let chart = by_day(&attempts);
    attempts.truncate(LISTED);
    Ok(LeakPage {
        sources: sources.into_iter().map(|source| (source.id, source)).collect(),
        impact,
        chart,
        attempts,
        events: story::events(&leak, comments),
        reach: reach(&leak),
        path: frame.to(&format!("leaks/{number}")),
        form,
        wrong,
        leak,
        frame,
    })
}

/// How far the last decision has come that gateways have to know of.
fn reach(leak: &LeakDetail) -> Option<Enforcement> {
    let reaches = leak.decisions.iter().rev().map(|decision| decision.enforcement);
    reaches.filter(|reach| reach.enforcement != Reach::NothingToEnforce).find(|reach| reach.enforcement != Reach::Unmeasured)
}

/// `In force on 12 of 12 gateways after 43 ms`
fn told(reach: &Enforcement) -> String {
    let gateways =
        |count: u64| if count == 1 { "1 gateway".to_owned() } else { format!("{} gateways", filters::group(&count.to_string())) };
    match (reach.enforcement, reach.enforced_gateways, reach.enforced_ms) {
        (Reach::Everywhere, Some(count), Some(took)) => {
            format!("In force on {count} of {} after {} ms", gateways(count), filters::group(&took.to_string()))
        }
        (Reach::Pending, ..) => format!("On its way to {}", gateways(reach.pending_gateways as u64)),
        (Reach::NoGateway, ..) => "No gateway is connected; those that come are sent it".to_owned(),
        _ => String::new(),
    }
}

/// Uses on each day.
fn by_day(attempts: &[AttemptView]) -> Chart {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let mut days: BTreeMap<u64, [i64; 2]> = BTreeMap::new();
    for attempt in attempts {
        let count = days.entry(attempt.last_seen_at.as_millis() / DAY).or_default();
        count[usize::from(attempt.outcome != Outcome::Blocked)] += attempt.count;
    }
    if let (Some(first), Some(last)) = (days.keys().next().copied(), days.keys().next_back().copied()) {
        for day in first..=last.min(first + 366) {
            days.entry(day).or_default();
        }
    }
    let row = |(day, values): (u64, [i64; 2])| Row {
        name: filters::day_of(Time::from_millis(day * DAY)),
        tone: "",
        href: String::new(),
        values: values.to_vec(),
        is_chosen: false,
    };
    let series = |name: &str, tone| Series { name: name.to_owned(), tone, href: String::new() };
    let is_cut = attempts.len() == CHARTED as usize;
    Chart {
        kind: Kind::Columns,
        id: "attempts",
        title: "Attempts over time".to_owned(),
        of: "Day",
        series: vec![series("Blocked", "blocked"), series("Observed", "observed")],
        rows: days.into_iter().map(row).collect(),
        note: if is_cut { format!("Of the newest {}.", filters::group(&CHARTED.to_string())) } else { String::new() },
    }
}

impl LeakPage {
    /// What can be decided as the leak stands; the first is what usually is.
    fn actions(&self) -> &'static [Action] {
        match (self.leak.summary.status, self.leak.summary.virtual_patch.is_some()) {
            (Status::Open, false) => &[Action::ApplyVirtualPatch, Action::Close, Action::MarkFalse],
            (Status::Open, true) => &[Action::Close, Action::RemoveVirtualPatch, Action::MarkFalse],
            (Status::Closed, _) => &[Action::Reopen, Action::MarkFalse],
            (Status::FalsePositive, _) => &[Action::Reopen, Action::Close],
        }
    }

    /// Tokens that could match ordinary traffic.
    fn weak(&self) -> Vec<&str> {
        let weak = self.leak.tokens.iter().filter(|token| token.weakness.is_some());
        weak.map(|token| token.preview.as_str()).collect()
    }

    fn can_patch(&self) -> bool {
        self.actions().contains(&Action::ApplyVirtualPatch)
    }

    fn source(&self, id: i64) -> &str {
        self.sources.get(&id).map_or(words::GONE_SOURCE, |source| source.title.as_str())
    }

    /// Where a commit can be looked at, when the source is a forge that people reach with a browser.
    fn link(&self, place: &leaks::OccurrenceView) -> Option<String> {
        let location = self.sources.get(&place.source)?.location.strip_prefix("https://")?;
        let commit = place.commit.as_deref()?;
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        let repository = location.trim_end_matches(".git");
        (is_plain(repository) && is_plain(&place.path))
            .then(|| format!("https://{repository}/blob/{commit}/{}#L{}", place.path, place.line))
    }
}
