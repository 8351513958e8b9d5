//! What a decision does to a leak. Pure: the same leak and request always give the same answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_detector::Risk;

use crate::scopes::{self, ScopeId};
use crate::store::text_enum;
use crate::time::Time;

/// Where a leak stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LeakStatus")]
pub enum Status {
    /// Its tokens are looked for at every gateway.
    Open,
    /// Dealt with.
    Closed,
    /// Its tokens were none.
    FalsePositive,
}

text_enum!(Status { Open = "open", Closed = "closed", FalsePositive = "false_positive" });

/// What an administrator can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Every gateway refuses the leak's tokens.
    ApplyVirtualPatch,
    /// The tokens were none.
    MarkFalse,
    /// The leak was dealt with.
    Close,
    /// It was not, after all.
    Reopen,
    /// Another risk.
    SetRisk,
    /// Its tokens are observed again.
    RemoveVirtualPatch,
}

text_enum!(Action {
    ApplyVirtualPatch = "apply_virtual_patch",
    MarkFalse = "mark_false",
    Close = "close",
    Reopen = "reopen",
    SetRisk = "set_risk",
    RemoveVirtualPatch = "remove_virtual_patch",
});

/// The part of a leak that decisions read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// Its risk.
    pub risk: Risk,
    /// Since when it has a virtual patch.
    pub patched_at: Option<Time>,
    /// When that ends by itself.
    pub patch_expires_at: Option<Time>,
    /// Where it applies; `None`: everywhere.
    pub scope: Option<ScopeId>,
    /// Previews of tokens that could match by accident.
    pub weak_tokens: Vec<String>,
    /// Whether its tenant wants two administrators for each decision on a critical leak.
    pub second_approver: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The action.
    pub action: Action,
    /// For [`Action::SetRisk`].
    pub risk: Option<Risk>,
    /// Weak tokens are meant to be blocked.
    pub confirm: bool,
    /// For [`Action::ApplyVirtualPatch`]: when the patch ends by itself.
    pub expires_at: Option<Time>,
    /// For [`Action::ApplyVirtualPatch`]: where the patch applies; `None`: everywhere, if it is a new one.
    pub scope: Option<ScopeId>,
    /// Two administrators want it.
    pub approved: bool,
}

/// What becomes of the leak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands then.
    pub status: Status,
    /// Its risk then.
    pub risk: Risk,
    /// Since when it has a virtual patch then.
    pub patched_at: Option<Time>,
    /// When that ends by itself.
    pub patch_expires_at: Option<Time>,
    /// Where it applies then.
    pub scope: Option<ScopeId>,
    /// Whether gateways have to know.
    pub index_changes: bool,
}

/// Why a decision is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The leak does not stand where the action starts.
    #[error("the leak is {}; {advice}", state)]
    IllegalTransition {
        /// Where it stands, in words.
        state: &'static str,
        /// What would be possible.
        advice: &'static str,
    },
    /// Blocking these could hit traffic that has nothing to do with the leak.
    #[error(
        "the leak has tokens that are short, placeholders or too regular, and could match ordinary traffic: {}; \
         send \"confirm\": true to block them nevertheless",
        previews.join(", ")
    )]
    ConfirmationRequired {
        /// The tokens' previews.
        previews: Vec<String>,
    },
    /// Nobody decides alone on a critical leak of this tenant.
    #[error("decisions on a critical leak take two administrators here: another one has to approve it")]
    ApprovalRequired,
    /// The same is asked for already.
    #[error("the same decision waits already, as pending decision {id}; approve or cancel that one")]
    AlreadyPending {
        /// Its key.
        id: i64,
    },
    /// All of them travel with each index.
    #[error(
        "too many virtual patches of this tenant have a scope, or their scopes are too long: {leaks} patches and {bytes} bytes are the most; use the same scope for several, or none",
        leaks = scopes::MAX_LEAKS, bytes = scopes::MAX_BYTES
    )]
    TooManyScopes,
    /// The request lacks what its action needs, or has what it cannot use.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// Decides.
