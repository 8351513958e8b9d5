//! Attempts: who used which leaked token, where and when, and what came of it; as they arrive, when that is asked for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::forms::{Asked, Pairs};
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api;
use crate::api::problem::Answer;
use crate::app::App;
use crate::attempts::{self, AttemptView, By, Filter, Group, Outcome};
use crate::leaks::parse_leak_id;
use crate::people::Caller;
use crate::store::Page as Part;

/// The list.
#[derive(askama::Template)]
#[template(path = "attempts.html")]
pub(crate) struct Attempts {
    frame: Frame,
    asked: Pairs,
    rows: Vec<AttemptView>,
    /// The same list, following what arrives or not.
    here: String,
    tail: String,
    is_live: bool,
    /// By what they are grouped, and the groups.
    by: Option<By>,
    groups: Vec<Group>,
    first: Option<String>,
    next: Option<String>,
}

const PAGE: u32 = 50;
const KEPT: [&str; 2] = ["leak", "outcome"];
/// What says by what they are grouped.
const BY: &str = "by";

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    Asked(asked): Asked,
) -> Answer<Page<Attempts>> {
    let query = asked.only(&["leak", "outcome", "cursor"]).with("limit", PAGE).read()?;
    let tenant = caller.tenant.id;
    let Json(list) = api::attempts::list(State(Arc::clone(&app)), caller, api::input::Asked(query)).await?;
    let by = By::ALL.into_iter().find(|by| asked.has(BY, by.as_str()));
    let groups = match by {
        Some(by) => {
            let outcome = [Outcome::Blocked, Outcome::Observed].into_iter().find(|known| asked.has("outcome", known.as_str()));
            let filter = Filter { leak: asked.get("leak").and_then(parse_leak_id), outcome, page: Part::newest(PAGE) };
            attempts::groups(&mut *app.store.read().await?, tenant, &filter, by).await?
        }
        None => Vec::new(),
    };
    let (kept, base) = (asked.only(&KEPT), frame.to("attempts"));
    let to = |pairs: &Pairs| if pairs.is_empty() { base.clone() } else { format!("{base}?{pairs}") };
    Ok(Page(Attempts {
        rows: list.attempts,
        here: to(&kept),
        tail: to(&kept.with("live", "on")),
        by,
        groups,
        is_live: asked.has("live", "on"),
        first: asked.get("cursor").map(|_| to(&kept)),
        next: list.next.map(|next| to(&kept.with("cursor", next))),
        asked,
        frame,
    }))
}

impl Attempts {
    /// By what they may be grouped, the list that is, and whether it is shown.
    fn groupings(&self) -> Vec<(&'static str, String, bool)> {
        let kept = self.asked.only(&KEPT);
        let link = |pairs: &Pairs| format!("{}?{pairs}", self.frame.to("attempts"));
        let one_by_one = ("One by one", self.here.clone(), self.by.is_none());
        let grouping = |by: By| (words::grouped_by(by), link(&kept.with(BY, by.as_str())), self.by == Some(by));
        std::iter::once(one_by_one).chain(By::ALL.into_iter().map(grouping)).collect()
    }

    /// The attempts of a group, where a list of them can be had.
    fn of_group(&self, group: &Group) -> Option<String> {
        (self.by == Some(By::Leak))
            .then(|| format!("{}?{}", self.frame.to("attempts"), self.asked.only(&KEPT).with("leak", &group.key)))
    }

    /// What may be asked for, and whether it is.
    fn outcomes(&self) -> [(&'static str, &'static str, bool); 2] {
        let choice = |outcome: Outcome| (outcome.as_str(), words::outcome(outcome), self.asked.has("outcome", outcome.as_str()));
        [Outcome::Blocked, Outcome::Observed].map(choice)
    }
}
