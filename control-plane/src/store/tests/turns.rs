//! Writers take turns, also those of other processes; readers see one state.

use super::super::*;
use super::one_of_each;
use crate::tenants;
use crate::time::Time;

const ROUNDS: i64 = 20;

/// Reads, waits for others to come in between, and writes what follows from what was read.
async fn count_up(store: Store, tenant: tenants::TenantId) {
    for _ in 0..ROUNDS {
        let mut db = store.write().await.unwrap();
        let epoch = tenants::epoch(&mut db, tenant).await.unwrap().epoch;
        tokio::task::yield_now().await;
        sqlx::query("UPDATE tenants SET epoch = $2 WHERE id = $1").bind(tenant).bind(epoch + 1).execute(&mut *db).await.unwrap();
        db.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_has_read_stays_until_it_commits() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        // Two more stores are two more processes.
        let writers = [store.clone(), store.clone(), fresh.open().await, fresh.open().await];
        let writing: Vec<_> = writers.map(|store| tokio::spawn(count_up(store, tenant))).into_iter().collect();
        for writer in writing {
            writer.await.unwrap();
        }
        let epoch = tenants::epoch(&mut store.read().await.unwrap(), tenant).await.unwrap().epoch;
        assert_eq!(epoch, 1 + 4 * ROUNDS, "{:?}", store.database());
    }
}

/// The publisher asks for what is newer than the newest that it has: a number that appears late would be missed for ever.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_appear_in_their_order() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let add = "INSERT INTO sources (tenant_id, kind, location, title, created_at) VALUES ($1, 'git', $2, 't', 0)";
        let writing: Vec<_> = [store.clone(), fresh.open().await, fresh.open().await]
            .into_iter()
            .enumerate()
            .map(|(writer, store)| {
                tokio::spawn(async move {
                    for n in 0..ROUNDS {
                        let mut db = store.write().await.unwrap();
                        let location = format!("{writer}-{n}");
                        sqlx::query(add).bind(tenant).bind(location).execute(&mut *db).await.unwrap();
                        db.commit().await.unwrap();
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        while seen.len() < 3 * usize::try_from(ROUNDS).unwrap() {
            let newest = seen.last().copied().unwrap_or(0_i64);
            // Before the look, which sees all that they wrote then.
            let is_all_written = writing.iter().all(tokio::task::JoinHandle::is_finished);
            let mut db = store.read().await.unwrap();
            let more =
                sqlx::query_scalar("SELECT id FROM sources WHERE id > $1 ORDER BY id").bind(newest).fetch_all(&mut *db).await;
            let more: Vec<i64> = more.unwrap();
            if more.is_empty() && is_all_written {
                let all: i64 = sqlx::query_scalar("SELECT count(*) FROM sources")
                    .fetch_one(&mut *store.read().await.unwrap())
                    .await
                    .unwrap();
                assert_eq!(seen.len(), usize::try_from(all).unwrap(), "some were missed");
            }
            seen.extend(more);
        }
    }
}

#[tokio::test]
async fn a_reader_sees_one_state() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let mut reader = store.read().await.unwrap();
        assert_eq!(tenants::epoch(&mut reader, tenant).await.unwrap().epoch, 1);
        let mut db = store.write().await.unwrap();
        tenants::next_epoch(&mut db, tenant, Time::now()).await.unwrap();
        db.commit().await.unwrap();
        assert_eq!(tenants::epoch(&mut reader, tenant).await.unwrap().epoch, 1);
        drop(reader);
        assert_eq!(tenants::epoch(&mut store.read().await.unwrap(), tenant).await.unwrap().epoch, 2);
    }
}

#[tokio::test]
async fn a_reader_does_not_write() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let mut reader = store.read().await.unwrap();
        assert!(tenants::next_epoch(&mut reader, tenant, Time::now()).await.is_err());
    }
}

#[tokio::test]
async fn what_is_not_committed_is_as_if_it_had_never_been() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        for _ in 0..3 {
            let mut db = store.write().await.unwrap();
            tenants::next_epoch(&mut db, tenant, Time::now()).await.unwrap();
            // An error leaves PostgreSQL's transaction of no more use; the next one has to be a new one all the same.
            sqlx::query("SELECT no_such_column FROM tenants").execute(&mut *db).await.unwrap_err();
            drop(db);
            let mut db = store.write().await.unwrap();
            assert_eq!(tenants::epoch(&mut db, tenant).await.unwrap().epoch, 1);
        }
    }
}
