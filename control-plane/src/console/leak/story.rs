//! What happened to a leak, in its order: decisions, and what people said.

use crate::console::words;
use crate::leaks::{CommentView, DecisionView, LeakDetail};
use crate::time::Time;

/// One thing that happened.
pub(super) struct Event {
    pub(super) at: Time,
    pub(super) who: String,
    /// What they did; empty: they said something.
    pub(super) what: String,
    /// Why, or what they said.
    pub(super) text: String,
    /// How far a decision has come.
    pub(super) reach: String,
    /// What it looks like.
    pub(super) kind: &'static str,
}

/// The newest first.
pub(super) fn events(leak: &LeakDetail, comments: Vec<CommentView>) -> Vec<Event> {
    let mut events: Vec<Event> = leak.decisions.iter().map(of_decision).chain(comments.into_iter().map(of_comment)).collect();
    let found = Event {
        at: leak.summary.created_at,
        who: String::new(),
        what: words::FOUND.to_owned(),
        text: String::new(),
        reach: String::new(),
        kind: "found",
    };
    events.push(found);
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events
}

fn of_decision(decision: &DecisionView) -> Event {
    let mut what = words::done(decision.action).to_owned();
    if let Some(risk) = &decision.risk {
        what = format!("{what} to {}", words::risk(risk).to_lowercase());
    }
    if let Some(second) = &decision.approved_by {
        what = format!("{what}, approved by {second}");
    }
    Event {
        at: decision.at,
        who: decision.author.clone(),
        what,
        text: decision.reason.clone().unwrap_or_default(),
        reach: super::told(&decision.enforcement),
        kind: decision.action.as_str(),
    }
}

fn of_comment(comment: CommentView) -> Event {
    Event {
        at: comment.created_at,
        who: comment.author,
        what: String::new(),
        text: comment.text,
        reach: String::new(),
        kind: "comment",
    }
}
