//! What is counted with each change, and what counting everything says: both must be the same.

use anyhow::{Context as _, Result, ensure};
use sqlx::{AnyConnection, AssertSqlSafe};

/// What is counted, how it stands there, and how it is found by counting; `T` is the tenant.
const COUNTED: &[(&str, &str, &str)] = &[
    (
        "leaks by source, status, risk and patch",
        "SELECT source, status, risk, patched, leaks FROM leak_counts WHERE tenant_id = T AND leaks <> 0",
        "SELECT source_rank, status, risk, is_patched, count(*) FROM leaks WHERE tenant_id = T GROUP BY 1, 2, 3, 4",
    ),
    (
        "what happened on each day",
        "SELECT day, what, count FROM day_counts WHERE tenant_id = T",
        "SELECT created_at / 86400000, 'found', count(*) FROM leaks WHERE tenant_id = T GROUP BY 1
         UNION ALL SELECT decided_at / 86400000, action, count(*) FROM decisions WHERE tenant_id = T GROUP BY 1, 2
         UNION ALL SELECT last_seen_at / 86400000, outcome, CAST(sum(count) AS BIGINT) FROM attempts WHERE tenant_id = T GROUP BY 1, 2",
    ),
    (
        "leaks by life",
        "SELECT life, status, patched, leaks FROM life_counts WHERE tenant_id = T AND leaks <> 0",
        "SELECT life, status, is_patched, count(*) FROM leaks WHERE tenant_id = T GROUP BY 1, 2, 3",
    ),
    (
        "tokens that are alive or dead",
        "SELECT number, alive_tokens, dead_tokens FROM leaks WHERE tenant_id = T AND alive_tokens + dead_tokens > 0",
        "SELECT leak, CAST(sum(CASE WHEN life = 'alive' THEN 1 ELSE 0 END) AS BIGINT),
                CAST(sum(CASE WHEN life = 'dead' THEN 1 ELSE 0 END) AS BIGINT)
         FROM tokens WHERE tenant_id = T AND life <> 'unseen' GROUP BY 1",
    ),
    (
        "lengths of tokens",
        "SELECT length FROM token_lengths WHERE tenant_id = T",
        "SELECT DISTINCT length FROM tokens WHERE tenant_id = T",
    ),
    (
        "tokens of each leak",
        "SELECT number, token_count FROM leaks WHERE tenant_id = T",
        "SELECT leak, count(*) FROM tokens WHERE tenant_id = T GROUP BY 1",
    ),
    (
        "rules of each leak",
        "SELECT leak, rule FROM leak_rules WHERE tenant_id = T",
        "SELECT DISTINCT leak, rule FROM tokens WHERE tenant_id = T AND rule IS NOT NULL",
    ),
    (
        "attempts of each leak",
        "SELECT leak, outcome, count, last_seen_at FROM attempt_counts WHERE tenant_id = T",
        "SELECT leak, outcome, CAST(sum(count) AS BIGINT), max(last_seen_at) FROM attempts WHERE tenant_id = T GROUP BY 1, 2",
    ),
    ("attempts", "SELECT attempts FROM tenants WHERE id = T", "SELECT count(*) FROM attempts WHERE tenant_id = T"),
];

/// Fails when anything was counted wrongly.
pub async fn check(db: &mut AnyConnection, tenant: i64) -> Result<()> {
    for (what, stored, counted) in COUNTED {
        let (stored, counted) = (of(stored, tenant), of(counted, tenant));
        for (one, other) in [(&stored, &counted), (&counted, &stored)] {
            let query = format!("SELECT count(*) FROM (SELECT * FROM ({one}) a EXCEPT SELECT * FROM ({other}) b) c");
            let different: i64 =
                sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *db).await.with_context(|| (*what).to_owned())?;
            ensure!(different == 0, "{what}: {different} are counted wrongly");
        }
    }
    Ok(())
}

fn of(query: &str, tenant: i64) -> String {
    query.replace("= T", &format!("= {tenant}"))
}
