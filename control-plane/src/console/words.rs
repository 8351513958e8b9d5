//! The console's words, in one place: each noun and each name is the same on every page. What stands on one page only is in its
//! template.

use stopleak_detector::Risk;

use crate::attempts::{By, Outcome};
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
    PageName { path: "sources", name: "Sources", icon: "sources" },
    PageName { path: "gateways", name: "Gateways", icon: "gateways" },
    PageName { path: "try", name: "Try it", icon: "try" },
    PageName { path: "audit", name: "Audit", icon: "audit" },
    PageName { path: "settings", name: "Settings", icon: "settings" },
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

/// Where a scan stands, and what that looks like.
pub(super) fn scan(status: crate::scans::Status) -> (&'static str, &'static str) {
    match status {
        crate::scans::Status::Queued => ("wait", "Waits"),
        crate::scans::Status::Running => ("wait", "Runs"),
        crate::scans::Status::Done => ("good", "Done"),
        crate::scans::Status::Failed => ("bad", "Failed"),
    }
}

/// Of sources that others fill.
pub(super) fn source_kind(kind: &str) -> &'static str {
    SOURCE_KINDS.into_iter().find(|(known, _)| *known == kind).map_or("Other", |(_, name)| name)
}

/// How attempts are shown.
pub(super) fn grouped_by(by: By) -> &'static str {
    match by {
        By::Client => "By client",
        By::Leak => "By leak",
        By::Route => "By route",
    }
}

/// Who changed something.
pub(super) fn actor(kind: &str) -> &'static str {
    match kind {
        "user" => "User",
        "api_token" => "API token",
        _ => "Stopleak itself",
    }
}

/// Which part of a request.
pub(super) fn place(place: &str) -> &'static str {
    match place {
        "authorization" | "header" => "Header",
        "cookie" => "Cookie",
        "query" => "Parameter",
        "path" => "Path",
        "body" => "Body",
        _ => "Request",
    }
}

/// How long virtual patches may be paused, in hours.
pub(super) const PAUSES: [(&str, &str); 5] =
    [("1", "an hour"), ("4", "four hours"), ("24", "a day"), ("72", "three days"), ("168", "a week")];
/// How somebody is told.
pub(super) const CHANNELS: [(&str, &str); 3] = [("webhook", "Webhook"), ("slack", "Slack"), ("email", "E-mail")];
/// How long an API token works, in days.
pub(super) const LIFETIMES: [(&str, &str); 4] = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "ever")];

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
