//! Closed leaks are watched for a while.

use serde_json::{Value, json};
use stopleak::time::Time;

use crate::life::{Reporter, Seen, TOKEN, seen};
use crate::world::{World, eventually};

fn choose(world: &World, days: u32, on_use: &str) {
    let wanted = json!({"observe_days": days, "on_use": on_use});
    assert_eq!(world.api.send("PUT", "/api/v1/settings/closed-leaks", &wanted).ok(), wanted);
}

fn leak(world: &World) -> Value {
    world.api.get("/leaks/1").ok()
}

fn decide(world: &World, action: &str) -> u64 {
    world.api.post("/leaks/1/decisions", &json!({"action": action})).created()["epoch"].as_u64().unwrap()
}

/// The time of all leaks is over.
async fn pass_time(world: &World) {
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query("UPDATE leaks SET observe_until = 1 WHERE observe_until IS NOT NULL").execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn use_of_a_closed_leak_reopens_it_unless_it_was_refused_or_before() {
    let world = World::start().await;
    assert_eq!(world.api.get("/settings/closed-leaks").ok(), json!({"observe_days": 30, "on_use": "reopen"}));
    let mut gateway = Reporter::start(&world).await;
    world.leak(&[TOKEN]);
    decide(&world, "apply_virtual_patch");
    let epoch = decide(&world, "close");
    let until = Time::parse(leak(&world)["observed_until"].as_str().unwrap()).unwrap();
    let days = (until.as_millis() - Time::now().as_millis()) / (24 * 3_600_000);
    assert_eq!(days, 29, "nearly thirty");

    gateway.report(&[Seen { hours_ago: 2, ..seen(1, TOKEN, 200) }]).await;
    gateway.report(&[seen(1, TOKEN, 401), seen(1, TOKEN, 403)]).await;
    assert_eq!((&leak(&world)["status"], world.epoch()), (&json!("closed"), epoch));
    gateway.report(&[seen(1, TOKEN, 200)]).await;
    let reopened = leak(&world);
    assert_eq!((&reopened["status"], &reopened["observed_until"]), (&json!("open"), &json!(null)));
    assert_eq!((&reopened["virtual_patch"], world.epoch()), (&json!(null), epoch + 1));
    let decision = reopened["decisions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&decision["author"], &decision["origin"]), (&json!("use"), &json!("regression")));
    assert!(decision["reason"].as_str().unwrap().contains("192.0.2.7"), "{decision}");
    let audited = world.api.get("/audit?action=leak.decide").ok()["entries"][0].clone();
    assert_eq!(audited["actor"]["name"], "use", "{audited}");
    let index = world.app.publisher.subscribe(stopleak::tenants::TenantId(1)).unwrap();
    eventually("gateways are told", || index.borrow().epoch == epoch + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_tenant_has_chosen_so_use_raises_an_alarm() {
    let world = World::start().await;
    let channel = json!({"name": "soc", "kind": "webhook", "url": "https://stopleak.invalid/", "events": ["leak.used_again"]});
    world.api.post("/notifications/channels", &channel).created();
    let mut gateway = Reporter::start(&world).await;
    choose(&world, 7, "alarm");
    world.leak(&[TOKEN]);
    let epoch = decide(&world, "close");
    gateway.report(&[seen(1, TOKEN, 401)]).await;
    assert_eq!(leak(&world)["used_after_close_at"], json!(null));
    gateway.report(&[seen(1, TOKEN, 200)]).await;
    let shown = leak(&world);
    assert_eq!((&shown["status"], world.epoch()), (&json!("closed"), epoch));
    assert!(shown["used_after_close_at"].is_string() && shown["observed_until"].is_string(), "{shown}");
    let told = world.api.get("/notifications/deliveries").ok()["deliveries"][0].clone();
    assert_eq!(told["event"], "leak.used_again");
    decide(&world, "reopen");
    assert_eq!(leak(&world)["used_after_close_at"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_closed_leaks_leave_the_index_by_themselves() {
    const LATER: &str = "fk_7aQ7zLm2Xw4RtB8v";
    let world = World::start().await;
    let mut watching = world.connected("watching").await;
    world.leak(&[TOKEN]);
    world.leak(&[LATER]);
    watching.take_index_until(world.epoch()).await;
    let epoch = decide(&world, "close");
    watching.take_index_until(epoch).await;
    assert_eq!(watching.verdict(TOKEN), Some((1, false)));
    // Also for a control plane that reads everything anew.
    drop(watching);
    let world = World::start_in(world.stop().await).await;
    let mut watching = world.connected("again").await;
    assert_eq!(watching.verdict(TOKEN), Some((1, false)));

    pass_time(&world).await;
    watching.take_index_until(epoch + 1).await;
    assert_eq!((watching.verdict(TOKEN), watching.verdict(LATER)), (None, Some((2, false))));
    let shown = leak(&world);
    assert_eq!((&shown["status"], &shown["observed_until"]), (&json!("closed"), &json!(null)));
    // A gateway that is late reports what is nobody's business any more.
    let mut gateway = Reporter::start(&world).await;
    gateway.report(&[seen(1, TOKEN, 200)]).await;
    assert_eq!(leak(&world)["status"], "closed");

    let root = watching.index.as_ref().unwrap().header().root();
    drop((watching, gateway));
    let world = World::start_in(world.stop().await).await;
    assert_eq!(world.app.publisher.subscribe(stopleak::tenants::TenantId(1)).unwrap().borrow().root, root, "as if built anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_may_watch_no_closed_leaks_and_a_false_one_is_never_watched() {
    let world = World::start().await;
    let mut watching = world.connected("watching").await;
    world.leak(&[TOKEN]);
    choose(&world, 0, "reopen");
    let epoch = decide(&world, "close");
    watching.take_index_until(epoch).await;
    assert_eq!((watching.verdict(TOKEN), &leak(&world)["observed_until"]), (None, &json!(null)));
    choose(&world, 30, "reopen");
    decide(&world, "reopen");
    let epoch = decide(&world, "close");
    watching.take_index_until(epoch).await;
    assert_eq!(watching.verdict(TOKEN), Some((1, false)));
    let epoch = decide(&world, "mark_false");
    watching.take_index_until(epoch).await;
    assert_eq!((watching.verdict(TOKEN), &leak(&world)["observed_until"]), (None, &json!(null)));

    for bad in [json!({"observe_days": 367, "on_use": "alarm"}), json!({"observe_days": 0.5, "on_use": "alarm"})] {
        assert!([400, 422].contains(&world.api.send("PUT", "/api/v1/settings/closed-leaks", &bad).status), "{bad}");
    }
    world
        .api
        .send("PUT", "/api/v1/settings/closed-leaks", &json!({"observe_days": 1, "on_use": "shout"}))
        .problem(400, "malformed");
    world.tenant("other").await;
    choose(&world, 3, "alarm");
    assert_eq!(world.api.of_tenant("other").get("/settings/closed-leaks").ok()["observe_days"], 30, "each tenant has its own");
}
