//! What is wrong with what is asked of a leak.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Problem, Told, internal, told};
use crate::leaks::{Current, Known, Refusal, Status, leak_id};

pub(super) fn told_of(problem: &Problem) -> Told {
    match problem {
        Problem::Changed { current, precondition } => told(
            if *precondition { StatusCode::PRECONDITION_FAILED } else { StatusCode::CONFLICT },
            "changed-meanwhile",
            "Changed meanwhile",
            "somebody else has changed the leak since you saw it; look at it again, then decide",
        )
        .with("current", state(current)),
        Problem::Settled { status } => told(
            StatusCode::CONFLICT,
            "settled",
            "Does not wait for this",
            match status.as_str() {
                "scheduled" => "the decision is approved and scheduled; it can be cancelled",
                _ => "the decision does not wait any more; list pending decisions with all=true to see what became of it",
            },
        )
        .with("pending_status", json!(status)),
        Problem::SamePerson => told(
            StatusCode::CONFLICT,
            "same-person",
            "Another administrator has to",
            "whoever asked for a decision cannot approve it; another administrator has to, or you cancel it",
        ),
        // Everything else is told where it is named.
        _ => internal(),
    }
}

pub(super) fn already_leaked(position: usize, known: &Known) -> Told {
    let leak = leak_id(known.leak);
    let (status, advice) = match known.status {
        Status::Open => ("open", "decide on that leak"),
        Status::Closed => ("closed", "reopen that leak if the token still works"),
        Status::FalsePositive => ("a false positive", "reopen that leak if the token is one after all"),
    };
    let detail =
        format!("token {position} of the request belongs to {leak} already, which is {status}; {advice}; nothing was added");
    told(StatusCode::CONFLICT, "token-already-leaked", "Token already leaked", detail)
        .with("position", json!(position))
        .with("leak", json!(leak))
        .with("leak_status", json!(known.status))
}

pub(super) fn refused(refusal: &Refusal, current: &Current) -> Told {
    let detail = refusal.to_string();
    let conflict = |kind, title| told(StatusCode::CONFLICT, kind, title, detail.clone()).with("current", state(current));
    match refusal {
        Refusal::IllegalTransition { .. } => conflict("illegal-transition", "Not possible in this state"),
        Refusal::ConfirmationRequired { previews } => {
            conflict("confirmation-required", "Confirmation required").with("tokens", json!(previews))
        }
        Refusal::ApprovalRequired => conflict("approval-required", "Takes two administrators"),
        Refusal::AlreadyPending { id } => conflict("already-pending", "Waits already").with("pending", json!(id)),
        Refusal::TooManyScopes => conflict("too-many-scopes", "Too many scopes"),
        Refusal::Incomplete(_) => told(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid value", detail),
    }
}

/// How a leak stands, for whoever has to decide anew.
fn state(current: &Current) -> Value {
    let state = &current.state;
    json!({
        "leak": leak_id(current.number), "status": state.status, "risk": state.risk, "patched": state.patched_at.is_some(),
        "version": current.version,
    })
}
