//! The life of jobs, on both databases.

use serde_json::json;

use super::*;
use crate::store::tests::one_of_each;
use crate::store::{Page, Store};
use crate::tenants::TenantId;
use crate::time::Time;

const PAYLOAD: &str = "scan";

async fn put(store: &Store, tenant: TenantId, number: i64, run_at: Time) -> i64 {
    let mut db = store.write().await.unwrap();
    let id = enqueue(&mut db, tenant, Kind::Scan, &json!({PAYLOAD: number}), run_at).await.unwrap();
    db.commit().await.unwrap();
    id
}

async fn take(store: &Store, worker: &str, now: Time) -> Option<Job> {
    queue::claim(store, &Kind::ALL, worker, now).await.unwrap()
}

#[tokio::test]
async fn a_job_is_claimed_by_one_worker_and_is_gone_when_it_is_done() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let now = Time::now();
        let id = put(&store, tenant, 7, now).await;
        let job = take(&store, "a", now).await.unwrap();
        assert_eq!((job.id, job.tenant, job.attempts, job.payload.clone()), (id, tenant, 1, json!({PAYLOAD: 7})));
        assert!(take(&store, "b", now).await.is_none() && !queue::is_due(&store, &Kind::ALL, now).await.unwrap());
        queue::remove(&store, &job, "b").await.unwrap();
        assert!(queue::renew(&store, &job, "a", now).await.unwrap(), "another's claim ends nothing");
        queue::remove(&store, &job, "a").await.unwrap();
        assert!(list(&mut store.read().await.unwrap(), tenant, None, &Page::newest(10)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_job_and_its_change_are_there_both_or_neither() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let mut db = store.write().await.unwrap();
        enqueue(&mut db, tenant, Kind::Scan, &json!({PAYLOAD: 1}), Time::now()).await.unwrap();
        drop(db);
        assert!(take(&store, "a", Time::now()).await.is_none());
    }
}

#[tokio::test]
async fn a_job_that_waits_already_stands_for_a_second_one() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let now = Time::now();
        let first = put(&store, tenant, 7, now).await;
        assert_eq!(put(&store, tenant, 7, now).await, first);
        assert_eq!(put(&store, tenant, 7, now.plus(LEASE)).await, first, "it is done earlier");
        assert_ne!(put(&store, tenant, 8, now).await, first);
        take(&store, "a", now).await.unwrap();
        assert_ne!(put(&store, tenant, 7, now).await, first, "what is begun may not see what has just changed");
    }
}

#[tokio::test]
async fn jobs_wait_for_their_time_and_the_oldest_is_first() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let now = Time::now();
        let late = put(&store, tenant, 1, now.plus(LEASE)).await;
        let early = put(&store, tenant, 2, now).await;
        assert_eq!(take(&store, "a", now).await.unwrap().id, early);
        assert!(take(&store, "a", now).await.is_none());
        assert_eq!(take(&store, "a", now.plus(LEASE)).await.unwrap().id, early, "its claim has run out");
        assert_eq!(take(&store, "a", now.plus(LEASE)).await.unwrap().id, late);
    }
}

#[tokio::test]
async fn the_job_of_a_worker_that_died_is_taken_over() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let now = Time::now();
        put(&store, tenant, 7, now).await;
        let dead = take(&store, "dead", now).await.unwrap();
        let later = now.plus(LEASE);
        let taken = take(&store, "alive", later).await.unwrap();
        assert_eq!((taken.id, taken.attempts), (dead.id, 2));
        assert!(
            !queue::renew(&store, &dead, "dead", later).await.unwrap(),
            "the first one hears that it is not its own any more"
        );
        queue::remove(&store, &dead, "dead").await.unwrap();
        assert!(queue::renew(&store, &taken, "alive", later).await.unwrap());
    }
}

