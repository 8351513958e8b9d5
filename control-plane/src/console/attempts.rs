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
use crate::attempts::{AttemptView, Outcome};
use crate::people::Caller;

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
    first: Option<String>,
    next: Option<String>,
}

const PAGE: u32 = 50;
const KEPT: [&str; 2] = ["leak", "outcome"];

pub(crate) async fn show(app: State<Arc<App>>, caller: Caller, frame: Frame, Asked(asked): Asked) -> Answer<Page<Attempts>> {
    let query = asked.only(&["leak", "outcome", "cursor"]).with("limit", PAGE).read()?;
    let Json(list) = api::attempts::list(app, caller, api::input::Asked(query)).await?;
    let (kept, base) = (asked.only(&KEPT), frame.to("attempts"));
    let to = |pairs: &Pairs| if pairs.is_empty() { base.clone() } else { format!("{base}?{pairs}") };
    Ok(Page(Attempts {
        rows: list.attempts,
        here: to(&kept),
        tail: to(&kept.with("live", "on")),
        is_live: asked.has("live", "on"),
        first: asked.get("cursor").map(|_| to(&kept)),
        next: list.next.map(|next| to(&kept.with("cursor", next))),
        asked,
        frame,
    }))
}

impl Attempts {
    /// What may be asked for, and whether it is.
    fn outcomes(&self) -> [(&'static str, &'static str, bool); 2] {
        let choice = |outcome: Outcome| (outcome.as_str(), words::outcome(outcome), self.asked.has("outcome", outcome.as_str()));
        [Outcome::Blocked, Outcome::Observed].map(choice)
    }
}
