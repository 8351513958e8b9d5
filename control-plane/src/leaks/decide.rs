//! What a decision does to a leak. Pure: the same leak and request always give the same answer.

use serde::{Deserialize, Serialize};
use stopleak_detector::Risk;

use crate::store::text_enum;
use crate::time::Time;

/// Where a leak stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

text_enum!(Action {
    ApplyVirtualPatch = "apply_virtual_patch",
    MarkFalse = "mark_false",
    Close = "close",
    Reopen = "reopen",
    SetRisk = "set_risk",
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
    /// Previews of tokens that could match by accident.
    pub weak_tokens: Vec<String>,
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
    /// The request lacks what its action needs, or has what it cannot use.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// Decides.
pub fn decide(leak: &State, request: Request, now: Time) -> Result<Change, Refusal> {
    if request.risk.is_some() && request.action != Action::SetRisk {
        return Err(Refusal::Incomplete("\"risk\" belongs to the action set_risk only"));
    }
    match request.action {
        Action::ApplyVirtualPatch => apply_virtual_patch(leak, request, now),
        Action::MarkFalse => leave(leak, Status::FalsePositive),
        Action::Close => leave(leak, Status::Closed),
        Action::Reopen => reopen(leak),
        Action::SetRisk => set_risk(leak, request),
    }
}

fn apply_virtual_patch(leak: &State, request: Request, now: Time) -> Result<Change, Refusal> {
    if leak.status != Status::Open {
        return Err(leak.illegal("only an open leak can be patched: reopen it first"));
    }
    if leak.patched_at.is_some() {
        return Err(leak.illegal("there is nothing to do"));
    }
    if !leak.weak_tokens.is_empty() && !request.confirm {
        return Err(Refusal::ConfirmationRequired { previews: leak.weak_tokens.clone() });
    }
    Ok(Change { status: Status::Open, risk: leak.risk, patched_at: Some(now), index_changes: true })
}

/// Closing and marking as false remove the virtual patch.
fn leave(leak: &State, status: Status) -> Result<Change, Refusal> {
    if leak.status == status {
        return Err(leak.illegal("there is nothing to do"));
    }
    // Neither a closed leak nor a false one is in the index, so going from one to the other changes nothing there.
    Ok(Change { status, risk: leak.risk, patched_at: None, index_changes: leak.status == Status::Open })
}

fn reopen(leak: &State) -> Result<Change, Refusal> {
    if leak.status == Status::Open {
        return Err(leak.illegal("there is nothing to reopen"));
    }
    Ok(Change { status: Status::Open, risk: leak.risk, patched_at: None, index_changes: true })
}

fn set_risk(leak: &State, request: Request) -> Result<Change, Refusal> {
    let Some(risk) = request.risk else {
        return Err(Refusal::Incomplete("the action set_risk needs \"risk\": critical, high, medium or low"));
    };
    Ok(Change { status: leak.status, risk, patched_at: leak.patched_at, index_changes: false })
}

impl State {
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
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn leak(status: Status, patched: bool) -> State {
        let patched_at = patched.then(|| Time::from_millis(1));
        State { status, risk: Risk::High, patched_at, weak_tokens: Vec::new() }
    }

    fn request(action: Action) -> Request {
        Request { action, risk: (action == Action::SetRisk).then_some(Risk::Low), confirm: false }
    }

    /// Every state with every action: the state after it and whether gateways have to know; `None` where it is refused.
    #[test]
    fn the_table_of_transitions() {
        use Action::{ApplyVirtualPatch, Close, MarkFalse, Reopen, SetRisk};
        use Status::{Closed, FalsePositive, Open};
        let table = [
            ((Open, false), ApplyVirtualPatch, Some((Open, true, true))),
            ((Open, false), MarkFalse, Some((FalsePositive, false, true))),
            ((Open, false), Close, Some((Closed, false, true))),
            ((Open, false), Reopen, None),
            ((Open, false), SetRisk, Some((Open, false, false))),
            ((Open, true), ApplyVirtualPatch, None),
            ((Open, true), MarkFalse, Some((FalsePositive, false, true))),
            ((Open, true), Close, Some((Closed, false, true))),
            ((Open, true), Reopen, None),
            ((Open, true), SetRisk, Some((Open, true, false))),
            ((Closed, false), ApplyVirtualPatch, None),
            ((Closed, false), MarkFalse, Some((FalsePositive, false, false))),
            ((Closed, false), Close, None),
            ((Closed, false), Reopen, Some((Open, false, true))),
            ((Closed, false), SetRisk, Some((Closed, false, false))),
            ((FalsePositive, false), ApplyVirtualPatch, None),
            ((FalsePositive, false), MarkFalse, None),
            ((FalsePositive, false), Close, Some((Closed, false, false))),
            ((FalsePositive, false), Reopen, Some((Open, false, true))),
            ((FalsePositive, false), SetRisk, Some((FalsePositive, false, false))),
        ];
        for ((status, patched), action, expected) in table {
            let decided = decide(&leak(status, patched), request(action), Time::from_millis(NOW));
            let after = decided.as_ref().ok().map(|c| (c.status, c.patched_at.is_some(), c.index_changes));
            assert_eq!(after, expected, "{status:?}, patched {patched}, {action:?}: {decided:?}");
            if expected.is_none() {
                assert!(matches!(decided, Err(Refusal::IllegalTransition { .. })));
            }
        }
    }

    #[test]
    fn risk_changes_by_set_risk_only() {
        let decided = decide(&leak(Status::Closed, false), request(Action::SetRisk), Time::from_millis(NOW)).unwrap();
        assert_eq!(decided.risk, Risk::Low);
        let bare = Request { action: Action::SetRisk, risk: None, confirm: false };
        assert!(matches!(decide(&leak(Status::Open, false), bare, Time::from_millis(NOW)), Err(Refusal::Incomplete(_))));
        let odd = Request { action: Action::Close, risk: Some(Risk::Low), confirm: false };
        assert!(matches!(decide(&leak(Status::Open, false), odd, Time::from_millis(NOW)), Err(Refusal::Incomplete(_))));
    }

    #[test]
    fn weak_tokens_want_a_confirmation() {
        let weak = State { weak_tokens: vec!["c…e".to_owned()], ..leak(Status::Open, false) };
        let refusal = decide(&weak, request(Action::ApplyVirtualPatch), Time::from_millis(NOW)).unwrap_err();
        assert!(refusal.to_string().contains("c…e") && refusal.to_string().contains("\"confirm\": true"));
        let confirmed = Request { confirm: true, ..request(Action::ApplyVirtualPatch) };
        assert!(decide(&weak, confirmed, Time::from_millis(NOW)).is_ok());
    }
}
