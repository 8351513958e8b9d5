//! Checks: whether fingerprints are those of leaked tokens. Whoever asks has hashed their tokens already, and sends none.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::Fingerprint;
use stopleak_contract::index::LeakNumber;

use crate::leaks::{Status, leak_id};
use crate::store::{Connection, placeholders};
use crate::tenants::TenantId;
use crate::time::Time;

/// What is known of one fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "CheckResult")]
pub struct CheckView {
    /// The one that was asked for.
    pub fingerprint: String,
    /// Whether it is that of a token that a leak has, and the leak is no false positive.
    pub leaked: bool,
    /// `LK-7`.
    pub leak: Option<String>,
    /// Where that leak stands.
    #[schemars(with = "Option<Status>")]
    pub status: Option<String>,
    /// Whether gateways refuse the token.
    pub virtual_patch: bool,
    /// Since when it is known.
    pub first_seen_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    #[sqlx(try_from = "i64")]
    leak: LeakNumber,
    status: String,
    patched_at: Option<Time>,
    created_at: Time,
}

/// Fingerprints in one query: each is a parameter.
const AT_ONCE: usize = 500;

/// Checks fingerprints; what is known of them comes in the order that they have.
pub async fn check(db: &mut Connection, tenant: TenantId, fingerprints: &[Fingerprint]) -> Result<Vec<CheckView>, sqlx::Error> {
    let mut known = HashMap::new();
    let of = |column: &str, fingerprints: usize| {
        let list = placeholders(2, fingerprints);
        format!(
            "SELECT {column} AS fingerprint, t.leak, l.status, l.patched_at, t.created_at FROM tokens t
             JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak WHERE t.tenant_id = $1 AND {column} IN ({list})"
        )
    };
    for some in fingerprints.chunks(AT_ONCE) {
        let sql = format!(
            "{} UNION ALL {}",
            of("t.fingerprint", some.len()),
            // Somebody may have hashed under the key that the token was under before.
            of("t.old_fingerprint", some.len())
        );
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant);
        let query = some.iter().fold(query, |query, fingerprint| query.bind(fingerprint.as_bytes().as_slice()));
        let rows: Vec<Row> = query.fetch_all(&mut *db).await?;
        known.extend(rows.into_iter().map(|row| (row.fingerprint.clone(), row)));
    }
    let view = |fingerprint: &Fingerprint| {
        let row = known.get(fingerprint.as_bytes().as_slice());
        CheckView {
            fingerprint: blake3::Hash::from_bytes(*fingerprint.as_bytes()).to_hex().to_string(),
            leaked: row.is_some_and(|row| row.status != "false_positive"),
            leak: row.map(|row| leak_id(row.leak)),
            status: row.map(|row| row.status.clone()),
            virtual_patch: row.is_some_and(|row| row.patched_at.is_some()),
            first_seen_at: row.map(|row| row.created_at),
        }
    };
    Ok(fingerprints.iter().map(view).collect())
}
