//! What a list shows of each of its leaks beside what every list has: a few tokens, and how often they were used.

use std::collections::BTreeMap;

use stopleak_contract::index::LeakNumber;

use crate::store::{Connection, Sql};
use crate::tenants::TenantId;

/// What is seen of a leak at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// The first of its tokens: the preview, and whether gateways have seen it `alive`, `dead` or not at all.
    pub tokens: Vec<(String, String)>,
    /// Uses that passed.
    pub observed: i64,
    /// Uses that were refused.
    pub blocked: i64,
}

/// Tokens that are shown of each leak.
const TOKENS: i64 = 2;

/// What is seen of these leaks: as many as a page has.
pub async fn glance(
    db: &mut Connection,
    tenant: TenantId,
    leaks: &[LeakNumber],
) -> Result<BTreeMap<LeakNumber, Glance>, sqlx::Error> {
    let mut seen: BTreeMap<LeakNumber, Glance> = leaks.iter().map(|leak| (*leak, Glance::default())).collect();
    if leaks.is_empty() {
        return Ok(seen);
    }
    // One look-up for each, at the beginning of its tokens: a leak may have ten thousand.
    let mut sql = Sql::new("");
    for (place, leak) in leaks.iter().enumerate() {
        sql.push(if place == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        sql.push("SELECT leak, preview, life FROM tokens WHERE tenant_id = ").int(tenant.0);
        sql.push(" AND leak = ").int((*leak).into()).push(" ORDER BY id LIMIT ").int(TOKENS).push(") t");
    }
    let tokens: Vec<(i64, String, String)> = sql.fetch_all(&mut *db).await?;
    for (leak, preview, life) in tokens {
        if let Some(glance) = of(&mut seen, leak) {
            glance.tokens.push((preview, life));
        }
    }
    let mut sql = Sql::new("SELECT leak, outcome, count FROM attempt_counts WHERE tenant_id = ");
    sql.int(tenant.0).push(" AND leak IN (");
    for (place, leak) in leaks.iter().enumerate() {
        sql.push(if place == 0 { "" } else { ", " }).int((*leak).into());
    }
    sql.push(")");
    let counts: Vec<(i64, String, i64)> = sql.fetch_all(db).await?;
    for (leak, outcome, count) in counts {
        if let Some(glance) = of(&mut seen, leak) {
            match outcome.as_str() {
                "blocked" => glance.blocked += count,
                _ => glance.observed += count,
            }
        }
    }
    Ok(seen)
}

fn of(seen: &mut BTreeMap<LeakNumber, Glance>, leak: i64) -> Option<&mut Glance> {
    LeakNumber::try_from(leak).ok().and_then(|leak| seen.get_mut(&leak))
}
