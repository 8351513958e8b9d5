//! One decision on the leaks that were selected, and what became of each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::filter::link;
use crate::api::input::Body;
use crate::api::leaks::decisions::{self, DecideMany, ManyDecided};
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::console::forms::{Asked as AskedOn, Form, Pairs};
use crate::console::frame::Frame;
use crate::console::page::Page;
use crate::console::{filters, icons, words};
use crate::leaks::{Action, BulkResult, Verdict};
use crate::people::Caller;

/// What became of each.
#[derive(askama::Template)]
#[template(path = "leaks/decided.html")]
pub(crate) struct Decided {
    frame: Frame,
    action: Action,
    results: Vec<BulkResult>,
    /// What was asked, to be asked again of those that were refused.
    form: Pairs,
    /// The list that it was asked on.
    list: String,
    /// Where the form is sent to.
    again: String,
}

/// Asks what the form asks.
#[derive(serde::Deserialize)]
struct Asked {
    action: Action,
    new_risk: Option<stopleak_detector::Risk>,
    #[serde(default)]
    confirm: bool,
}

pub(crate) async fn decide(
    app: State<Arc<App>>,
    caller: Caller,
    frame: Frame,
    AskedOn(list): AskedOn,
    Form(form): Form,
) -> Answer<Page<Decided>> {
    let Asked { action, new_risk, confirm } = form.only(&["action", "new_risk", "confirm"]).read()?;
    let leaks: Vec<String> = form.all("leaks").map(str::to_owned).collect();
    if leaks.is_empty() {
        return Err(Problem::Invalid { field: "leaks", detail: "none is selected; select some in the list".to_owned() });
    }
    let asked = DecideMany {
        action,
        reason: form.get("reason").map(str::to_owned),
        // The other actions have none, and a form has all its fields.
        risk: new_risk.filter(|_| action == Action::SetRisk),
        confirm,
        at: None,
        expires_at: None,
        scope: None,
        dry_run: false,
        leaks: Some(leaks),
        filter: None,
        cursor: None,
        limit: None,
    };
    let Json(ManyDecided { results, .. }) = decisions::decide_many(app, caller, Body(asked)).await?;
    let (list, again) = (link(&frame.to("leaks"), &list), link(&frame.to("leaks/decisions"), &list));
    Ok(Page(Decided { frame, action, results, form, list, again }))
}

impl Decided {
    fn count(&self, outcome: Verdict) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }

    /// Those that could be decided with a confirmation.
    fn to_confirm(&self) -> Vec<&str> {
        let weak = self.results.iter().filter(|result| {
            self.action == Action::ApplyVirtualPatch
                && result.outcome == Verdict::Refused
                && result.detail.as_deref().is_some_and(|detail| detail.contains("\"confirm\""))
        });
        weak.map(|result| result.leak.as_str()).collect()
    }

    fn outcome(result: &BulkResult) -> (&'static str, &'static str) {
        match result.outcome {
            Verdict::Decided => ("good", "Done"),
            Verdict::Pending => ("wait", "Waits for a second administrator"),
            Verdict::Refused => ("bad", "Not possible"),
            Verdict::NotFound => ("bad", "There is no such leak"),
        }
    }
}
