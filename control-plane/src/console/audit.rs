//! The audit log: who did what to which object, when, from where, and what it was before and after.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::value::RawValue;

use super::forms::{Asked, Pairs};
use super::frame::Frame;
use super::page::Page;
use super::{filters, icons, words};
use crate::api;
use crate::api::problem::Answer;
use crate::app::App;
use crate::audit::AuditView;
use crate::people::Caller;

/// The list.
#[derive(askama::Template)]
#[template(path = "audit.html")]
pub(crate) struct Audit {
    frame: Frame,
    asked: Pairs,
    entries: Vec<AuditView>,
    head: String,
    first: Option<String>,
    next: Option<String>,
    csv: String,
}

const PAGE: u32 = 50;
const KEPT: [&str; 3] = ["actor", "action", "object"];

pub(crate) async fn show(app: State<Arc<App>>, caller: Caller, frame: Frame, Asked(asked): Asked) -> Answer<Page<Audit>> {
    let query = asked.only(&["actor", "action", "object", "cursor"]).with("limit", PAGE).read()?;
    let Json(list) = api::audit::list(app, caller, api::input::Asked(query)).await?;
    let (kept, base) = (asked.only(&KEPT), frame.to("audit"));
    let to = |pairs: &Pairs| if pairs.is_empty() { base.clone() } else { format!("{base}?{pairs}") };
    Ok(Page(Audit {
        entries: list.entries,
        head: list.head,
        first: asked.get("cursor").map(|_| to(&kept)),
        next: list.next.map(|next| to(&kept.with("cursor", next))),
        csv: frame.to("audit.csv"),
        asked,
        frame,
    }))
}

/// The whole log as a file.
pub(crate) async fn csv(app: State<Arc<App>>, caller: Caller) -> Answer<Response> {
    let query = Pairs::default().with("format", "csv").read()?;
    Ok(api::audit::export(app, caller, api::input::Asked(query)).await?.into_response())
}

impl Audit {
    /// The page of the object, when it has one.
    fn page_of(&self, object: &str) -> Option<String> {
        let number = object.strip_prefix("leak/").filter(|number| number.bytes().all(|b| b.is_ascii_digit()))?;
        Some(self.frame.to(&format!("leaks/{number}")))
    }

    /// What an object was, on lines of its own.
    fn pretty(state: &RawValue) -> String {
        let value: serde_json::Value = serde_json::from_str(state.get()).unwrap_or_default();
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }
}
