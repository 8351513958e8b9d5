//! From a database to a file.

use std::io::Write;

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};
use tokio_stream::StreamExt as _;

use super::BackupError;
use super::format::{Head, VERSION, Writer, to_hex};
use super::schema::{Kind, Table, tables};
use crate::store::{Connection, Store};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// Parts of the names of columns that prove who somebody is, or that open something elsewhere: an export does not have them.
const WITHHELD: [&str; 4] = ["hash", "password", "secret", "sealed"];

/// Writes all rows as they are at one moment, while others write; how many.
pub async fn backup<W: Write>(store: &Store, out: W) -> Result<(W, u64), BackupError> {
    let mut db = store.read().await?;
    let mut writer = Writer::new(out);
    writer.line(&head(&mut db, None).await?)?;
    for table in tables(store.database(), &mut db).await? {
        let query = format!("SELECT {} FROM {}", table.list(), table.quoted());
        write(&mut db, &mut writer, &table, query, None).await?;
    }
    Ok(writer.end()?)
}

/// Writes the rows of one tenant, without what signs anybody in; how many.
pub async fn export<W: Write>(store: &Store, tenant: &str, out: W) -> Result<(W, u64), BackupError> {
    let mut db = store.read().await?;
    let tenant = tenants::find(&mut db, tenant).await?.ok_or(BackupError::NoSuchTenant)?;
    let mut writer = Writer::new(out);
    writer.line(&head(&mut db, Some(tenant.name)).await?)?;
    for mut table in tables(store.database(), &mut db).await? {
        let of_tenant = if table.table == "tenants" { "id" } else { "tenant_id" };
        if !table.has(of_tenant) {
            continue;
        }
        table.columns.retain(|column| !WITHHELD.iter().any(|part| column.name.contains(part)));
        let query = format!("SELECT {} FROM {} WHERE {of_tenant} = $1", table.list(), table.quoted());
        write(&mut db, &mut writer, &table, query, Some(tenant.id)).await?;
    }
    Ok(writer.end()?)
}

async fn head(db: &mut Connection, tenant: Option<String>) -> Result<Head, BackupError> {
    let schema = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(db).await?;
    let made_at = serde_json::to_value(Time::now()).ok().and_then(|time| time.as_str().map(str::to_owned)).unwrap_or_default();
    Ok(Head { stopleak_backup: VERSION, schema, tenant, made_at })
}

/// As a stream: a table may be larger than memory.
async fn write<W: Write>(
    db: &mut Connection,
    writer: &mut Writer<W>,
    table: &Table,
    query: String,
    tenant: Option<TenantId>,
) -> Result<(), BackupError> {
    writer.line(table)?;
    let mut query = sqlx::query(AssertSqlSafe(query));
    if let Some(tenant) = tenant {
        query = query.bind(tenant);
    }
    let mut rows = query.fetch(db);
    while let Some(row) = rows.next().await {
        writer.row(&values(&row?, table)?)?;
    }
    Ok(())
}

fn values(row: &AnyRow, table: &Table) -> Result<Vec<Value>, sqlx::Error> {
    let value = |(at, kind)| {
        Ok(match kind {
            Kind::Number => row.try_get::<Option<i64>, _>(at)?.into(),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.into(),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(|bytes| to_hex(&bytes)).into(),
        })
    };
    table.columns.iter().map(|column| column.kind).enumerate().map(value).collect()
}
