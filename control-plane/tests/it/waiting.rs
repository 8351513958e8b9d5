//! Decisions that wait: for their time, for the end of a patch, for a second administrator.

use std::time::Duration;

use serde_json::{Value, json};
use stopleak::people::Role;
use stopleak::time::Time;

use crate::world::{World, eventually, is_published};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn after(millis: u64) -> Value {
    json!(Time::now().plus(Duration::from_millis(millis)))
}

fn decide(world: &World, body: &Value) -> crate::world::Answer {
    world.api.post("/leaks/1/decisions", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_decision_is_taken_at_its_time_also_over_a_restart() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let waits = decide(&world, &json!({"action": "apply_virtual_patch", "at": after(2_500), "reason": "after the release"}));
    assert_eq!(waits.status, 202, "{}", waits.text);
    assert_eq!(waits.json()["pending"]["status"], "scheduled");
    assert_eq!(waits.json()["leak"]["virtual_patch"], json!(null));
    let detail = decide(&world, &json!({"action": "apply_virtual_patch", "at": after(9_000)})).problem(409, "already-pending");
    assert!(detail.contains("pending decision 1"), "{detail}");
    let epoch = world.epoch();

    let world = World::start_in(world.stop().await).await;
    assert_eq!(world.api.get("/leaks/1").ok()["pending"][0]["reason"], "after the release");
    eventually("it is taken", || world.api.get("/leaks/1").ok()["virtual_patch"].is_object()).await;
    let leak = world.api.get("/leaks/1").ok();
    let decision = &leak["decisions"][0];
    assert_eq!((&decision["origin"], &decision["author"]), (&json!("schedule"), &json!("admin-token")), "{decision}");
    assert!(decision["at"].as_str() >= waits.json()["pending"]["at"].as_str(), "not before its time");
    assert_eq!((world.epoch(), &leak["pending"]), (epoch + 1, &json!([])));
    let index = world.app.publisher.subscribe(stopleak::tenants::TenantId(1)).unwrap();
    eventually("gateways are told", || is_published(&world, &index)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_decision_can_be_cancelled_or_become_impossible() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    decide(&world, &json!({"action": "close", "at": after(60_000)}));
    let cancelled = world.api.post("/pending/1/cancel", &json!({"reason": "too early"})).ok();
    assert_eq!((&cancelled["status"], &cancelled["outcome"]), (&json!("cancelled"), &json!("too early")));
    assert_eq!(world.api.get("/audit?limit=1").ok()["entries"][0]["action"], "pending.cancel");
    world.api.post("/pending/1/cancel", &json!({})).problem(409, "settled");
    world.api.post("/pending/7/cancel", &json!({})).problem(404, "not-found");
    world.api.post("/pending/1/approve", &json!({})).problem(409, "settled");

    decide(&world, &json!({"action": "close", "at": after(1_500)}));
    decide(&world, &json!({"action": "close"})).created();
    let pending = || world.api.get("/pending?all=true&leak=LK-1").ok()["pending"][0].clone();
    eventually("its time comes", || pending()["status"] == "refused").await;
    assert!(pending()["outcome"].as_str().unwrap().contains("the leak is closed"), "{}", pending());
    assert_eq!(world.api.get("/leaks/1").ok()["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(world.api.get("/pending").ok()["pending"], json!([]));

    let other = world.tenant("other").await;
    let theirs = world.api.with_token(&world.token_of(other, Role::Administrator).await);
    theirs.post("/pending/2/cancel", &json!({})).problem(404, "not-found");
    assert_eq!(theirs.get("/pending?all=true").ok()["pending"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_ends_by_itself() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    decide(&world, &json!({"action": "apply_virtual_patch", "expires_at": after(0)})).problem(422, "invalid");
    decide(&world, &json!({"action": "close", "expires_at": after(9_000)})).problem(422, "invalid");
    decide(&world, &json!({"action": "apply_virtual_patch", "expires_at": "tomorrow"})).problem(400, "malformed");
    let patched = decide(&world, &json!({"action": "apply_virtual_patch", "expires_at": after(1_500)})).created();
    assert!(patched["leak"]["virtual_patch"]["expires_at"].is_string());
    eventually("the patch ends", || world.api.get("/leaks/1").ok()["virtual_patch"].is_null()).await;
    let leak = world.api.get("/leaks/1").ok();
    assert_eq!((&leak["status"], &leak["decisions"][1]["author"]), (&json!("open"), &json!("expiry")));
    assert_eq!(leak["decisions"][1]["action"], "remove_virtual_patch");
    assert_eq!(world.epoch(), patched["epoch"].as_u64().unwrap() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_leak_takes_two_administrators_where_the_tenant_wants_that() {
    let world = World::start().await;
    world.api.post("/leaks", &json!({"title": "t", "risk": "critical", "tokens": [TOKEN]})).created();
    world.api.post("/guard-rails/second-approver", &json!({})).ok();
    assert_eq!(world.api.get("/guard-rails").ok()["second_approver"], true);
    let epoch = world.epoch();
    let waits = decide(&world, &json!({"action": "apply_virtual_patch", "reason": "now"}));
    assert_eq!((waits.status, &waits.json()["pending"]["status"]), (202, &json!("needs_approval")));
    assert_eq!(world.epoch(), epoch, "nothing has happened yet");
    world.api.post("/pending/1/approve", &json!({})).problem(409, "same-person");
    // A lower risk first would be a way around, by a decision and by a change.
    decide(&world, &json!({"action": "set_risk", "risk": "low"}));
    assert_eq!(world.api.get("/leaks/1").ok()["risk"], "critical");
    world.api.patch("/leaks/1", &json!({"risk": "low"})).problem(409, "approval-required");

    let second = world.api.with_token(&world.token(Role::Administrator).await);
    // Nor would switching it off be one, for whoever only belongs to the tenant.
    second.delete("/guard-rails/second-approver").problem(403, "forbidden");
    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    analyst.post("/pending/1/approve", &json!({})).problem(403, "forbidden");
    let taken = second.post("/pending/1/approve", &json!({})).created();
    assert_eq!((&taken["decision"]["author"], &taken["decision"]["approved_by"]), (&json!("admin-token"), &json!("of a test")));
    assert!(taken["leak"]["virtual_patch"].is_object());
    second.post("/pending/1/approve", &json!({})).problem(409, "settled");

    let rejected = second.post("/pending/2/reject", &json!({"reason": "it is critical"})).ok();
    assert_eq!((&rejected["status"], &rejected["settled_by"]), (&json!("rejected"), &json!("of a test")));
    assert_eq!(world.api.get("/leaks/1").ok()["risk"], "critical");

    // Nobody answered in time.
    decide(&world, &json!({"action": "close"}));
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query("UPDATE pending_decisions SET next_at = 1 WHERE id = 3").execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    let status = || world.api.get("/pending?all=true").ok()["pending"][0]["status"].clone();
    eventually("it lapses", || status() == "lapsed").await;
    second.post("/pending/3/approve", &json!({})).problem(409, "settled");
    assert_eq!(world.api.get("/leaks/1").ok()["status"], "open");

    let log = world.api.get("/audit?object=pending/1").ok()["entries"].clone();
    assert_eq!((&log[0]["action"], &log[1]["action"]), (&json!("pending.approve"), &json!("pending.add")), "{log}");
    assert_eq!(world.api.get("/audit?object=pending/2").ok()["entries"][0]["action"], "pending.reject");
    assert_eq!(world.api.get("/audit?object=pending/3").ok()["entries"][0]["action"], "pending.lapse");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_approvals_and_rejections_at_once_one_counts() {
    let world = World::start().await;
    world.api.post("/leaks", &json!({"title": "t", "risk": "critical", "tokens": [TOKEN]})).created();
    world.api.post("/guard-rails/second-approver", &json!({})).ok();
    decide(&world, &json!({"action": "apply_virtual_patch"}));
    let second = world.api.with_token(&world.token(Role::Administrator).await);
    let ready = std::sync::Barrier::new(8);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let send = |n: usize| {
            let (second, ready) = (&second, &ready);
            scope.spawn(move || {
                ready.wait();
                let path = if n.is_multiple_of(2) { "/pending/1/approve" } else { "/pending/1/reject" };
                second.post(path, &json!({})).status
            })
        };
        let threads: Vec<_> = (0..8).map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status < 300).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 7, "{answers:?}");
    let leak = world.api.get("/leaks/1").ok();
    let pending = world.api.get("/pending?all=true").ok()["pending"][0].clone();
    assert_eq!(leak["virtual_patch"].is_object(), pending["status"] == "taken", "{pending}");
}
