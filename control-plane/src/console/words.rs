//! The console's words, in one place: each noun and each name is the same on every page. What stands on one page only is in its
//! template.

use stopleak_detector::Risk;

use crate::attempts::Outcome;
use crate::leaks::{Action, Status};
use crate::people::Role;

/// A page that is linked from everywhere.
pub(super) struct PageName {
    /// The first part of its path behind the tenant.
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    pub(super) icon: &'static str,
}

/// The pages, in the order of their use.
pub(super) const PAGES: &[PageName] = &[
    PageName { path: "", name: "Overview", icon: "overview" },
    PageName { path: "leaks", name: "Leaks", icon: "leaks" },
    PageName { path: "attempts", name: "Attempts", icon: "attempts" },
    PageName { path: "gateways", name: "Gateways", icon: "gateways" },
];

/// The risks, the worst first.
pub(super) const RISKS: [Risk; 4] = [Risk::Critical, Risk::High, Risk::Medium, Risk::Low];
/// Where leaks stand, what is to be done first.
pub(super) const STATUSES: [Status; 3] = [Status::Open, Status::Closed, Status::FalsePositive];
/// What may be decided, in the order in which it usually is.
pub(super) const ACTIONS: [Action; 6] =
    [Action::ApplyVirtualPatch, Action::RemoveVirtualPatch, Action::Close, Action::MarkFalse, Action::Reopen, Action::SetRisk];
/// Kinds of sources that leaks come from.
pub(super) const SOURCE_KINDS: [(&str, &str); 7] = [
    ("git", "Git repository"),
    ("folder", "Folder"),
    ("file", "File"),
    ("import", "Import"),
    ("webhook", "Webhook"),
    ("github", "GitHub"),
    ("manual", "Added by hand"),
];
/// What leaks without a source are shown as.
pub(super) const BY_HAND: &str = "Added by hand";

pub(super) fn risk(risk: &str) -> &'static str {
    match risk {
        "critical" => "Critical",
        "high" => "High",
        "medium" => "Medium",
        _ => "Low",
    }
}

pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Open => "Open",
        Status::Closed => "Closed",
        Status::FalsePositive => "False positive",
    }
}

/// What an administrator does.
pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::ApplyVirtualPatch => "Apply virtual patch",
        Action::MarkFalse => "Mark as false positive",
        Action::Close => "Close",
        Action::Reopen => "Reopen",
        Action::SetRisk => SET_RISK,
        Action::RemoveVirtualPatch => "Remove virtual patch",
    }
}

/// What somebody has done.
pub(super) fn done(action: Action) -> &'static str {
    match action {
        Action::ApplyVirtualPatch => "applied a virtual patch",
        Action::MarkFalse => "marked the leak as a false positive",
        Action::Close => "closed the leak",
        Action::Reopen => "reopened the leak",
        Action::SetRisk => "set the risk",
        Action::RemoveVirtualPatch => "removed the virtual patch",
    }
}

/// Whether a leak's tokens work, what is worst first.
pub(super) const LIVES: [&str; 3] = ["alive", "unseen", "dead"];

pub(super) fn life_name(life: &str) -> &'static str {
    match life {
        "alive" => "Alive",
        "dead" => "Dead",
        _ => "Unseen",
    }
}

/// What gateways have seen of a token.
pub(super) fn life(life: &str) -> &'static str {
    match life {
        "alive" => "alive: it was accepted",
        "dead" => "dead: it was refused by its service",
        _ => "unseen: no gateway has seen it",
    }
}

/// What a gateway did.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Blocked => "Blocked",
        Outcome::Observed => "Observed",
    }
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Administrator => "Administrator",
        Role::Analyst => "Analyst",
        Role::GlobalAdministrator => "Global administrator",
        Role::GlobalAnalyst => "Global analyst",
    }
}

/// Where nothing can be shown.
pub(super) const NOTHING_YET: &str = "Nothing yet.";
/// On pages that lead nowhere else.
pub(super) const BACK_HOME: &str = "Back to the overview";
/// A source that is not there any more.
pub(super) const GONE_SOURCE: &str = "A source that is gone";
/// Also where nothing else is asked.
pub(super) const SET_RISK: &str = "Set risk";
/// How a leak begins.
pub(super) const FOUND: &str = "Found";
