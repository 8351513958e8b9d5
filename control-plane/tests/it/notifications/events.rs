//! Which events become which messages.

use stopleak::leaks::{Action, Origin};
use stopleak::notifications::Used;

use super::*;
use crate::world::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_order_and_by_itself() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    webhook(&world, &receiver);
    // A manual leak, a decision, attempts of a gateway, and a scan.
    world.leak(&[TOKEN]);
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch", "reason": "it works"})).created();
    let mut gateway = world.connected("edge").await;
    let attempt = gateway.attempt(1, 1, TOKEN);
    gateway.report(1, vec![attempt]).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.txt"), format!("key = {}\n", github_token("Ab3"))).unwrap();
    let source = world.api.post("/sources", &json!({"location": folder.path()})).created();
    let scan = world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({})).json()["id"].clone();
    eventually("the scan", || world.api.get(&format!("/scans/{scan}")).ok()["status"] == "done").await;

    // The worker of the server sends them: nobody pushes it.
    eventually("three messages", || receiver.received().len() >= 3).await;
    let received: Vec<_> = receiver.received().iter().map(receiver::Received::json).collect();
    let of = |event: &str, leak: &str| -> Value {
        let found = received
            .iter()
            .find(|body| body["event"] == event && body["leaks"].as_array().unwrap().iter().any(|item| item["id"] == leak));
        found.unwrap_or_else(|| panic!("no {event} of {leak}: {received:#?}"))["leaks"][0].clone()
    };
    of("leak.added", "LK-1");
    let decided = of("leak.decided", "LK-1")["decision"].clone();
    assert_eq!((&decided["action"], &decided["reason"]), (&json!("apply_virtual_patch"), &json!("it works")));
    let attempt = of("attempt.blocked", "LK-1")["attempt"].clone();
    assert_eq!((&attempt["client"], &attempt["gateway"], &attempt["count"]), (&json!("192.0.2.7"), &json!("edge"), &json!(3)));
    // With the other new leak when the scan was quick, and otherwise it waits for its turn.
    let added = deliveries(&world, "").into_iter().filter(|delivery| delivery["event"] == "leak.added");
    let facts =
        added.map(|delivery| world.api.get(&format!("/notifications/deliveries/{}", delivery["id"])).ok()["facts"].clone());
    let numbers: Vec<_> =
        facts.flat_map(|facts| facts["leaks"].as_array().unwrap().clone()).map(|item| item["number"].clone()).collect();
    assert!(numbers.contains(&json!(2)), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn further_tokens_in_an_open_leak_are_told() {
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let scan = async |content: String| {
        std::fs::write(folder.path().join("config.txt"), content).unwrap();
        world.api.post("/sources", &json!({"location": folder.path()}));
        let scan = world.api.post("/sources/1/scans", &json!({})).json()["id"].clone();
        eventually("the scan", || world.api.get(&format!("/scans/{scan}")).ok()["status"] == "done").await;
    };
    let (one, other) = (github_token("Ab3"), github_token("Zx7"));
    scan(format!("key = {one}\n")).await;
    webhook(&world, &Receiver::start(&[]));
    scan(format!("key = {one}\n")).await;
    assert!(deliveries(&world, "").is_empty(), "what is known is no news");
    scan(format!("key = {one}\nother = {other}\n")).await;
    assert_eq!(deliveries(&world, "")[0]["event"], "leak.grown");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_told_whoever_takes_it() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    for n in 1..=4 {
        world.leak(&[&format!("{TOKEN}{n}")]);
    }
    let channel = json!({"name": "decisions", "kind": "webhook", "url": receiver.url, "events": ["leak.decided"]});
    world.api.post("/notifications/channels", &channel).created();
    world.api.post("/leaks/1/decisions", &json!({"action": "close", "reason": "rotated"})).created();
    let many = json!({"action": "apply_virtual_patch", "leaks": ["LK-1", "LK-2", "LK-3"]});
    assert_eq!(world.api.post("/decisions", &many).ok()["results"][0]["outcome"], "refused");
    let soon = Time::now().plus(SECOND);
    let expiring = json!({"action": "apply_virtual_patch", "expires_at": soon});
    world.api.post("/leaks/4/decisions", &expiring).created();
    world.api.patch("/leaks/2", &json!({"risk": "low"})).ok();
    let policy = json!({"name": "all high", "action": "close", "risk": "high"});
    let policy = world.api.post("/policies", &policy).created();
    world.leak(&["fk_another-7aQ9zLm2Xw4R"]);
    world.api.patch(&format!("/policies/{}", policy["id"]), &json!({"enabled": true})).ok();

    let expected = [
        "LK-1 close by admin-token: rotated",
        "LK-2 apply_virtual_patch by admin-token",
        "LK-2 set_risk by admin-token",
        "LK-3 apply_virtual_patch by admin-token",
        "LK-4 apply_virtual_patch by admin-token",
        "LK-4 remove_virtual_patch by expiry: the time of the virtual patch is over",
        "LK-5 close by policy all high",
    ];
    eventually("all decisions", || decisions(&world) == expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_leak_that_is_back_says_where_its_token_was_found() {
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let source = world.api.post("/sources", &json!({"location": folder.path()})).created();
    let scan = async |file: &str| {
        std::fs::write(folder.path().join(file), format!("key = {}\n", github_token("Ab3"))).unwrap();
        let scan = world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({})).json()["id"].clone();
        eventually("the scan", || world.api.get(&format!("/scans/{scan}")).ok()["status"] == "done").await;
    };
    scan("config.txt").await;
    world.api.post("/leaks/1/decisions", &json!({"action": "close"})).created();
    webhook(&world, &Receiver::start(&[]));
    scan("other.txt").await;
    let told: Vec<_> = deliveries(&world, "").iter().map(|delivery| delivery["event"].clone()).collect();
    assert_eq!(told, ["leak.reopened"], "and nothing of a decision");
    assert!(decisions(&world)[0].starts_with("LK-1 reopen by regression: a token of it was found again, in other.txt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_choose_by_event_and_risk() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    for (n, risk) in [(1, "low"), (2, "high"), (3, "critical")] {
        world.api.post("/leaks", &json!({"title": "t", "risk": risk, "tokens": [format!("{TOKEN}{n}")]})).created();
    }
    for (name, events, min_risk, enabled) in [
        ("all", json!(["leak.added", "leak.reopened"]), "low", true),
        ("high", json!(["leak.added"]), "high", true),
        ("other", json!(["attempt.blocked"]), "low", true),
        ("off", json!(["leak.added"]), "low", false),
    ] {
        let channel = json!({"name": name, "kind": "webhook", "url": receiver.url, "events": events, "min_risk": min_risk, "enabled": enabled});
        world.api.post("/notifications/channels", &channel).created();
    }
    let now = tomorrow();
    tell(&world, &Event::Added(&[1, 2, 3]), now).await;
    let (action, author, origin) = (Action::Reopen, "regression", Origin::Regression);
    tell(&world, &Event::Decided { leak: 1, action, author, reason: None, origin }, now).await;
    let told: Vec<_> = deliveries(&world, "")
        .iter()
        .map(|delivery| {
            let facts = world.api.get(&format!("/notifications/deliveries/{}", delivery["id"])).ok()["facts"].clone();
            (
                delivery["channel_name"].as_str().unwrap().to_owned(),
                delivery["event"].as_str().unwrap().to_owned(),
                facts["count"].as_u64(),
            )
        })
        .collect();
    let expected = [("all", "leak.reopened", 1), ("high", "leak.added", 2), ("all", "leak.added", 3)];
    assert_eq!(told, expected.map(|(name, event, count)| (name.to_owned(), event.to_owned(), Some(count))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_leaks_are_few_messages() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    for n in 0..25 {
        let risk = if n == 24 { "critical" } else { "low" };
        world.api.post("/leaks", &json!({"title": "t", "risk": risk, "tokens": [format!("{TOKEN}{n}")]})).created();
    }
    webhook(&world, &receiver);
    let now = tomorrow();
    for n in 1..=24 {
        tell(&world, &Event::Added(&[n]), now).await;
    }
    tell(&world, &Event::Added(&[25]), now.plus(SECOND)).await;
    assert_eq!(send(&world, now.plus(2 * SECOND)).await, 1);
    let body = receiver.received()[0].json();
    assert_eq!((&body["count"], &body["risk"], body["leaks"].as_array().unwrap().len()), (&json!(25), &json!("critical"), 20));

    // What comes next waits until a minute has passed since the last one.
    tell(&world, &Event::Added(&[1]), now.plus(3 * SECOND)).await;
    tell(&world, &Event::Added(&[2]), now.plus(40 * SECOND)).await;
    assert_eq!(send(&world, now.plus(59 * SECOND)).await, 0);
    assert_eq!(send(&world, now.plus(60 * SECOND)).await, 1);
    assert_eq!(receiver.received()[1].json()["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_attempts_a_channel_hears_once_an_hour() {
    let world = world().await;
    world.leak(&[TOKEN]);
    webhook(&world, &Receiver::start(&[]));
    let gateway = world.connected("edge").await;
    let reported = [gateway.attempt(1, 1, TOKEN), gateway.attempt(2, 1, TOKEN)];
    let used = reported.each_ref().map(|attempt| Used { attempt, outcome: stopleak::attempts::Outcome::Blocked, gateway: 1 });
    let now = tomorrow();
    let count = || deliveries(&world, "?status=waiting").len();
    for (after, expected) in [(0, 1), (100, 1), (3599, 1), (3600, 2), (3700, 2)] {
        tell(&world, &Event::Attempts(&used), now.plus(after * SECOND)).await;
        assert_eq!(count(), expected, "after {after} s");
    }
    let observed = used.map(|used| Used { outcome: stopleak::attempts::Outcome::Observed, ..used });
    tell(&world, &Event::Attempts(&observed), now.plus(3701 * SECOND)).await;
    assert_eq!(count(), 3, "one that nothing stopped is another matter");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_happen_is_not_told() {
    let world = world().await;
    world.leak(&[TOKEN]);
    webhook(&world, &Receiver::start(&[]));
    let mut db = world.app.store.write().await.unwrap();
    notifications::tell(&mut db, TenantId(1), &Event::Added(&[1]), tomorrow()).await.unwrap();
    drop(db);
    world
        .api
        .post("/leaks", &json!({"title": "t", "tokens": ["fk_another-token-1", TOKEN]}))
        .problem(409, "token-already-leaked");
    assert!(deliveries(&world, "").is_empty());
}

/// What the deliveries say of decisions, in order of the leaks.
fn decisions(world: &World) -> Vec<String> {
    let facts = |delivery: &Value| world.api.get(&format!("/notifications/deliveries/{}", delivery["id"])).ok()["facts"].clone();
    let mut told = Vec::new();
    for item in deliveries(world, "").iter().flat_map(|delivery| facts(delivery)["leaks"].as_array().unwrap().clone()) {
        let decision = &item["decision"];
        let [action, author] = ["action", "author"].map(|member| decision[member].as_str().unwrap());
        let reason = decision["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        told.push(format!("LK-{} {action} by {author}{reason}", item["number"]));
    }
    told.sort();
    told
}

/// Made at run time, and never issued.
fn github_token(start: &str) -> String {
    let body = format!("{start}dE6gH9jK2mN5pQ8sT1vW4yZ7bC0");
    format!("ghp_{body}{}", stopleak_detector::crc32_base62(body.as_bytes()))
}
