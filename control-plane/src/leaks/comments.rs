//! What people say about a leak.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use stopleak_contract::index::LeakNumber;

use super::leak_id;
use crate::audit;
use crate::people::Caller;
use crate::store::{Connection, Page, Sql, Store};
use crate::tenants::TenantId;
use crate::time::Time;

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, sqlx::FromRow)]
#[schemars(rename = "Comment")]
pub struct CommentView {
    /// Its key.
    pub id: i64,
    /// Who wrote it.
    pub author: String,
    /// What they wrote.
    pub text: String,
    /// When.
    pub created_at: Time,
}

/// Adds a comment; `None` when the tenant has no such leak.
pub async fn add_comment(
    store: &Store,
    caller: &Caller,
    leak: LeakNumber,
    text: &str,
    now: Time,
) -> Result<Option<CommentView>, sqlx::Error> {
    let (tenant, author) = (caller.tenant.id, caller.name.as_str());
    let mut db = store.write().await?;
    let added: Option<CommentView> = sqlx::query_as(
        "INSERT INTO comments (tenant_id, leak, author, text, created_at)
         SELECT tenant_id, number, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT)
         FROM leaks WHERE tenant_id = $1 AND number = $2 RETURNING id, author, text, created_at",
    )
    .bind(tenant)
    .bind(i64::from(leak))
    .bind(author)
    .bind(text)
    .bind(now)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(comment) = &added {
        let object = format!("comment/{}", comment.id);
        let after = json!({"leak": leak_id(leak), "text": text});
        audit::record(&mut db, caller, "comment.add", &object, None, Some(after)).await?;
    }
    db.commit().await?;
    Ok(added)
}

/// The comments on a leak.
pub async fn list_comments(
    db: &mut Connection,
    tenant: TenantId,
    leak: LeakNumber,
    page: &Page,
) -> Result<Vec<CommentView>, sqlx::Error> {
    let mut sql = Sql::new("SELECT id, author, text, created_at FROM comments WHERE tenant_id = ");
    sql.int(tenant.0).push(" AND leak = ").int(leak.into()).page("id", page);
    sql.fetch_all(db).await
}
