//! What no type can say: what an operation is for, and which problems it has beside those that its arguments bring.

use axum::http::Method;

/// What is said of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) summary: &'static str,
    pub(super) problems: &'static [&'static str],
}

pub(super) const INTRODUCTION: &str = "\
JSON in, JSON out. Every call but the open ones needs an API token or a session. Unknown members and parameters are refused. Times are \
RFC 3339 in UTC. Errors are `application/problem+json` (RFC 9457) with a `type` that stays. Lists have pages: `next` of one is what to give \
for the next, and `null` at the end.";
pub(super) const API_TOKEN: &str =
    "An API token. The first start of `stopleak serve` leaves an administrator's in the file `admin-token` of the data folder.";
pub(super) const SESSION: &str = "\
A session, as `POST /api/v1/session` opens it; with an `https` `public_url` the cookie is called `__Host-stopleak`. What changes something also \
needs `x-csrf-token`, whose value `GET /api/v1/session` tells.";

/// Problems of whatever becomes a decision.
const DECIDING: &[&str] = &[
    "illegal-transition",
    "confirmation-required",
    "approval-required",
    "already-pending",
    "too-many-scopes",
    "changed-meanwhile",
];
const SETTLING: &[&str] =
    &["settled", "same-person", "illegal-transition", "confirmation-required", "too-many-scopes", "changed-meanwhile"];
const ACCOUNTS: &[&str] = &["own-account", "last-administrator"];
const SIGNING_IN: &[&str] = &["sign-in-failed", "locked-out", "cross-site"];
const SSO: &[&str] = &["not-found", "provider-failed", "sso-refused", "name-taken"];
const READING: &[&str] = &["import-done", "import-under-way", "other-report", "report-rejected", "busy"];
const TRYING: &[&str] = &["module-off", "no-filter-module", "index-unproved", "busy"];

const DELIVERING: &[&str] = &["malformed", "too-large", "report-rejected", "busy"];
const GITHUB: &[&str] = &["no-such-route", "malformed", "too-large", "report-rejected", "busy", "keys-unavailable"];