pub fn decide(leak: &State, request: Request, now: Time) -> Result<Change, Refusal> {
    if request.risk.is_some() && request.action != Action::SetRisk {
        return Err(Refusal::Incomplete("\"risk\" belongs to the action set_risk only"));
    }
    if request.expires_at.is_some() && request.action != Action::ApplyVirtualPatch {
        return Err(Refusal::Incomplete("\"expires_at\" belongs to the action apply_virtual_patch only"));
    }
    if request.scope.is_some() && request.action != Action::ApplyVirtualPatch {
        return Err(Refusal::Incomplete("\"scope\" belongs to the action apply_virtual_patch only"));
    }
    let change = match request.action {
        Action::ApplyVirtualPatch => apply_virtual_patch(leak, request, now),
        Action::RemoveVirtualPatch => remove_virtual_patch(leak),
        Action::MarkFalse => leave(leak, Status::FalsePositive),
        Action::Close => leave(leak, Status::Closed),
        Action::Reopen => reopen(leak),
        Action::SetRisk => set_risk(leak, request),
    }?;
    if leak.second_approver && leak.risk == Risk::Critical && !request.approved && takes_two(request) {
        return Err(Refusal::ApprovalRequired);
    }
    Ok(change)
}

fn apply_virtual_patch(leak: &State, request: Request, now: Time) -> Result<Change, Refusal> {
    if leak.status != Status::Open {
        return Err(leak.illegal("only an open leak can be patched: reopen it first"));
    }
    // Another scope is another decision on the same patch; whoever names none does not mean to widen one.
    if leak.patched_at.is_some() && (request.scope.is_none() || leak.scope == request.scope) {
        return Err(leak.illegal("there is nothing to do"));
    }
    if request.expires_at.is_some_and(|end| end <= now) {
        return Err(Refusal::Incomplete("\"expires_at\" has passed; a patch ends in the future, or when somebody says so"));
    }
    if !leak.weak_tokens.is_empty() && !request.confirm {
        return Err(Refusal::ConfirmationRequired { previews: leak.weak_tokens.clone() });
    }
    let (patched_at, patch_expires_at) = (leak.patched_at.or(Some(now)), request.expires_at.or(leak.patch_expires_at));
    Ok(Change { patched_at, patch_expires_at, scope: request.scope, index_changes: true, ..leak.unchanged() })
}

fn remove_virtual_patch(leak: &State) -> Result<Change, Refusal> {
    if leak.patched_at.is_none() {
        return Err(leak.illegal("there is no virtual patch to remove"));
    }
    Ok(Change { patched_at: None, patch_expires_at: None, scope: None, index_changes: true, ..leak.unchanged() })
}

/// Closing and marking as false remove the virtual patch.
fn leave(leak: &State, status: Status) -> Result<Change, Refusal> {
    if leak.status == status {
        return Err(leak.illegal("there is nothing to do"));
    }
    // A closed leak's tokens are still observed for a while, and a false one's are not.
    Ok(Change { status, risk: leak.risk, patched_at: None, patch_expires_at: None, scope: None, index_changes: true })
}

fn reopen(leak: &State) -> Result<Change, Refusal> {
    if leak.status == Status::Open {
        return Err(leak.illegal("there is nothing to reopen"));
    }
    Ok(Change { status: Status::Open, index_changes: true, ..leak.unchanged() })
}

fn set_risk(leak: &State, request: Request) -> Result<Change, Refusal> {
    let Some(risk) = request.risk else {
        return Err(Refusal::Incomplete("the action set_risk needs \"risk\": critical, high, medium or low"));
    };
    Ok(Change { risk, ..leak.unchanged() })
}

/// Everything that blocks traffic, or that ends the protection of a critical leak: a lower risk too, since it would be a way around.
fn takes_two(request: Request) -> bool {
    match request.action {
        Action::ApplyVirtualPatch | Action::RemoveVirtualPatch | Action::MarkFalse | Action::Close => true,
        Action::SetRisk => request.risk != Some(Risk::Critical),
        Action::Reopen => false,
    }
}

impl Request {
    /// Of an action alone.
    #[must_use]
    pub fn of(action: Action) -> Self {
        Self { action, risk: None, confirm: false, expires_at: None, scope: None, approved: false }
    }
}

impl State {
    fn unchanged(&self) -> Change {
        let Self { status, risk, patched_at, patch_expires_at, scope, .. } = *self;
        Change { status, risk, patched_at, patch_expires_at, scope, index_changes: false }
    }

    fn illegal(&self, advice: &'static str) -> Refusal {
        let state = match (self.status, self.patched_at) {
            (Status::Open, None) => "open without a virtual patch",
            (Status::Open, Some(_)) => "open with a virtual patch",
            (Status::Closed, _) => "closed",
            (Status::FalsePositive, _) => "marked as a false positive",
        };
        Refusal::IllegalTransition { state, advice }
    }
}

#[cfg(test)]
mod tests;
