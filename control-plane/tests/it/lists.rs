//! Lists in every order, files, and the numbers of charts.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stopleak::tenants::TenantId;

use crate::world::World;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

/// Writes leaks by the thousand: what the API takes one by one.
async fn seed(world: &World, leaks: i64) {
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
         INSERT INTO leaks (tenant_id, number, title, risk, status, created_at, updated_at, assignee)
         SELECT 1, i, 'leak ' || (i % 7) || CASE WHEN i % 1000 = 1 THEN ' Rare_1%' ELSE '' END,
                CASE i % 4 WHEN 0 THEN 'critical' WHEN 1 THEN 'high' WHEN 2 THEN 'medium' ELSE 'low' END,
                CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'closed' ELSE 'false_positive' END,
                1700000000000 + i, 1700000000000 + i % 5, CASE WHEN i % 2 = 0 THEN 'ann' ELSE '' END
         FROM n",
    )
    .bind(leaks)
    .execute(&mut *db)
    .await
    .unwrap();
    sqlx::query("UPDATE tenants SET last_leak = $1 WHERE id = 1").bind(leaks).execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
}

/// All pages of a list, and how many there were.
fn pages(world: &World, query: &str) -> (Vec<Value>, usize) {
    let (mut all, mut count, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = world.api.get(&format!("/leaks?{query}{cursor}")).ok();
        all.extend(page["leaks"].as_array().unwrap().iter().cloned());
        count += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (all, count),
        }
    }
}

