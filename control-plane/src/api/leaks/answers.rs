//! What a decision is answered with: it was taken, it waits, or this is what would become of the leak.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use stopleak_detector::Risk;

use crate::api::openapi::{Operation, Tells};
use crate::leaks::{Change, DecisionView, Impact, LeakDetail, PendingView, RiskName, Status};
use crate::time::Time;

/// What became of a decision.
pub(crate) enum Answered {
    /// 201
    Taken(Box<DecisionTaken>),
    /// 202
    Waits(Box<DecisionWaits>),
}

/// The same, or, when that was asked, what would become of it.
pub(crate) enum Judged {
    /// 200
    Would(Box<WouldDecide>),
    /// It was asked in earnest.
    Answered(Answered),
}

/// A decision that was taken.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DecisionTaken {
    pub(super) decision: DecisionView,
    pub(super) leak: LeakDetail,
    /// The first epoch of the index that carries it.
    pub(super) epoch: i64,
}

/// A decision that waits for its time, or for a second administrator.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DecisionWaits {
    pub(super) pending: PendingView,
    pub(super) leak: LeakDetail,
}

/// What a decision would do.
#[derive(Serialize, JsonSchema)]
pub(crate) struct WouldDecide {
    pub(super) dry_run: bool,
    /// `LK-7`.
    pub(super) leak: String,
    pub(super) outcome: WouldBe,
    /// How the leak would stand; `null` when a second administrator decides that.
    pub(super) after: Option<After>,
    /// What a virtual patch would have refused.
    pub(super) impact: Option<Impact>,
}

/// What would become of a decision.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum WouldBe {
    /// It would be taken.
    Decided,
    /// It would wait.
    Pending,
}

/// How a leak would stand.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LeakAfter")]
pub(super) struct After {
    status: Status,
    #[schemars(with = "RiskName")]
    risk: Risk,
    /// Whether it would have a virtual patch.
    patched: bool,
    /// When that would end by itself.
    patch_expires_at: Option<Time>,
    /// Whether gateways would have to know.
    index_changes: bool,
}

impl From<Change> for After {
    fn from(change: Change) -> Self {
        let Change { status, risk, patched_at, patch_expires_at, index_changes, .. } = change;
        Self { status, risk, patched: patched_at.is_some(), patch_expires_at, index_changes }
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        match self {
            Self::Taken(taken) => (StatusCode::CREATED, Json(taken)).into_response(),
            Self::Waits(waits) => (StatusCode::ACCEPTED, Json(waits)).into_response(),
        }
    }
}

impl IntoResponse for Judged {
    fn into_response(self) -> Response {
        match self {
            Self::Would(would) => Json(would).into_response(),
            Self::Answered(answered) => answered.into_response(),
        }
    }
}

impl Tells for Answered {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<DecisionTaken>(201, "Taken.");
        operation.json::<DecisionWaits>(202, "It waits for its time, or for a second administrator.");
    }
}

impl Tells for Judged {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<WouldDecide>(200, "What would become of it: nothing was changed.");
        Answered::describe(operation);
    }
}
