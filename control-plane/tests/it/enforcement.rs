//! When a decision is in force everywhere: what it says of itself, and until when.

use serde_json::{Value, json};
use stopleak::epochs;
use stopleak::tenants::TenantId;
use stopleak::time::Time;

use crate::cli::Cli;
use crate::client::Gateway;
use crate::world::{World, eventually};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

/// The newest decision on a leak.
fn newest(world: &World, leak: u64) -> Value {
    world.api.get(&format!("/leaks/{leak}")).ok()["decisions"].as_array().unwrap().last().unwrap().clone()
}

fn patch(world: &World, leak: u64) -> Value {
    world.api.post(&format!("/leaks/{leak}/decisions"), &json!({"action": "apply_virtual_patch"})).created()
}

fn epoch(answer: &Value) -> u64 {
    answer["epoch"].as_u64().unwrap()
}

async fn until(world: &World, leak: u64, enforcement: &str, pending: u64) -> Value {
    eventually(&format!("{enforcement}, {pending} pending"), || {
        let decision = newest(world, leak);
        decision["enforcement"] == enforcement && decision["pending_gateways"] == pending
    })
    .await;
    newest(world, leak)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_says_when_the_last_gateway_had_it_also_after_a_restart() {
    let world = World::start().await;
    let (_, credential) = world.gateway("slow");
    let mut slow = Gateway::open(&world, &credential).await.unwrap();
    slow.hello().await;
    slow.take_index().await;
    let mut quick = world.connected("quick").await;
    let added = epoch(&world.leak(&[TOKEN]));
    slow.take_index_until(added).await;
    quick.take_index_until(added).await;
    eventually("what was added is in force", || world.api.get("/epochs/2").ok()["enforcement"] == "everywhere").await;

    let taken = patch(&world, 1);
    assert_eq!((&taken["decision"]["enforcement"], &taken["decision"]["enforced_at"]), (&json!("pending"), &Value::Null));
    quick.take_index_until(epoch(&taken)).await;
    let decision = until(&world, 1, "pending", 1).await;
    assert_eq!((&decision["enforced_at"], &decision["enforced_ms"]), (&Value::Null, &Value::Null));
    let behind = world.api.get("/gateways?behind=true").ok();
    assert_eq!((behind["gateways"].as_array().unwrap().len(), &behind["gateways"][0]["name"]), (1, &json!("slow")));

    let before = Time::now();
    slow.take_index_until(epoch(&taken)).await;
    let decision = until(&world, 1, "everywhere", 0).await;
    assert!(Time::parse(decision["enforced_at"].as_str().unwrap()).unwrap() >= before, "{decision}");
    assert!(decision["enforced_ms"].is_u64() && decision["enforced_gateways"] == 2, "{decision}");
    let shown = world.api.get(&format!("/epochs/{}", epoch(&taken))).ok();
    for member in ["enforcement", "enforced_at", "enforced_ms", "enforced_gateways", "pending_gateways"] {
        assert_eq!(shown[member], decision[member], "{member}");
    }
    world.api.get(&format!("/epochs/{}", epoch(&taken) + 1)).problem(404, "not-found");

    drop((slow, quick));
    let world = World::start_in(world.stop().await).await;
    assert_eq!(newest(&world, 1), decision, "nothing is forgotten");
    // One comes back with nothing: it was everywhere then, and is not now.
    let mut back = Gateway::open(&world, &credential).await.unwrap();
    back.hello().await;
    let now = until(&world, 1, "everywhere", 1).await;
    assert_eq!((&now["enforced_at"], &now["enforced_gateways"]), (&decision["enforced_at"], &json!(2)));
    back.take_index_until(epoch(&taken)).await;
    until(&world, 1, "everywhere", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_and_nothing_to_do_are_told_apart() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let taken = patch(&world, 1);
    assert_eq!(taken["decision"]["enforcement"], "no_gateway");
    let risk = json!({"action": "set_risk", "risk": "low"});
    let risk = world.api.post("/leaks/1/decisions", &risk).created();
    let nothing = json!({"enforcement": "nothing_to_enforce", "enforced_at": null, "enforced_ms": null, "pending_gateways": 0});
    for (member, expected) in nothing.as_object().unwrap() {
        assert_eq!(&risk["decision"][member], expected, "{member}");
    }
    let mut gateway = world.connected("first").await;
    eventually("it is in force where somebody is", || {
        world.api.get("/leaks/1").ok()["decisions"][0]["enforcement"] == "everywhere"
    })
    .await;
    assert_eq!(newest(&world, 1)["enforcement"], "nothing_to_enforce");
    let count = |count: u64| format!("stopleak_decision_to_enforced_seconds_count {count}\n");
    let metrics = world.api.get_raw("/metrics").text;
    assert!(metrics.contains(&count(0)), "what waited for a gateway says nothing of how quick a push is: {metrics}");

    // Nobody is left, and nobody has it.
    let closed = world.api.post("/leaks/1/decisions", &json!({"action": "close"})).created();
    assert_eq!(closed["decision"]["enforcement"], "pending");
    drop(gateway);
    until(&world, 1, "no_gateway", 0).await;
    gateway = world.connected("second").await;
    assert_eq!(gateway.index.as_ref().unwrap().header().epoch, epoch(&closed));
    until(&world, 1, "everywhere", 0).await;
    assert!(world.api.get_raw("/metrics").text.contains(&count(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_goes_is_not_waited_for() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let (mut stays, goes) = (world.connected("stays").await, world.connected("goes").await);
    let taken = patch(&world, 1);
    stays.take_index_until(epoch(&taken)).await;
    until(&world, 1, "pending", 1).await;
    drop(goes);
    let decision = until(&world, 1, "everywhere", 0).await;
    assert_eq!(decision["enforced_gateways"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_were_taken_together_or_by_a_machine_say_it_too() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    world.leak(&[TOKEN]);
    world.leak(&["fk_8bR6yKn3Yv5SuC7w"]);
    let many = json!({"action": "apply_virtual_patch", "leaks": ["LK-1", "LK-2"]});
    let many = world.api.post("/decisions", &many).ok();
    gateway.take_index_until(epoch(&many)).await;
    let [one, two] = [until(&world, 1, "everywhere", 0).await, until(&world, 2, "everywhere", 0).await];
    assert_eq!(one["enforced_at"], two["enforced_at"]);

    let later = json!({"action": "close", "at": Time::now().plus(std::time::Duration::from_millis(300))});
    assert_eq!(world.api.post("/leaks/1/decisions", &later).status, 202);
    world.leak(&["fk_7cS5xJp4Zu6TvD9z"]);
    world.api.post("/policies", &json!({"name": "p", "action": "apply_virtual_patch", "risk": "high"})).created();
    world.api.patch("/policies/1", &json!({"enabled": true})).ok();
    for (leak, origin) in [(1, "schedule"), (3, "policy")] {
        let taken = || world.api.get(&format!("/leaks/{leak}")).ok()["decisions"].as_array().unwrap().last().cloned();
        eventually("it is taken by itself", || taken().is_some_and(|decision| decision["origin"] == origin)).await;
        gateway.take_index_until(taken().unwrap()["epoch"].as_u64().unwrap()).await;
        until(&world, leak, "everywhere", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_record_says_so() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    patch(&world, 1);
    // As a server of the version before left it.
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query("DELETE FROM epochs").execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    let _gateway = world.connected("edge").await;
    let decision = until(&world, 1, "unmeasured", 0).await;
    assert_eq!((&decision["enforced_at"], &decision["enforced_ms"]), (&Value::Null, &Value::Null));
    assert_eq!(world.api.get("/epochs/1").ok()["enforcement"], "unmeasured", "no change carried the first one");
}

/// Whoever settles second finds nothing to settle.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_settled_once_and_never_before_it_was_committed() {
    let world = World::start().await;
    let committed = Time::now();
    world.leak(&[TOKEN]);
    patch(&world, 1);
    let mut db = world.app.store.aside().await.unwrap();
    let early = committed.minus(std::time::Duration::from_hours(1));
    let settled = epochs::settle(&mut db, TenantId(1), 3, early, 7).await.unwrap();
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|settled| settled.took.is_zero()), "another server's clock is behind: {settled:?}");
    assert!(epochs::settle(&mut db, TenantId(1), 3, Time::now(), 9).await.unwrap().is_empty());
    db.commit().await.unwrap();
    assert_eq!(newest(&world, 1)["enforced_gateways"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_waits_until_it_is_in_force_everywhere() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    world.leak(&[TOKEN]);
    let alone = cli.fault(&["leak", "patch", "LK-1", "--wait"], "", 1);
    assert!(alone.contains("it is decided, but no gateway is connected"), "{alone}");
    let mut gateway = world.connected("edge").await;
    let taking = tokio::spawn(async move {
        loop {
            gateway.take_index().await;
        }
    });
    let run = |arguments: &'static [&'static str]| {
        let cli = Cli { data: world.data.path().to_owned(), proxy: None };
        tokio::task::spawn_blocking(move || cli.ok(arguments, ""))
    };
    let closed = run(&["leak", "close", "LK-1", "--wait"]).await.unwrap();
    assert!(closed.contains("in force on 1 of 1 gateways after ") && closed.contains(" ms\n"), "{closed}");
    let many = run(&["leak", "decide", "reopen", "LK-1", "--wait"]).await.unwrap();
    assert!(many.contains("1 of 1 decided\nin force on 1 of 1 gateways after "), "{many}");
    let risk = run(&["leak", "risk", "LK-1", "low", "--wait"]).await.unwrap();
    assert!(risk.contains("gateways need not know of it"), "{risk}");
    let paused = run(&["pause", "begin", "--for", "30m", "--reason", "a test", "--wait"]).await.unwrap();
    assert!(paused.contains("in force on 1 of 1 gateways"), "{paused}");
    let json = run(&["leak", "patch", "LK-1", "--wait", "--json"]).await.unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["waited"]["enforcement"], &json["waited"]["enforced_gateways"]), (&json!("everywhere"), &json!(1)));
    let shown = run(&["leak", "show", "LK-1"]).await.unwrap();
    assert!(shown.contains("in force on 1 of 1 gateways after ") && shown.contains("gateways need not know of it"), "{shown}");
    assert!(run(&["gateway", "list"]).await.unwrap().contains("1 of 1"));
    taking.abort();
}
