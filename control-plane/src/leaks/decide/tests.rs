//! Every state with every request.

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn leak(status: Status, patched: bool) -> State {
    let patched_at = patched.then(|| Time::from_millis(1));
    State {
        status,
        risk: Risk::High,
        patched_at,
        patch_expires_at: None,
        scope: None,
        weak_tokens: Vec::new(),
        second_approver: false,
    }
}

fn request(action: Action) -> Request {
    Request { risk: (action == Action::SetRisk).then_some(Risk::Low), ..Request::of(action) }
}

/// Every state with every action: the state after it and whether gateways have to know; `None` where it is refused.
#[test]
fn the_table_of_transitions() {
    use Action::{ApplyVirtualPatch, Close, MarkFalse, RemoveVirtualPatch, Reopen, SetRisk};
    use Status::{Closed, FalsePositive, Open};
    let table = [
        ((Open, false), ApplyVirtualPatch, Some((Open, true, true))),
        ((Open, false), RemoveVirtualPatch, None),
        ((Open, false), MarkFalse, Some((FalsePositive, false, true))),
        ((Open, false), Close, Some((Closed, false, true))),
        ((Open, false), Reopen, None),
        ((Open, false), SetRisk, Some((Open, false, false))),
        ((Open, true), ApplyVirtualPatch, None),
        ((Open, true), RemoveVirtualPatch, Some((Open, false, true))),
        ((Open, true), MarkFalse, Some((FalsePositive, false, true))),
        ((Open, true), Close, Some((Closed, false, true))),
        ((Open, true), Reopen, None),
        ((Open, true), SetRisk, Some((Open, true, false))),
        ((Closed, false), ApplyVirtualPatch, None),
        ((Closed, false), RemoveVirtualPatch, None),
        ((Closed, false), MarkFalse, Some((FalsePositive, false, true))),
        ((Closed, false), Close, None),
        ((Closed, false), Reopen, Some((Open, false, true))),
        ((Closed, false), SetRisk, Some((Closed, false, false))),
        ((FalsePositive, false), ApplyVirtualPatch, None),
        ((FalsePositive, false), RemoveVirtualPatch, None),
        ((FalsePositive, false), MarkFalse, None),
        ((FalsePositive, false), Close, Some((Closed, false, true))),
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
    let bare = Request::of(Action::SetRisk);
    assert!(matches!(decide(&leak(Status::Open, false), bare, Time::from_millis(NOW)), Err(Refusal::Incomplete(_))));
    let odd = Request { risk: Some(Risk::Low), ..Request::of(Action::Close) };
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

#[test]
fn a_patch_may_end_by_itself_but_not_before_it_begins() {
    let open = leak(Status::Open, false);
    let until = |millis| Request { expires_at: Some(Time::from_millis(millis)), ..Request::of(Action::ApplyVirtualPatch) };
    let patched = decide(&open, until(NOW + 1), Time::from_millis(NOW)).unwrap();
    assert_eq!(patched.patch_expires_at, Some(Time::from_millis(NOW + 1)));
    assert!(matches!(decide(&open, until(NOW), Time::from_millis(NOW)), Err(Refusal::Incomplete(_))));
    let odd = Request { expires_at: Some(Time::from_millis(NOW + 1)), ..Request::of(Action::Close) };
    assert!(matches!(decide(&open, odd, Time::from_millis(NOW)), Err(Refusal::Incomplete(_))));

    let ending = State { patch_expires_at: patched.patch_expires_at, ..leak(Status::Open, true) };
    let risk = decide(&ending, request(Action::SetRisk), Time::from_millis(NOW)).unwrap();
    assert_eq!(risk.patch_expires_at, ending.patch_expires_at, "another risk leaves the patch as it is");
    for action in [Action::Close, Action::MarkFalse, Action::RemoveVirtualPatch] {
        assert_eq!(decide(&ending, request(action), Time::from_millis(NOW)).unwrap().patch_expires_at, None);
    }
}

#[test]
fn another_scope_is_another_decision_on_the_same_patch() {
    let scoped = |n| Request { scope: Some(ScopeId(n)), ..Request::of(Action::ApplyVirtualPatch) };
    let patched =
        State { scope: Some(ScopeId(1)), patch_expires_at: Some(Time::from_millis(NOW + 9)), ..leak(Status::Open, true) };
    let wider = decide(&patched, scoped(2), Time::from_millis(NOW)).unwrap();
    assert_eq!((wider.scope, wider.index_changes), (Some(ScopeId(2)), true));
    assert_eq!((wider.patched_at, wider.patch_expires_at), (patched.patched_at, patched.patch_expires_at));
    for same in [scoped(1), Request::of(Action::ApplyVirtualPatch)] {
        let refused = decide(&patched, same, Time::from_millis(NOW));
        assert!(matches!(refused, Err(Refusal::IllegalTransition { .. })), "{refused:?}");
    }
    assert_eq!(decide(&patched, request(Action::SetRisk), Time::from_millis(NOW)).unwrap().scope, patched.scope);
    for action in [Action::Close, Action::MarkFalse, Action::RemoveVirtualPatch] {
        assert_eq!(decide(&patched, request(action), Time::from_millis(NOW)).unwrap().scope, None);
    }
    let odd = Request { scope: Some(ScopeId(1)), ..Request::of(Action::Close) };
    assert!(matches!(decide(&patched, odd, Time::from_millis(NOW)), Err(Refusal::Incomplete(_))));
    let critical = State { risk: Risk::Critical, second_approver: true, ..patched };
    assert_eq!(decide(&critical, scoped(2), Time::from_millis(NOW)), Err(Refusal::ApprovalRequired));
}

/// What nobody decides alone where the tenant wants two, and where the leak is critical.
#[test]
fn the_table_of_decisions_that_take_two() {
    let critical = |patched| State { risk: Risk::Critical, second_approver: true, ..leak(Status::Open, patched) };
    let closed = State { risk: Risk::Critical, second_approver: true, ..leak(Status::Closed, false) };
    let to_critical = Request { risk: Some(Risk::Critical), ..Request::of(Action::SetRisk) };
    let table = [
        (critical(false), request(Action::ApplyVirtualPatch), true),
        (critical(true), request(Action::RemoveVirtualPatch), true),
        (critical(false), request(Action::MarkFalse), true),
        (critical(false), request(Action::Close), true),
        (closed.clone(), request(Action::Reopen), false),
        (critical(false), request(Action::SetRisk), true),
        (critical(false), to_critical, false),
        (State { risk: Risk::High, ..critical(false) }, request(Action::Close), false),
        (State { second_approver: false, ..critical(false) }, request(Action::Close), false),
    ];
    for (leak, request, takes_two) in table {
        let decided = decide(&leak, request, Time::from_millis(NOW));
        assert_eq!(decided == Err(Refusal::ApprovalRequired), takes_two, "{leak:?}, {request:?}: {decided:?}");
        assert!(decide(&leak, Request { approved: true, ..request }, Time::from_millis(NOW)).is_ok());
    }
    let refused = decide(&closed, request(Action::Close), Time::from_millis(NOW));
    assert!(matches!(refused, Err(Refusal::IllegalTransition { .. })), "what is impossible waits for nobody: {refused:?}");
}
