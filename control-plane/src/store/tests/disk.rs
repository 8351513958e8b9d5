//! What becomes of the writer when the disk fails it.

use sqlx::{Connection as _, SqliteConnection};

use super::super::*;

const FILL: &str =
    "INSERT INTO known_keys (kind, number, key_check, added_at) VALUES ('signing', random(), randomblob(1000000), 0)";

/// Uses up the room that a "disk" of a few pages has; returns what the database said.
async fn fill(store: &Store) -> sqlx::Error {
    let mut db = store.write().await.unwrap();
    // Held by this connection only, as is the room on a disk that another process frees.
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *db).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2))).execute(&mut *db).await.unwrap();
    sqlx::query(FILL).execute(&mut *db).await.unwrap_err()
}

#[tokio::test]
async fn a_full_disk_that_gets_room_again_is_written_to_again() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(trouble(&fill(&store).await), Trouble::Unavailable);
        let mut db = store.write().await.unwrap();
        sqlx::query(FILL).execute(&mut *db).await.unwrap();
        db.commit().await.unwrap();
    }
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM known_keys").fetch_one(&mut *store.read().await.unwrap()).await.unwrap();
    assert_eq!(kept, 3);
}

#[tokio::test]
async fn a_probe_sees_that_nothing_can_be_written() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).await.unwrap();
    store.probe().await.unwrap();
    *store.probed.lock().await = None;
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", data.path().join(FILE).display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    assert_eq!(trouble(&store.probe().await.unwrap_err()), Trouble::Locked);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    store.probe().await.unwrap();
}

/// Whoever waits behind writers that wait for another process is told of that process; behind our own writers, of the load.
#[tokio::test]
async fn own_load_is_told_from_a_foreign_lock() {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).await.unwrap();
    let own = store.write().await.unwrap();
    assert_eq!(trouble(&store.write().await.unwrap_err()), Trouble::Busy);
    drop(own);
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", data.path().join(FILE).display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn({
                let store = store.clone();
                async move { store.write().await }
            })
        })
        .collect();
    for writer in waiting {
        assert_eq!(trouble(&writer.await.unwrap().unwrap_err()), Trouble::Locked);
    }
}