type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("GET", "/healthz", "Whether the process is alive", &[]),
    ("GET", "/readyz", "Whether it can serve, and what is wrong when it can only in part", &["index-unproved"]),
    ("GET", "/metrics", "Metrics for Prometheus", &[]),
    (
        "GET",
        "/public/v1/{tenant}/checks/{prefix}",
        "Check without an account whether a token is leaked; where the tenant lets everybody",
        &["no-such-route", "invalid"],
    ),
    ("GET", "/api/docs", "This reference, as a page that can send requests", &[]),
    ("GET", "/api/docs/page.js", "The script of that page", &[]),
    ("GET", "/api/docs/page.css", "The style of that page", &[]),
    ("GET", "/api/v1/openapi.json", "This document", &[]),

    ("GET", "/api/v1/leaks", "List leaks, the newest first or by `sort`", &[]),
    ("POST", "/api/v1/leaks", "Add a leak by hand: a set of tokens", &["token-rejected", "token-already-leaked"]),
    ("GET", "/api/v1/leaks/summary", "The numbers of charts: by status, risk and source, and day by day", &[]),
    ("GET", "/api/v1/leaks/export", "All leaks that the filters let through, as a file", &[]),
    ("GET", "/api/v1/leaks/{number}", "One leak with tokens, occurrences, decisions and a summary of its attempts", &[]),
    ("PATCH", "/api/v1/leaks/{number}", "Change a leak's title, assignee or risk", &["approval-required", "illegal-transition"]),
    ("POST", "/api/v1/leaks/{number}/decisions", "Decide on a leak: now, later, or only to see what would become of it", DECIDING),
    ("GET", "/api/v1/leaks/{number}/impact", "What a virtual patch would have refused lately", &[]),
    ("GET", "/api/v1/leaks/{number}/comments", "List comments on a leak, the newest first", &[]),
    ("POST", "/api/v1/leaks/{number}/comments", "Comment on a leak", &[]),
    ("POST", "/api/v1/decisions", "Decide on many leaks at once", &[]),
    ("GET", "/api/v1/pending", "List decisions that wait, the newest first", &[]),
    ("POST", "/api/v1/pending/{id}/approve", "Approve a decision, as the second administrator", SETTLING),
    ("POST", "/api/v1/pending/{id}/reject", "Reject a decision, as another administrator", SETTLING),
    ("POST", "/api/v1/pending/{id}/cancel", "Cancel a decision that waits", SETTLING),
    ("GET", "/api/v1/policies", "List policies, by name or by `sort`", &[]),
    ("POST", "/api/v1/policies", "Write a policy, which is off until somebody switches it on", &["name-taken"]),
    ("GET", "/api/v1/policies/{id}", "One policy", &[]),
    ("PATCH", "/api/v1/policies/{id}", "Switch a policy on or off", &[]),
    ("DELETE", "/api/v1/policies/{id}", "Remove a policy; what it decided stays", &[]),
    ("GET", "/api/v1/policies/{id}/preview", "On which leaks a policy would decide now", &[]),
    ("GET", "/api/v1/pause", "Whether blocking is paused", &[]),
    ("POST", "/api/v1/pause", "Pause blocking: until then, what would be blocked is observed", &[]),
    ("DELETE", "/api/v1/pause", "End the pause", &[]),
    ("GET", "/api/v1/guard-rails", "The tenant's guard rails", &[]),
    ("POST", "/api/v1/guard-rails/second-approver", "Let decisions on critical leaks take two administrators", &[]),
    ("DELETE", "/api/v1/guard-rails/second-approver", "Let one administrator be enough", &[]),
    ("GET", "/api/v1/settings/response", "What a blocked request is answered", &[]),
    ("PUT", "/api/v1/settings/response", "Choose what a blocked request is answered", &[]),
    ("DELETE", "/api/v1/settings/response", "Answer blocked requests as usual again", &[]),
    ("GET", "/api/v1/settings/closed-leaks", "How long closed leaks are watched, and what happens when a token of one is used", &[]),
    ("PUT", "/api/v1/settings/closed-leaks", "Choose what becomes of closed leaks", &[]),
    ("GET", "/api/v1/checks", "By what a caller finds out whether it hashes with the right key", &[]),
    ("POST", "/api/v1/checks", "Which fingerprints are those of leaked tokens", &[]),
    ("GET", "/api/v1/attempts", "List uses of leaked tokens, the newest first", &[]),
    ("GET", "/api/v1/attempts/export", "All uses of leaked tokens that the filters let through, as a file", &[]),
    ("POST", "/api/v1/verdicts", "Try a request: what gateways would do with it. It is judged and forgotten", TRYING),

    ("GET", "/api/v1/sources", "List sources, each with its last scan, the oldest first or by `sort`", &[]),
    ("POST", "/api/v1/sources", "Add a source; one of this location may be there already", &[]),
    ("GET", "/api/v1/sources/{id}", "One source, with its last scan", &[]),
    ("POST", "/api/v1/sources/{id}/scans", "Scan a source now", &["invalid", "module-off", "scan-under-way"]),
    ("GET", "/api/v1/scans/{id}", "One scan: status, progress, coverage, findings", &[]),
    ("GET", "/api/v1/imports", "List imports, the newest first", &[]),
    ("POST", "/api/v1/imports", "Make an import, which then waits for its report", &[]),
    ("GET", "/api/v1/imports/{id}", "One import", &[]),
    ("PUT", "/api/v1/imports/{id}/report", "Send the report of another scanner: Gitleaks, Betterleaks, TruffleHog, Kingfisher or SARIF 2.1.0", READING),
    ("GET", "/api/v1/webhooks", "List webhooks, the newest first or by `sort`, with what came of each", &[]),
    ("POST", "/api/v1/webhooks", "Let somebody send findings; the answer shows the secret to sign with this once", &["name-taken"]),
    ("GET", "/api/v1/webhooks/{id}", "One webhook", &[]),
    ("DELETE", "/api/v1/webhooks/{id}", "Take nothing more of a webhook", &[]),
    ("POST", "/api/v1/intake/webhooks/{id}", "Deliver findings, signed with a webhook's secret", DELIVERING),
    ("POST", "/api/v1/intake/github/{tenant}", "Deliver what GitHub's secret-scanning partner programme found, signed by GitHub", GITHUB),
    ("GET", "/api/v1/notifications/channels", "List channels, by name or by `sort`, without their addresses", &[]),
    ("POST", "/api/v1/notifications/channels", "Add a channel; a webhook's answer shows its secret this once", &["name-taken"]),
    ("GET", "/api/v1/notifications/channels/{id}", "One channel, without its address", &[]),
    ("PATCH", "/api/v1/notifications/channels/{id}", "Change a channel", &["name-taken"]),
    ("DELETE", "/api/v1/notifications/channels/{id}", "Remove a channel, with its history", &[]),
    ("POST", "/api/v1/notifications/channels/{id}/test", "Send a message to a channel now", &["busy"]),
    ("POST", "/api/v1/notifications/channels/{id}/secret", "Give a webhook another secret, which is shown this once", &["invalid"]),
    ("GET", "/api/v1/notifications/deliveries", "List what was sent and what waits, the newest first", &[]),
    ("GET", "/api/v1/notifications/deliveries/{id}", "One delivery, with its facts", &[]),
    ("POST", "/api/v1/notifications/deliveries/{id}/retry", "Send a dead delivery again", &["not-dead"]),
    ("GET", "/api/v1/gateways", "List gateways: what is in force where, by name or by `sort`", &[]),
    ("POST", "/api/v1/gateways", "Let a gateway in; the answer shows its credential this once", &["name-taken"]),
    ("GET", "/api/v1/gateways/{id}", "One gateway: what is in force there", &[]),
    ("DELETE", "/api/v1/gateways/{id}", "Revoke a gateway's credential: it is disconnected at once and keeps its last index", &[]),
    ("GET", "/api/v1/epochs/{epoch}", "One epoch of the index: whether what it carries is in force everywhere, and since when", &[]),
    ("GET", "/api/v1/jobs", "List what workers have to do, and what they gave up, the newest first", &[]),
    ("POST", "/api/v1/jobs/{id}/retry", "Try a dead job again", &[]),

    ("GET", "/api/v1/tenants", "List tenants: all for global roles, else the caller's own", &[]),
    ("POST", "/api/v1/tenants", "Make a tenant", &["name-taken"]),
    ("GET", "/api/v1/tenants/{name}", "One tenant", &[]),
    ("PATCH", "/api/v1/tenants/{name}", "Change a tenant's title, or switch its API Leaks module on or off", &[]),
    ("POST", "/api/v1/session", "Sign in with name and password", SIGNING_IN),
    ("GET", "/api/v1/session", "Who the caller is", &[]),
    ("DELETE", "/api/v1/session", "Sign out", &[]),
    ("POST", "/api/v1/session/password", "Change the own password; all other sessions end", &["sign-in-failed", "locked-out"]),
    ("GET", "/api/v1/sessions", "List the caller's sessions", &[]),
    ("DELETE", "/api/v1/sessions", "Sign out everywhere", &[]),
    ("DELETE", "/api/v1/sessions/{id}", "End one of the caller's sessions", &[]),
    ("GET", "/api/v1/sso", "Go to the provider of single sign-on", SSO),
    ("GET", "/api/v1/sso/callback", "Come back from the provider of single sign-on with a session", SSO),
    ("GET", "/api/v1/users", "List users, by name or by `sort`", &[]),
    ("POST", "/api/v1/users", "Add a user", &["name-taken", "forbidden"]),
    ("GET", "/api/v1/users/{id}", "One user", &[]),
    ("PATCH", "/api/v1/users/{id}", "Change a user's role or password", ACCOUNTS),
    ("DELETE", "/api/v1/users/{id}", "Remove a user; their sessions end at once", ACCOUNTS),
    ("DELETE", "/api/v1/users/{id}/sessions", "Sign a user out everywhere", &[]),
    ("GET", "/api/v1/api-tokens", "List API tokens, with expiry and last use, the oldest first or by `sort`", &[]),
    ("POST", "/api/v1/api-tokens", "Make an API token; the answer shows it this once", &[]),
    ("GET", "/api/v1/api-tokens/{id}", "One API token, without its text", &[]),
    ("DELETE", "/api/v1/api-tokens/{id}", "Take an API token back", &[]),
    ("GET", "/api/v1/audit", "List who changed what, the newest first", &[]),
    ("GET", "/api/v1/audit/export", "The whole audit log as a file, the oldest entry first", &[]),
];

/// What is said of an operation; a test sees to it that something is.
pub(super) fn of(method: &Method, path: &str) -> Words {
    let row = ROWS.iter().find(|(of, at, ..)| *of == method.as_str() && *at == path);
    row.map(|&(_, _, summary, problems)| Words { summary, problems }).unwrap_or_default()
}

/// The operations that something is said of.
#[cfg(test)]
pub(super) fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter().map(|&(method, path, ..)| (method, path))
}
