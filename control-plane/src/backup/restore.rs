//! From a file to an empty database.

use std::io::Read;

use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::BackupError;
use super::format::{Line, Reader, damaged, fits, from_hex};
use super::schema::{COUNTED, Kind, Table, tables};
use crate::store::{Connection, Database, Store, placeholders};

/// Values in one statement: `PostgreSQL` takes 65,535, `SQLite` 32,766.
const VALUES_AT_ONCE: usize = 8_000;

/// Writes all rows into an empty database, or none; how many. The tables are made as they were when the backup was made, and are brought up to date
/// afterwards.
pub async fn restore<R: Read>(database: &Database, file: R) -> Result<u64, BackupError> {
    let (mut reader, head) = Reader::new(file)?;
    if head.tenant.is_some() {
        return Err(BackupError::Export);
    }
    let newest = head.schema.last().copied().unwrap_or(0);
    let known: Vec<i64> = Store::versions(database).into_iter().filter(|&version| version <= newest).collect();
    if known != head.schema {
        let newer = head.schema.iter().any(|version| !known.contains(version));
        return Err(BackupError::Schema(if newer { "a newer" } else { "an older" }));
    }
    let store = Store::connect_at(database, newest).await?;
    let rows = write_all(&store, &mut reader).await;
    store.close().await;
    let rows = rows?;
    Store::connect(database).await?.close().await;
    Ok(rows)
}

async fn write_all<R: Read>(store: &Store, reader: &mut Reader<R>) -> Result<u64, BackupError> {
    let mut db = store.write().await?;
    let expected = tables(store.database(), &mut db).await?;
    for table in &expected {
        let query = format!("SELECT count(*) FROM {}", table.quoted());
        let there: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *db).await?;
        if there > 0 {
            return Err(BackupError::NotEmpty);
        }
    }
    let mut rows = 0;
    let mut under_way: Option<(&Table, Table, Vec<Vec<Value>>)> = None;
    loop {
        let line = reader.next()?;
        let is_row = matches!(line, Line::Row(_));
        if let Some((_, table, waiting)) = &mut under_way
            && (!is_row || (waiting.len() + 1) * table.columns.len() > VALUES_AT_ONCE)
        {
            insert(&mut db, table, waiting).await?;
            rows += u64::try_from(waiting.len()).unwrap_or(0);
            waiting.clear();
        }
        match line {
            Line::Table(table) => {
                let known = expected.iter().find(|known| is_same(known, &table));
                if COUNTED.contains(&table.table.as_str()) {
                    sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", table.quoted()))).execute(&mut *db).await?;
                }
                under_way = Some((known.ok_or_else(|| damaged("it has a table that there is not"))?, table, Vec::new()));
            }
            Line::Row(row) => {
                let (_, table, waiting) = under_way.as_mut().ok_or_else(|| damaged("a row belongs to no table"))?;
                let is_whole = row.len() == table.columns.len();
                if !is_whole || !row.iter().zip(&table.columns).all(|(value, column)| fits(value, column.kind)) {
                    return Err(damaged("a row is not like its table"));
                }
                waiting.push(row);
            }
            Line::End => break,
        }
    }
    settle(store.database(), &mut db, &expected).await?;
    db.commit().await?;
    Ok(rows)
}

/// Columns may stand in another order.
fn is_same(known: &Table, table: &Table) -> bool {
    known.table == table.table
        && known.columns.len() == table.columns.len()
        && table.columns.iter().all(|column| known.columns.contains(column))
}

async fn insert(db: &mut Connection, table: &Table, rows: &[Vec<Value>]) -> Result<(), BackupError> {
    if rows.is_empty() {
        return Ok(());
    }
    let width = table.columns.len();
    let groups: Vec<String> = (0..rows.len()).map(|n| format!("({})", placeholders(1 + n * width, width))).collect();
    let statement = format!("INSERT INTO {} ({}) VALUES {}", table.quoted(), table.list(), groups.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
    for (value, column) in rows.iter().flat_map(|row| row.iter().zip(&table.columns)) {
        query = match column.kind {
            Kind::Number => query.bind(value.as_i64()),
            Kind::Text => query.bind(value.as_str().map(str::to_owned)),
            Kind::Bytes => query.bind(value.as_str().and_then(from_hex)),
        };
    }
    query.execute(db).await?;
    Ok(())
}

/// Triggers have counted what was counted before, and `PostgreSQL` would give numbers again that are taken.
async fn settle(database: &Database, db: &mut Connection, tables: &[Table]) -> Result<(), sqlx::Error> {
    let count = "UPDATE tenants SET attempts = (SELECT count(*) FROM attempts a WHERE a.tenant_id = tenants.id)";
    sqlx::query(count).execute(&mut *db).await?;
    if let Database::Sqlite(_) = database {
        return Ok(());
    }
    for table in tables.iter().filter(|table| table.has("id")) {
        let name = table.quoted();
        let next = format!(
            "SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {name}), false)
             WHERE pg_get_serial_sequence($1, 'id') IS NOT NULL"
        );
        sqlx::query(AssertSqlSafe(next)).bind(&name).execute(&mut *db).await?;
    }
    Ok(())
}
