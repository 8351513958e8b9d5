//! Lists of leaks.
//!
//! A page costs the same whatever is asked, and however many leaks there are: it looks at [`WINDOW`] leaks at most, in the order of
//! an index. When few of them are wanted it has fewer entries than could be, and a cursor that goes on behind all that were looked
//! at.

use schemars::JsonSchema;
use serde::Serialize;
use stopleak_contract::index::LeakNumber;

use super::filter::{Cursor, Filter, Key, NEWEST_FIRST, Sort};
use super::{Column, RiskName, Status, leak_id};
use crate::attempts::Life;
use crate::scopes::ScopeView;
use crate::store::{Connection, Sql};
use crate::tenants::TenantId;
use crate::time::Time;

/// A leak in a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LeakSummary {
    /// `LK-7`.
    pub id: String,
    /// 7.
    pub number: LeakNumber,
    /// What people call it.
    pub title: String,
    /// How bad it is.
    #[schemars(with = "RiskName")]
    pub risk: String,
    /// Who says so: `rule` or `person`.
    #[schemars(extend("enum" = ["rule", "person"]))]
    pub risk_from: String,
    /// Where it stands.
    pub status: Status,
    /// The virtual patch, when there is one.
    pub virtual_patch: Option<VirtualPatch>,
    /// Whose it is.
    pub assignee: Option<String>,
    /// The source whose scan found it.
    pub source: Option<i64>,
    /// The path within the source.
    pub path: Option<String>,
    /// How many tokens it has.
    pub token_count: i64,
    /// Whether they work, as far as gateways have seen: `alive` when one of them does, `dead` when all of them are refused.
    pub life: Life,
    /// Since when.
    pub life_since: Option<Time>,
    /// The last time that a token was used from a client that had not been seen with this leak; `null` when a person has decided since.
    pub new_client: Option<NewClient>,
    /// Of a closed leak: until when gateways observe its tokens.
    pub observed_until: Option<Time>,
    /// Of a closed leak that stays closed: when a token of it was last used.
    pub used_after_close_at: Option<Time>,
    /// When it was found.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Grows with each change; its `ETag`.
    pub version: i64,
}

/// Every use of the leak's tokens is refused.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct VirtualPatch {
    /// Since when.
    pub applied_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// Where it applies; `null`: everywhere.
    pub scope: ScopeView,
}

/// A client that was new to a leak.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NewClient {
    /// Its address; of IPv6 the network.
    pub client: String,
    /// When that was.
    pub at: Time,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// In the order that was asked for.
    pub leaks: Vec<LeakSummary>,
    /// Where the list goes on.
    pub next: Option<Cursor>,
}

/// Leaks that one page looks at: some five milliseconds, and ten when two cores have other work, too.
const WINDOW: i64 = 2_000;

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(try_from = "i64")]
    number: LeakNumber,
    title: String,
    risk: String,
    risk_from: String,
    status: Status,
    patched_at: Option<Time>,
    patch_expires_at: Option<Time>,
    #[sqlx(try_from = "Option<String>")]
    scope: ScopeView,
    assignee: String,
    source_id: Option<i64>,
    path: Option<String>,
    token_count: i64,
    life: Life,
    life_since: Option<Time>,
    new_client: Option<String>,
    new_client_at: Option<Time>,
    observe_until: Option<Time>,
    used_closed_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    version: i64,
    risk_rank: i64,
}

const COLUMNS: &str =
    "number, title, risk, risk_from, status, patched_at, patch_expires_at, assignee, source_id, path, token_count,
    created_at, updated_at, version, risk_rank, patched_rank, source_rank, path_rank, scope_id, life, life_since,
    new_client, new_client_at, has_new_client, observe_until, used_closed_at";

/// One page.
pub async fn list(
    db: &mut Connection,
    tenant: TenantId,
    filter: &Filter,
    sort: Sort,
    cursor: Option<&Cursor>,
    limit: u32,
) -> Result<Page, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    scope(sql.push(COLUMNS), tenant).push(" FROM (SELECT ").push(COLUMNS).push(" FROM leaks WHERE tenant_id = ").int(tenant.0);
    let driver = window(&mut sql, filter, sort, cursor);
    let has_rest = filter.has_rest(driver);
    sql.push(" LIMIT ").int(if has_rest { WINDOW } else { limit.into() }).push(") w WHERE 1 = 1");
    if has_rest {
        filter.conditions(&mut sql);
    }
    order(&mut sql, sort);
    sql.push(" LIMIT ").int(limit.into());
    let rows: Vec<Row> = sql.fetch_all(&mut *db).await?;
    let full = rows.len() == limit as usize;
    let next = match rows.last().filter(|_| full) {
        Some(last) => Some(Cursor::behind(sort, last.key(sort.by), last.number)),
        None if has_rest => end_of_window(db, tenant, filter, sort, cursor).await?,
        None => None,
    };
    Ok(Page { leaks: rows.into_iter().map(Row::summary).collect(), next })
}

