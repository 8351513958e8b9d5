//! Lists that somebody wants to find again: what the URL of a page asks for, under a name of their own. Nobody else sees them.

use crate::store::Connection;
use crate::tenants::TenantId;

/// Whose they are, and of which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// In this tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: i64,
    /// Such as `leaks`.
    pub page: &'static str,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SavedView {
    /// What they call it.
    pub name: String,
    /// What the URL asks for.
    pub query: String,
}

/// More are not looked through.
pub const MOST: i64 = 30;

/// All of somebody's, by their names.
pub async fn list(db: &mut Connection, owner: Owner) -> Result<Vec<SavedView>, sqlx::Error> {
    sqlx::query_as(
        "SELECT name, query FROM saved_views WHERE tenant_id = $1 AND user_id = $2 AND page = $3 ORDER BY name LIMIT $4",
    )
    .bind(owner.tenant)
    .bind(owner.user)
    .bind(owner.page)
    .bind(MOST)
    .fetch_all(db)
    .await
}

/// Saves one, or gives one of that name another query; false when there are as many as there may be.
pub async fn save(db: &mut Connection, owner: Owner, view: &SavedView) -> Result<bool, sqlx::Error> {
    let others: i64 =
        sqlx::query_scalar("SELECT count(*) FROM saved_views WHERE tenant_id = $1 AND user_id = $2 AND page = $3 AND name <> $4")
            .bind(owner.tenant)
            .bind(owner.user)
            .bind(owner.page)
            .bind(&view.name)
            .fetch_one(&mut *db)
            .await?;
    if others >= MOST {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO saved_views (tenant_id, user_id, page, name, query) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, user_id, page, name) DO UPDATE SET query = excluded.query",
    )
    .bind(owner.tenant)
    .bind(owner.user)
    .bind(owner.page)
    .bind(&view.name)
    .bind(&view.query)
    .execute(db)
    .await?;
    Ok(true)
}

/// Forgets one.
pub async fn remove(db: &mut Connection, owner: Owner, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM saved_views WHERE tenant_id = $1 AND user_id = $2 AND page = $3 AND name = $4")
        .bind(owner.tenant)
        .bind(owner.user)
        .bind(owner.page)
        .bind(name)
        .execute(db)
        .await
        .map(drop)
}