#[tokio::test]
async fn what_fails_waits_longer_each_time_then_is_dead_and_may_live_again() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let mut now = Time::now();
        let id = put(&store, tenant, 7, now).await;
        for attempt in 1..=MAX_ATTEMPTS {
            let job = take(&store, "a", now).await.unwrap();
            assert_eq!(job.attempts, attempt);
            assert_eq!(queue::fail(&store, &job, "a", "no\0thing works", now).await.unwrap(), attempt == MAX_ATTEMPTS);
            assert!(take(&store, "a", now).await.is_none(), "not at once");
            now = now.plus(queue::pause(attempt));
        }
        assert!(take(&store, "a", now).await.is_none(), "never");
        let dead = list(&mut store.read().await.unwrap(), tenant, Some(true), &Page::newest(10)).await.unwrap();
        assert_eq!((dead.len(), dead[0].state, dead[0].last_error.as_deref()), (1, State::Dead, Some("no\u{fffd}thing works")));
        assert!(list(&mut store.read().await.unwrap(), tenant, Some(false), &Page::newest(10)).await.unwrap().is_empty());
        let mut db = store.write().await.unwrap();
        assert!(!retry(&mut db, TenantId(tenant.0 + 1), id, now).await.unwrap(), "not another tenant's");
        assert!(retry(&mut db, tenant, id, now).await.unwrap());
        db.commit().await.unwrap();
        assert_eq!(take(&store, "a", now).await.unwrap().attempts, 1);
    }
}

#[tokio::test]
async fn what_is_put_back_was_never_begun() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let now = Time::now();
        put(&store, tenant, 7, now).await;
        for _ in 0..3 {
            let job = take(&store, "a", now).await.unwrap();
            assert_eq!(job.attempts, 1);
            queue::put_back(&store, &job, "a", now).await.unwrap();
        }
    }
}

/// Also while somebody has the turn to write: on a server, workers do not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn many_workers_share_jobs_without_doing_one_twice() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let now = Time::now();
        for number in 0..30 {
            put(&store, tenant, number, now).await;
        }
        let workers: Vec<_> = (0..6)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    while let Some(job) = take(&store, &n.to_string(), now).await {
                        queue::remove(&store, &job, &n.to_string()).await.unwrap();
                        done.push(job.id);
                    }
                    done
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.await.unwrap());
        }
        // A worker may find all that is left locked by others, and stop early; then what is left is done by them.
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 30);
    }
}

#[tokio::test]
async fn a_payload_names_things_and_does_not_carry_them() {
    let [sqlite, _postgres] = one_of_each();
    let (store, tenant) = sqlite.with_tenant().await;
    let mut db = store.write().await.unwrap();
    let large = json!({PAYLOAD: "x".repeat(MAX_PAYLOAD)});
    assert!(enqueue(&mut db, tenant, Kind::Scan, &large, Time::now()).await.is_err());
}

#[test]
fn pauses_grow_up_to_an_hour() {
    let pauses: Vec<_> = (1..=MAX_ATTEMPTS).map(queue::pause).collect();
    assert_eq!(pauses[0], Duration::from_secs(5));
    assert!(pauses.is_sorted() && pauses.last() == Some(&Duration::from_hours(1)), "{pauses:?}");
}

#[tokio::test]
async fn a_clock_that_ran_ahead_and_was_set_back_holds_up_no_job() {
    for fresh in one_of_each() {
        let (store, tenant) = fresh.with_tenant().await;
        let (now, ahead) = (Time::now(), Time::now().plus(1_000_000 * LEASE));
        let id = put(&store, tenant, 7, ahead).await;
        assert!(queue::is_due(&store, &Kind::ALL, now).await.unwrap());
        assert_eq!(take(&store, "a", ahead).await.map(|job| job.id), Some(id));
        assert!(queue::is_due(&store, &Kind::ALL, now).await.unwrap(), "claimed until long after anybody's lease");
        assert_eq!(take(&store, "b", now).await.map(|job| job.id), Some(id));
    }
}
