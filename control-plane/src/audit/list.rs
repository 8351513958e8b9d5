//! Reads the audit log.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::chain::{Entry, Head};
use crate::store::{Connection, Order, Page, Sql};
use crate::tenants::TenantId;
use crate::time::Time;

/// Which entries; all conditions hold.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// The name of who did it.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// The object, such as `gateway/7`.
    pub object: Option<String>,
    /// At this time or later.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// By their `number`.
    pub page: Page,
}

/// An entry as people see it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub struct AuditView {
    /// Whose log it is.
    pub tenant: String,
    /// 1, 2, 3 … of the tenant.
    pub number: i64,
    /// When.
    pub at: Time,
    /// Who.
    pub actor: Actor,
    /// Where the request came from.
    pub address: Option<String>,
    /// What was done.
    pub action: String,
    /// To which object.
    pub object: String,
    /// What it was before, byte for byte as it was hashed.
    #[schemars(with = "Option<Value>")]
    pub before: Option<Box<RawValue>>,
    /// What it was afterwards.
    #[schemars(with = "Option<Value>")]
    pub after: Option<Box<RawValue>>,
    /// The entry's hash, which covers the one before.
    pub hash: String,
}

/// Who did it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Actor {
    /// `user`, `api_token` or `system`.
    #[schemars(extend("enum" = ["user", "api_token", "system"]))]
    pub kind: String,
    /// The key of the user or API token.
    pub id: Option<i64>,
    /// Their name at that time.
    pub name: String,
    /// The role that they used.
    pub role: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant: String,
    number: i64,
    at: Time,
    actor_kind: String,
    actor_id: Option<i64>,
    actor: String,
    role: String,
    address: String,
    action: String,
    object: String,
    state_before: Option<String>,
    state_after: Option<String>,
    hash: Vec<u8>,
}

/// What a row takes.
const ROW: &str =
    "SELECT t.name AS tenant, a.number, a.at, a.actor_kind, a.actor_id, a.actor, a.role, a.address, a.action, a.object,
                          a.state_before, a.state_after, a.hash
                   FROM audit a JOIN tenants t ON t.id = a.tenant_id WHERE a.tenant_id = ";

/// The tenant's entries that the filter wants.
pub async fn list(db: &mut Connection, tenant: TenantId, filter: &AuditFilter) -> Result<Vec<AuditView>, sqlx::Error> {
    let mut sql = Sql::new(ROW);
    sql.int(tenant.0);
    for (column, wanted) in
        [(" AND a.actor = ", &filter.actor), (" AND a.action = ", &filter.action), (" AND a.object = ", &filter.object)]
    {
        if let Some(wanted) = wanted {
            sql.push(column).text(wanted);
        }
    }
    for (bound, time) in [(" AND a.at >= ", filter.since), (" AND a.at < ", filter.until)] {
        if let Some(time) = time {
            sql.push(bound).int(time.into());
        }
    }
    sql.page("a.number", &filter.page);
    let rows: Vec<Row> = sql.fetch_all(db).await?;
    Ok(rows.into_iter().map(Row::view).collect())
}

/// The tenant's entries after one of them, the oldest first, for who reads all of them.
pub async fn page_after(
    db: &mut Connection,
    tenant: TenantId,
    number: i64,
    limit: u32,
) -> Result<Vec<(Entry, AuditView)>, sqlx::Error> {
    let mut sql = Sql::new(ROW);
    sql.int(tenant.0).page("a.number", &Page { behind: Some(number), order: Order::OldestFirst, limit });
    let rows: Vec<Row> = sql.fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.entry(), row.view())).collect())
}

/// The newest entry.
pub async fn head(db: &mut Connection, tenant: TenantId) -> Result<Head, sqlx::Error> {
    let query = "SELECT number, hash FROM audit WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1";
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(query).bind(tenant).fetch_optional(db).await?;
    Ok(row.map_or_else(Head::default, |(number, hash)| Head { number, hash: hash.try_into().ok() }))
}

impl AuditFilter {
    /// All entries, in these pages.
    #[must_use]
    pub fn all(page: Page) -> Self {
        Self { actor: None, action: None, object: None, since: None, until: None, page }
    }
}

impl Row {
    fn entry(&self) -> Entry {
        Entry {
            number: self.number,
            at: self.at,
            actor_kind: self.actor_kind.clone(),
            actor_id: self.actor_id,
            actor: self.actor.clone(),
            role: self.role.clone(),
            address: self.address.clone(),
            action: self.action.clone(),
            object: self.object.clone(),
            before: self.state_before.clone(),
            after: self.state_after.clone(),
        }
    }

    fn view(self) -> AuditView {
        // Written by this program as JSON; what somebody else broke is left out, and the hash does not fit any more.
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        AuditView {
            tenant: self.tenant,
            number: self.number,
            at: self.at,
            actor: Actor { kind: self.actor_kind, id: self.actor_id, name: self.actor, role: self.role },
            address: Some(self.address).filter(|address| !address.is_empty()),
            action: self.action,
            object: self.object,
            before: json(self.state_before),
            after: json(self.state_after),
            hash: self.hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
        }
    }
}
