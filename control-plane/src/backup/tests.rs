//! What is written can be restored, into either database, and nothing else can.

use super::*;
use crate::jobs::{self, Kind};
use crate::leaks::{self, NewLeak, NewToken};
use crate::store::tests::{Fresh, one_of_each};
use crate::store::{Database, Store};
use crate::tenants::TenantId;
use crate::time::Time;

/// A database with rows in several tables, NULLs, bytes and an odd text among them.
async fn filled(fresh: &Fresh) -> (Store, TenantId) {
    let (store, tenant) = fresh.with_tenant().await;
    let now = Time::now();
    let mut db = store.write().await.unwrap();
    crate::tenants::ensure(&mut db, "two", now).await.unwrap();
    let title = "odd \" \\ \u{202e} \u{1f511} title";
    let leak = leaks::insert_leak(&mut db, tenant, &NewLeak { title, risk: stopleak_detector::Risk::Low, place: None }, now)
        .await
        .unwrap();
    let key = stopleak_contract::FingerprintKey::new([7; 32]).into();
    for n in 0..500 {
        let token = stopleak_contract::Token::parse(format!("fk_9aQ7zLm2Xw4RtB8v{n}").as_bytes()).unwrap();
        leaks::insert_token(&mut db, tenant, leak, &NewToken::of(&key, &token, Some("own-format")), now).await.unwrap();
    }
    sqlx::query("INSERT INTO gateways (tenant_id, name, credential_hash, created_at) VALUES ($1, 'edge', $2, 0)")
        .bind(tenant)
        .bind([9_u8; 32].as_slice())
        .execute(&mut *db)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO attempts (tenant_id, attempt, gateway_id, leak, token_id, outcome, place, header, client, method, host, path,
                               first_seen_at, last_seen_at, count)
         SELECT $1, t.fingerprint, g.id, 1, t.id, 'blocked', 'header', '', '', '', '', '', 0, 0, 1 FROM tokens t, gateways g",
    )
    .bind(tenant)
    .execute(&mut *db)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO notification_channels (tenant_id, name, kind, sealed, summary, events, min_risk, enabled, created_at, updated_at)
         VALUES ($1, 'soc', 'slack', $2, '', '', 'low', 1, 0, 0)",
    )
    .bind(tenant)
    .bind([8_u8; 32].as_slice())
    .execute(&mut *db)
    .await
    .unwrap();
    jobs::enqueue(&mut db, tenant, Kind::Scan, &serde_json::json!({"scan": 1}), now).await.unwrap();
    db.commit().await.unwrap();
    (store, tenant)
}

async fn written(store: &Store) -> Vec<u8> {
    backup(store, Vec::new()).await.unwrap().0
}

/// Everything after the first line, which has the time, sorted: databases give rows in any order.
fn content(file: &[u8]) -> Vec<String> {
    use std::io::Read as _;
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines: Vec<String> =
        text.lines().skip(1).filter(|line| !line.contains("blake3") && line.starts_with('[')).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn each_database_is_restored_from_each() {
    for from in one_of_each() {
        let (store, tenant) = filled(&from).await;
        let file = written(&store).await;
        for to in one_of_each() {
            let rows = restore(&to.database, file.as_slice()).await.unwrap();
            let restored = to.open().await;
            let again = written(&restored).await;
            assert!(rows > 1_000 && content(&file).len() == usize::try_from(rows).unwrap());
            // Columns stand in an order of their own only where a migration differs, so that rows compare as text.
            assert_eq!(content(&again), content(&file), "{:?} to {:?}", from.database, to.database);
            let mut db = restored.write().await.unwrap();
            // The next numbers are new ones.
            jobs::enqueue(&mut db, tenant, Kind::Scan, &serde_json::json!({"scan": 2}), Time::now()).await.unwrap();
            let kept: i64 =
                sqlx::query_scalar("SELECT attempts FROM tenants WHERE id = $1").bind(tenant).fetch_one(&mut *db).await.unwrap();
            assert_eq!(kept, 500, "counted once");
            db.commit().await.unwrap();
            assert!(matches!(restore(&to.database, file.as_slice()).await, Err(BackupError::NotEmpty)));
        }
    }
}

#[tokio::test]
async fn a_backup_is_of_one_moment_while_others_write() {
    for fresh in one_of_each() {
        let (store, tenant) = filled(&fresh).await;
        let mut reader = store.read().await.unwrap();
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM jobs").fetch_one(&mut *reader).await.unwrap();
        let mut db = store.write().await.unwrap();
        jobs::enqueue(&mut db, tenant, Kind::Scan, &serde_json::json!({"scan": 3}), Time::now()).await.unwrap();
        // Not committed yet: neither waited for nor seen.
        let before = content(&written(&store).await);
        db.commit().await.unwrap();
        assert_eq!(content(&written(&store).await).len(), before.len() + 1);
    }
}

#[tokio::test]
async fn what_is_cut_or_changed_is_refused_and_leaves_nothing() {
    let [from, _] = one_of_each();
    let (store, _) = filled(&from).await;
    let file = written(&store).await;
    let data = tempfile::tempdir().unwrap();
    let empty = Database::Sqlite(data.path().to_owned());
    for cut in [0, 1, 20, file.len() / 2, file.len() - 40] {
        let error = restore(&empty, &file[..cut]).await.unwrap_err();
        assert!(matches!(error, BackupError::Damaged(_)), "{cut}: {error}");
    }
    let mut changed = file.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert!(restore(&empty, changed.as_slice()).await.is_err());
    let shorter = {
        use std::io::{Read as _, Write as _};
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(file.as_slice()).read_to_string(&mut text).unwrap();
        let row = text.lines().find(|line| line.starts_with("[1,")).unwrap().to_owned();
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.replacen(&format!("{row}\n"), "", 1).as_bytes()).unwrap();
        out.finish().unwrap()
    };
    assert!(restore(&empty, shorter.as_slice()).await.is_err(), "a row is missing");
    restore(&empty, file.as_slice()).await.unwrap();
}

#[tokio::test]
async fn an_export_has_one_tenants_rows_and_nothing_that_signs_anybody_in() {
    for fresh in one_of_each() {
        let (store, _) = filled(&fresh).await;
        let mut db = store.write().await.unwrap();
        let other = crate::tenants::find(&mut db, "two").await.unwrap().unwrap();
        let leak = NewLeak { title: "of another tenant", risk: stopleak_detector::Risk::Low, place: None };
        leaks::insert_leak(&mut db, other.id, &leak, Time::now()).await.unwrap();
        db.commit().await.unwrap();
        let (file, rows) = export(&store, "one", Vec::new()).await.unwrap();
        let text = content(&file).join("\n");
        assert!(rows > 1_000 && text.contains("title") && !text.contains("of another tenant"));
        assert!(!text.contains(&"09".repeat(32)), "a credential's hash");
        assert!(text.contains("soc") && !text.contains(&"08".repeat(32)), "a channel's address");
        let data = tempfile::tempdir().unwrap();
        let restored = restore(&Database::Sqlite(data.path().to_owned()), file.as_slice()).await;
        assert!(matches!(restored, Err(BackupError::Export)));
        assert!(matches!(export(&store, "three", Vec::new()).await, Err(BackupError::NoSuchTenant)));
    }
}