/// One leak.
pub async fn summary(db: &mut Connection, tenant: TenantId, number: LeakNumber) -> Result<Option<LeakSummary>, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    scope(sql.push(COLUMNS), tenant)
        .push(" FROM leaks WHERE tenant_id = ")
        .int(tenant.0)
        .push(" AND number = ")
        .int(number.into());
    Ok(sql.fetch_all(db).await?.pop().map(Row::summary))
}

/// Looked up for what is shown only.
fn scope(sql: &mut Sql, tenant: TenantId) -> &mut Sql {
    sql.push(", (SELECT s.scope FROM scopes s WHERE s.tenant_id = ").int(tenant.0).push(" AND s.id = scope_id) AS scope")
}

/// The last leak that was looked at, when there may be more behind it.
async fn end_of_window(
    db: &mut Connection,
    tenant: TenantId,
    filter: &Filter,
    sort: Sort,
    cursor: Option<&Cursor>,
) -> Result<Option<Cursor>, sqlx::Error> {
    let mut sql = Sql::new("SELECT number, ");
    sql.push(sort.by.sql()).push(" AS key FROM leaks WHERE tenant_id = ").int(tenant.0);
    window(&mut sql, filter, sort, cursor);
    sql.push(" LIMIT 1 OFFSET ").int(WINDOW - 1);
    let number = |number: i64| LeakNumber::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()));
    if sort.by.is_text() {
        let last: Option<(i64, String)> = sql.fetch_all(db).await?.pop();
        return last.map(|(n, key)| Ok(Cursor::behind(sort, Key::Text(key), number(n)?))).transpose();
    }
    let last: Option<(i64, i64)> = sql.fetch_all(db).await?.pop();
    last.map(|(n, key)| Ok(Cursor::behind(sort, Key::Int(key), number(n)?))).transpose()
}

/// The conditions that an index answers, and its order.
fn window(sql: &mut Sql, filter: &Filter, sort: Sort, cursor: Option<&Cursor>) -> Option<super::filter::Driver> {
    let driver = if sort.by == Column::Number { filter.drive(sql) } else { None };
    if let Some(cursor) = cursor {
        cursor.condition(sort, sql);
    }
    order(sql, sort);
    driver
}

fn order(sql: &mut Sql, sort: Sort) {
    let direction = if sort.descending { " DESC" } else { " ASC" };
    sql.push(" ORDER BY ");
    if sort.by != NEWEST_FIRST.by {
        sql.push(sort.by.sql()).push(direction).push(", ");
    }
    sql.push("number").push(direction);
}

impl Row {
    fn key(&self, by: Column) -> Key {
        match by {
            Column::Number => Key::Int(self.number.into()),
            Column::Title => Key::Text(self.title.clone()),
            Column::Risk => Key::Int(self.risk_rank),
            Column::Status => Key::Text(self.status.as_str().to_owned()),
            Column::VirtualPatch => Key::Int(self.patched_at.map_or(0, i64::from)),
            Column::Source => Key::Int(self.source_id.unwrap_or(0)),
            Column::Path => Key::Text(self.path.clone().unwrap_or_default()),
            Column::Assignee => Key::Text(self.assignee.clone()),
            Column::TokenCount => Key::Int(self.token_count),
            Column::UpdatedAt => Key::Int(self.updated_at.into()),
        }
    }

    fn summary(self) -> LeakSummary {
        let (expires_at, scope) = (self.patch_expires_at, self.scope);
        LeakSummary {
            id: leak_id(self.number),
            number: self.number,
            title: self.title,
            risk: self.risk,
            risk_from: self.risk_from,
            status: self.status,
            virtual_patch: self.patched_at.map(|applied_at| VirtualPatch { applied_at, expires_at, scope }),
            assignee: Some(self.assignee).filter(|assignee| !assignee.is_empty()),
            source: self.source_id,
            path: self.path,
            token_count: self.token_count,
            life: self.life,
            life_since: self.life_since,
            new_client: self.new_client.zip(self.new_client_at).map(|(client, at)| NewClient { client, at }),
            observed_until: self.observe_until,
            used_after_close_at: self.used_closed_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        }
    }
}
