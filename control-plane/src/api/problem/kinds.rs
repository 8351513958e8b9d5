//! Every type of problem, under the status that it has: the list that callers may rely on.

use axum::http::StatusCode;

/// Statuses, and the ends of the types' names. What has two statuses is usually told with the first.
pub const KINDS: &[(u16, &[&str])] = &[
    (400, &["malformed"]),
    (401, &["unauthenticated", "sign-in-failed", "signature-rejected"]),
    (403, &["forbidden", "cross-site", "sso-refused"]),
    (404, &["no-such-route", "not-found"]),
    (405, &["method-not-allowed"]),
    (
        409,
        &[
            "import-done",
            "import-under-way",
            "other-report",
            "illegal-transition",
            "confirmation-required",
            "approval-required",
            "already-pending",
            "too-many-scopes",
            "changed-meanwhile",
            "settled",
            "same-person",
            "token-already-leaked",
            "name-taken",
            "scan-under-way",
            "module-off",
            "own-account",
            "last-administrator",
            "not-dead",
            "idempotent-request-under-way",
            "idempotent-request-done",
            "idempotent-request-unknown",
        ],
    ),
    (412, &["changed-meanwhile"]),
    (413, &["too-large"]),
    (415, &["not-json"]),
    (422, &["invalid", "idempotency-key-reused", "report-rejected", "token-rejected"]),
    (429, &["rate-limited", "locked-out"]),
    (500, &["internal"]),
    (502, &["provider-failed"]),
    (
        503,
        &[
            "database-locked",
            "database-busy",
            "database-unavailable",
            "no-filter-module",
            "index-unproved",
            "busy",
            "keys-unavailable",
        ],
    ),
];

pub(super) fn has(status: StatusCode, kind: &str) -> bool {
    KINDS.iter().any(|(listed, kinds)| *listed == status.as_u16() && kinds.contains(&kind))
}
