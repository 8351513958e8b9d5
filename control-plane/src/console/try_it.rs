//! Trying a request: the very filter module judges it by the index that gateways have. What was pasted is not shown again by the server: a
//! script marks in it what matched.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::forms::Form;
use super::frame::Frame;
use super::page::{Page, With};
use super::{filters, icons, words};
use crate::api::input::Body;
use crate::api::problem::{Answer, Shown};
use crate::api::verdicts::{self, Try};
use crate::app::App;
use crate::people::Caller;
use crate::secret::SecretText;
use crate::verdicts::{Match, Verdict};

/// The form, and what became of it.
#[derive(askama::Template)]
#[template(path = "try_it.html")]
pub(crate) struct TryPage {
    frame: Frame,
    verdict: Option<Verdict>,
    /// Why there is none.
    wrong: Option<Shown>,
}

pub(crate) async fn show(frame: Frame) -> Page<TryPage> {
    Page(TryPage { frame, verdict: None, wrong: None })
}

pub(crate) async fn judge(app: State<Arc<App>>, caller: Caller, frame: Frame, Form(form): Form) -> Answer<With<TryPage>> {
    let text = form.text("request");
    let is_curl = text.trim_start().strip_prefix("curl").is_some_and(|rest| rest.starts_with(char::is_whitespace));
    let said = Some(SecretText::from(text.to_owned()));
    let (raw, curl) = if is_curl { (None, said) } else { (said, None) };
    let asked = Try { raw, curl, method: None, url: None, headers: None, body: None };
    match verdicts::judge(app, caller, Body(asked)).await {
        Ok(Json(verdict)) => Ok(With(StatusCode::OK, TryPage { frame, verdict: Some(verdict), wrong: None })),
        Err(problem) => {
            let shown = problem.shown();
            if shown.status == StatusCode::INTERNAL_SERVER_ERROR {
                return Err(problem);
            }
            Ok(With(shown.status, TryPage { frame, verdict: None, wrong: Some(shown) }))
        }
    }
}

impl TryPage {
    /// What a gateway would do, and what that looks like.
    fn told(verdict: &Verdict) -> (&'static str, String) {
        let refused = |why: &str| match verdict.status {
            Some(status) => ("good", format!("{why}, with status {status}")),
            None => ("wait", format!("{why} nothing: the request goes on")),
        };
        match verdict.verdict.as_str() {
            "block" => refused("A gateway refuses it"),
            "observe" => ("wait", "A gateway lets it pass, and tells of it".to_owned()),
            "pass" => ("false", "A gateway lets it pass: there is no leaked token in it".to_owned()),
            "overflow" => refused("It is too large to be looked at in full: a gateway refuses it"),
            _ => ("wait", "A gateway has no index yet".to_owned()),
        }
    }

    /// Where the token stands.
    fn place(found: &Match) -> String {
        let place = words::place(found.place);
        match (&found.name, found.segment) {
            (Some(name), _) => format!("{place} {name}"),
            (None, Some(segment)) => format!("{place}, segment {segment}"),
            (None, None) => place.to_owned(),
        }
    }
}
