//! What people see of decisions that wait.

use schemars::JsonSchema;
use serde::Serialize;

use crate::leaks::{Action, RiskName};
use crate::scopes::ScopeView;
use crate::time::Time;

/// A decision that waits, or waited.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PendingView {
    /// Its key.
    pub id: i64,
    /// `LK-7`.
    pub leak: String,
    /// `needs_approval`, `scheduled`; then `taken`, `refused` (it was not possible any more), `rejected`, `cancelled` or `lapsed`.
    #[schemars(extend("enum" = ["needs_approval", "scheduled", "taken", "refused", "rejected", "cancelled", "lapsed"]))]
    pub status: String,
    /// What is asked.
    pub action: Action,
    /// The new risk, for `set_risk`.
    #[schemars(with = "Option<RiskName>")]
    pub risk: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When the patch is to end.
    pub expires_at: Option<Time>,
    /// Where it is to apply; `null`: everywhere.
    pub scope: ScopeView,
    /// Who asked.
    pub author: String,
    /// When.
    pub asked_at: Time,
    /// When it is to be taken; `null`: as soon as it is approved.
    pub at: Option<Time>,
    /// When something happens by itself: it is taken, or it lapses.
    pub next_at: Option<Time>,
    /// The second administrator.
    pub approved_by: Option<String>,
    /// When it was settled.
    pub settled_at: Option<Time>,
    /// By whom.
    pub settled_by: Option<String>,
    /// Why it was refused or rejected.
    pub outcome: Option<String>,
}
