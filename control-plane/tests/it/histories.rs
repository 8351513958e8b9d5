//! Lists that grow at one end: what happened, in the order in which it did.

use serde_json::{Value, json};

use crate::world::World;

/// The lists, the member that holds their entries, and the member that says their place.
const LISTS: [(&str, &str, &str); 7] = [
    ("/attempts?leak=LK-1&", "attempts", "id"),
    ("/audit?actor=admin-token&", "entries", "number"),
    ("/imports?", "imports", "id"),
    ("/jobs?dead=false&", "jobs", "id"),
    ("/leaks/1/comments?", "comments", "id"),
    ("/notifications/deliveries?status=dead&", "deliveries", "id"),
    ("/pending?all=true&", "pending", "id"),
];

/// Five of each.
async fn fill(world: &World) {
    for n in 1..=5 {
        let tokens = [format!("fk_9aQ7zLm2Xw4RtB8v{n}")];
        world.api.post("/leaks", &json!({"title": format!("leak {n}"), "tokens": tokens})).created();
        let later = json!({"action": "apply_virtual_patch", "at": "2999-01-01T00:00:00Z"});
        let waits = world.api.post(&format!("/leaks/{n}/decisions"), &later);
        assert_eq!(waits.status, 202, "{}", waits.text);
        world.api.post("/leaks/1/comments", &json!({"text": format!("comment {n}")})).created();
        world.api.post("/imports", &json!({"name": format!("import {n}")})).created();
    }
    world.api.post("/gateways", &json!({"name": "edge"})).created();
    let channel = json!({"name": "hook", "kind": "webhook", "url": "https://hooks.example/"});
    world.api.post("/notifications/channels", &channel).created();
    let mut db = world.app.store.write().await.unwrap();
    for table in [
        "attempts (tenant_id, attempt, gateway_id, leak, token_id, outcome, place, header, client, method, host, path,
                   first_seen_at, last_seen_at, count)
         SELECT 1, CAST('attempt ' || i AS BLOB), 1, 1, 1, 'observed', 'query', '', '192.0.2.7', 'GET', 'api', '/', i, i, 1",
        "jobs (tenant_id, kind, payload, created_at, run_at) SELECT 1, 'scan', '{}', i, 9000000000000",
        "notification_deliveries (tenant_id, channel_id, event, risk, body, status, next_at, created_at)
         SELECT 1, 1, 'leak_opened', 'high', '{}', 'dead', i, i",
    ] {
        // Of the two databases, one calls bytes so and one so.
        let bytes = if crate::ON_POSTGRES { "BYTEA" } else { "BLOB" };
        let insert =
            format!("WITH five (i) AS (VALUES (1), (2), (3), (4), (5)) INSERT INTO {table} FROM five").replace("BLOB", bytes);
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut *db).await.unwrap();
    }
    db.commit().await.unwrap();
}

/// The places of all entries, page by page.
fn places(world: &World, (path, member, place): (&str, &str, &str), sort: &str) -> Vec<i64> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.api.get(&format!("{path}limit=2{sort}{cursor}")).ok();
        let entries = page[member].as_array().unwrap();
        assert!(entries.len() <= 2);
        all.extend(entries.iter().map(|entry: &Value| entry[place].as_i64().unwrap()));
        let Some(next) = page["next"].as_i64() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_history_begins_at_either_end_and_has_all_of_it_on_pages() {
    let world = World::start().await;
    fill(&world).await;
    for list @ (path, _, place) in LISTS {
        let newest_first = places(&world, list, "");
        assert!(newest_first.len() >= 5, "{path} has {newest_first:?}");
        assert!(newest_first.is_sorted_by(|one, next| one > next), "{path} has {newest_first:?}");
        assert_eq!(places(&world, list, &format!("&sort=-{place}")), newest_first, "{path}");
        let mut oldest_first = places(&world, list, &format!("&sort={place}"));
        oldest_first.reverse();
        assert_eq!(oldest_first, newest_first, "{path}");
        for bad in ["sort=", "sort=hash", "sort=--id", "limit=0", "limit=5000"] {
            world.api.get(&format!("{path}{bad}")).problem(422, "invalid");
        }
        for bad in ["cursor=x", "before=7", "nothing=1"] {
            world.api.get(&format!("{path}{bad}")).problem(400, "malformed");
        }
    }
}
