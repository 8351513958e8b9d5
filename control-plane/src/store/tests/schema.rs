//! Both schemas are one.

use std::collections::BTreeMap;

use super::super::*;
use super::one_of_each;
use crate::leaks::{self, NewLeak};
use crate::tenants;
use crate::time::Time;

/// Of each column: whether it may be NULL, and a type that both databases have a name for.
type Columns = BTreeMap<(String, String), (bool, String)>;

const OF_SQLITE: &str = "SELECT m.name, p.name, CASE WHEN p.\"notnull\" = 1 OR p.pk > 0 THEN 0 ELSE 1 END, p.type
     FROM sqlite_master m, pragma_table_xinfo(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\'
       AND m.name NOT LIKE 'sqlite%'";
const OF_POSTGRES: &str =
    "SELECT table_name::text, column_name::text, CASE WHEN is_nullable = 'YES' THEN 1 ELSE 0 END, data_type::text
     FROM information_schema.columns WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_%'";

async fn columns(store: &Store) -> Columns {
    let query = match store.database() {
        Database::Sqlite(_) => OF_SQLITE,
        Database::Postgres(_) => OF_POSTGRES,
    };
    let rows: Vec<(String, String, i64, String)> =
        sqlx::query_as(query).fetch_all(&mut *store.read().await.unwrap()).await.unwrap();
    let common = |kind: &str| match kind.to_lowercase().as_str() {
        "integer" | "bigint" => "number".to_owned(),
        "blob" | "bytea" => "bytes".to_owned(),
        other => other.to_owned(),
    };
    rows.into_iter().map(|(table, column, nullable, kind)| ((table, column), (nullable == 1, common(&kind)))).collect()
}

#[test]
fn both_folders_have_the_same_migrations() {
    let of = |migrator: &Migrator| migrator.iter().map(|m| (m.version, m.description.clone())).collect::<Vec<_>>();
    assert_eq!(of(&SQLITE), of(&POSTGRES));
    assert!(!of(&SQLITE).is_empty());
}

#[tokio::test]
async fn both_end_in_the_same_tables_and_columns() {
    let [sqlite, postgres] = one_of_each();
    let (sqlite, postgres) = (columns(&sqlite.open().await).await, columns(&postgres.open().await).await);
    assert!(sqlite.len() > 80, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

#[tokio::test]
async fn what_is_decided_is_neither_changed_nor_removed() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let mut db = store.write().await.unwrap();
        let leak = NewLeak { title: "t", risk: stopleak_detector::Risk::Low, place: None };
        leaks::insert_leak(&mut db, tenant, &leak, Time::now()).await.unwrap();
        let decided =
            "INSERT INTO decisions (tenant_id, leak, action, author, decided_at, epoch) VALUES ($1, 1, 'close', 'a', 0, 1)";
        sqlx::query(decided).bind(tenant).execute(&mut *db).await.unwrap();
        db.commit().await.unwrap();
        for forbidden in ["UPDATE decisions SET reason = 'x'", "DELETE FROM decisions", "DELETE FROM leaks"] {
            let mut db = store.write().await.unwrap();
            let error = sqlx::query(forbidden).execute(&mut *db).await.unwrap_err().to_string();
            assert!(error.contains("append-only") || error.contains("never deleted"), "{forbidden}: {error}");
        }
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    for fresh in one_of_each() {
        let store = fresh.open().await;
        let mut db = store.write().await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&mut *db).await.unwrap();
        db.commit().await.unwrap();
        let error = Store::connect(&fresh.database).await.err().unwrap();
        assert!(
            matches!(&error, sqlx::Error::Migrate(e) if matches!(**e, sqlx::migrate::MigrateError::VersionMissing(9999))),
            "{error}"
        );
    }
}

#[tokio::test]
async fn opening_it_again_changes_nothing() {
    for fresh in one_of_each() {
        let (_, tenant) = fresh.with_tenant().await;
        let again = fresh.open().await;
        assert_eq!(tenants::all(&mut again.read().await.unwrap()).await.unwrap()[0].id, tenant);
        again.close().await;
    }
}
