//! Entries that were changed, removed or put in are noticed, and by whom the log was remembered.

use serde_json::json;

use super::*;
use crate::store::{Page, Store};
use crate::tenants::{self, Tenant};

async fn log(entries: usize) -> (tempfile::TempDir, Store, Tenant) {
    let data = tempfile::tempdir().unwrap();
    let store = Store::open(data.path()).await.unwrap();
    let mut db = store.write().await.unwrap();
    let tenant = tenants::ensure(&mut db, "acme", Time::now()).await.unwrap();
    let caller = Caller::system("tests", tenant.clone());
    for n in 0..entries {
        record(&mut db, &caller, "thing.change", &format!("thing/{n}"), None, Some(json!({"n": n}))).await.unwrap();
    }
    db.commit().await.unwrap();
    (data, store, tenant)
}

async fn verify(store: &Store, tenant: &Tenant, remembered: Option<Head>) -> Result<Head, Broken> {
    let mut verifier = Verifier::new(&tenant.name, remembered);
    let page = page_after(&mut store.read().await.unwrap(), tenant.id, 0, 1000).await.unwrap();
    for (entry, view) in page {
        verifier.next(&entry, blake3::Hash::from_hex(&view.hash).unwrap().as_bytes())?;
    }
    verifier.end()
}

async fn run(store: &Store, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut db = store.write().await?;
    sqlx::query(sql).execute(&mut *db).await?;
    db.commit().await
}

/// As somebody with the file at hand could.
async fn tamper(store: &Store, sql: &'static str) {
    for trigger in ["DROP TRIGGER IF EXISTS audit_stays", "DROP TRIGGER IF EXISTS audit_lasts"] {
        run(store, trigger).await.unwrap();
    }
    run(store, sql).await.unwrap();
}

#[tokio::test]
async fn entries_are_only_added() {
    let (_data, store, tenant) = log(3).await;
    assert_eq!(verify(&store, &tenant, None).await.unwrap().number, 3);
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        assert!(run(&store, sql).await.unwrap_err().to_string().contains("append-only"), "{sql}");
    }
    let head = head(&mut store.read().await.unwrap(), tenant.id).await.unwrap();
    assert_eq!(verify(&store, &tenant, None).await, Ok(head));
    assert_eq!(head.to_string().parse(), Ok(head));
}

#[tokio::test]
async fn each_kind_of_tampering_is_found_at_its_first_entry() {
    for (sql, expected) in [
        ("UPDATE audit SET actor = 'x' WHERE number = 2", Broken::Changed { number: 2 }),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", Broken::Changed { number: 3 }),
        ("UPDATE audit SET state_after = NULL WHERE number = 1", Broken::Changed { number: 1 }),
        ("UPDATE audit SET state_before = state_after, state_after = NULL WHERE number = 2", Broken::Changed { number: 2 }),
        ("DELETE FROM audit WHERE number = 2", Broken::Gap { expected: 2, got: 3 }),
    ] {
        let (_data, store, tenant) = log(4).await;
        tamper(&store, sql).await;
        assert_eq!(verify(&store, &tenant, None).await, Err(expected), "{sql}");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_off_or_rewritten_is_told_from_the_remembered_one() {
    let (_data, store, tenant) = log(4).await;
    let remembered = verify(&store, &tenant, None).await.unwrap();
    let (_other, rewritten, _) = log(4).await;
    let wrong = verify(&rewritten, &tenant, Some(Head { hash: Some([7; 32]), ..remembered })).await;
    assert_eq!(wrong, Err(Broken::NotTheRemembered { number: 4 }));
    tamper(&store, "DELETE FROM audit WHERE number > 2").await;
    assert_eq!(verify(&store, &tenant, None).await.unwrap().number, 2, "it cannot be seen without memory");
    assert_eq!(verify(&store, &tenant, Some(remembered)).await, Err(Broken::Truncated { last: 2, remembered: 4 }));
}

#[tokio::test]
async fn a_change_that_is_not_committed_leaves_no_entry_and_no_gap() {
    let (_data, store, tenant) = log(1).await;
    let caller = Caller::system("tests", tenant.clone());
    let mut db = store.write().await.unwrap();
    record(&mut db, &caller, "thing.change", "thing/1", None, None).await.unwrap();
    drop(db);
    let mut db = store.write().await.unwrap();
    record(&mut db, &caller, "thing.change", "thing/2", Some(json!({"long": "x".repeat(MAX_STATE)})), None).await.unwrap();
    db.commit().await.unwrap();
    assert_eq!(verify(&store, &tenant, None).await.unwrap().number, 2);
    let filter = AuditFilter { object: Some("thing/2".to_owned()), ..AuditFilter::all(Page::newest(10)) };
    let entries = list(&mut store.read().await.unwrap(), tenant.id, &filter).await.unwrap();
    assert!(entries.len() == 1 && entries[0].before.as_ref().unwrap().get().contains("left_out"), "{entries:?}");
}

/// Written down once: a log of today has to be verifiable for ever.
#[test]
fn the_canonical_bytes_stay() {
    let entry = Entry {
        number: 2,
        at: Time::from_millis(1_700_000_000_123),
        actor_kind: "user".to_owned(),
        actor_id: Some(7),
        actor: "ada".to_owned(),
        role: "administrator".to_owned(),
        address: "192.0.2.1".to_owned(),
        action: "gateway.add".to_owned(),
        object: "gateway/1".to_owned(),
        before: None,
        after: Some("{\"name\":\"edge\"}".to_owned()),
    };
    let hash = blake3::Hash::from(entry_hash(&[9; 32], "acme", &entry)).to_hex();
    assert_eq!(hash.as_str(), "46147bc74f24721ce71d7f6e96116c4127fd723598bd8f581c9af475e7bc4d20");
}