fn numbers(leaks: &[Value]) -> Vec<i64> {
    leaks.iter().map(|leak| leak["number"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_has_each_leak_once_on_pages_of_any_size() {
    let world = World::start().await;
    seed(&world, 60).await;
    for column in stopleak::leaks::Sort::NAMES.split(", ") {
        for direction in ["", "-"] {
            let (all, count) = pages(&world, &format!("sort={direction}{column}&limit=7"));
            assert_eq!(count, 9, "{direction}{column}");
            assert_eq!(numbers(&all).iter().collect::<BTreeSet<_>>().len(), 60, "{direction}{column}");
            let (whole, _) = pages(&world, &format!("sort={direction}{column}&limit=1000"));
            assert_eq!(numbers(&all), numbers(&whole), "{direction}{column}");
        }
    }
    let (by_risk, _) = pages(&world, "sort=-risk&limit=1000");
    let risks: Vec<&str> = by_risk.iter().map(|leak| leak["risk"].as_str().unwrap()).collect();
    assert!(risks.starts_with(&["critical"; 15]) && risks.ends_with(&["low"; 15]), "by meaning, not by the alphabet: {risks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_join_and_a_rare_leak_is_found_behind_many_others() {
    let world = World::start().await;
    seed(&world, 25_000).await;
    let ids = |query: &str| numbers(&pages(&world, query).0);
    assert_eq!(
        ids("text=rare_1%25&sort=number"),
        (0..25).map(|n| n * 1000 + 1).collect::<Vec<_>>(),
        "in any case, taken as it is"
    );
    assert_eq!(ids("text=nowhere"), [0; 0]);
    let expected = |keep: fn(i64) -> bool| (1..=25_000).rev().filter(|&i| keep(i)).collect::<Vec<_>>();
    assert_eq!(ids("status=open&risk=critical&limit=1000"), expected(|i| i % 12 == 0));
    assert_eq!(ids("status=open&assignee=ann&limit=1000"), expected(|i| i % 6 == 0));
    assert_eq!(ids("assignee=&risk=low&limit=1000"), expected(|i| i % 4 == 3));
    assert_eq!(ids("patched=true"), [0; 0]);
    assert_eq!(ids("source_kind=manual&text=Rare&limit=1000").len(), 25);
    assert_eq!(ids("source_kind=git"), [0; 0]);
    assert_eq!(ids("rule=github-personal-access-token"), [0; 0]);

    for (query, field) in [
        ("sort=rowid", "sort"),
        ("sort=title;drop", "sort"),
        ("cursor=7", "cursor"),
        ("cursor=%25", "cursor"),
        ("text=%20", "text"),
        ("limit=0", "limit"),
    ] {
        let answer = world.api.get(&format!("/leaks?{query}"));
        answer.problem(422, "invalid");
        assert_eq!(answer.json()["field"], field, "{query}");
    }
    let next = world.api.get("/leaks?sort=title&limit=1").ok()["next"].as_str().unwrap().to_owned();
    world.api.get(&format!("/leaks?sort=-title&cursor={next}")).problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_hold_everything_and_no_formula() {
    let world = World::start().await;
    seed(&world, 1_700).await;
    world.api.patch("/leaks/3", &json!({"title": "=cmd|'/c calc'!A1,\"x\""})).ok();
    let answer = world.api.get("/leaks/export");
    assert!(answer.content_type.starts_with("text/csv"), "{}", answer.content_type);
    let lines: Vec<&str> = answer.text.split("\r\n").collect();
    assert_eq!(lines.len(), 1_700 + 2, "a heading, the leaks, and the end of the last line");
    assert!(lines[0].starts_with("id,title,risk,"), "{}", lines[0]);
    assert!(lines[1_698].starts_with("LK-3,\"'=cmd|"), "{}", lines[1_698]);
    let answer = world.api.get("/leaks/export?format=json&status=open&sort=number");
    let leaks = answer.json();
    assert_eq!(numbers(leaks.as_array().unwrap()), (1..=1_700).filter(|i| i % 3 == 0).collect::<Vec<_>>());
    assert_eq!(world.api.get("/leaks/export?format=json&text=nowhere").json(), json!([]));
    world.api.get("/leaks/export?limit=5").problem(400, "malformed");
    world.api.get("/leaks?format=csv").problem(400, "malformed");
    world.api.get("/leaks/export?format=xml").problem(400, "malformed");

    let mut gateway = world.connected("edge").await;
    world.api.post("/leaks", &json!({"title": "t", "tokens": [TOKEN]})).created();
    gateway.take_index_until(world.epoch()).await;
    let attempts = (0..20).map(|id| {
        let mut attempt = gateway.attempt(id, 1_701, TOKEN);
        attempt.path = format!("=HYPERLINK({id})");
        attempt
    });
    let attempts = attempts.collect();
    gateway.report(1, attempts).await;
    let text = world.api.get("/attempts/export?leak=LK-1701").text;
    assert_eq!(text.lines().count(), 21, "{text}");
    assert!(text.contains(",'=HYPERLINK(7),") && !text.contains(",=HYPERLINK"), "{text}");
    assert_eq!(world.api.get("/attempts/export?format=json&outcome=observed").json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_count_what_is_there() {
    let world = World::start().await;
    seed(&world, 120).await;
    let other = world.tenant("other").await;
    assert_ne!(other, TenantId(1));
    for (n, action) in [(120, "apply_virtual_patch"), (117, "close"), (114, "mark_false")] {
        world.api.post(&format!("/leaks/{n}/decisions"), &json!({"action": action})).created();
    }
    world.api.post("/leaks/111/decisions", &json!({"action": "set_risk", "risk": "critical"})).created();
    let summary = world.api.get("/leaks/summary?days=1").ok();
    let all = json!([summary["total"], summary["open"], summary["patched"], summary["closed"], summary["false_positive"]]);
    assert_eq!(all, json!([120, 38, 1, 41, 41]));
    // Of the leaks that can be divided by 12, all are open and critical; 111 has become so too.
    assert_eq!(summary["risks"]["critical"]["open"], 11);
    assert_eq!(summary["risks"]["critical"]["patched"], 1);
    assert_eq!(summary["sources"][0]["source"], json!(null));
    assert_eq!(summary["sources"][0]["open"], 38);
    let today = &summary["days"][0];
    assert_eq!((&today["apply_virtual_patch"], &today["close"], &today["mark_false"]), (&json!(1), &json!(1), &json!(1)));
    world.api.get("/leaks/summary?days=0").problem(422, "invalid");
    assert_eq!(world.api.of_tenant("other").get("/leaks/summary").ok()["total"], 0, "another tenant's are not counted");
}
