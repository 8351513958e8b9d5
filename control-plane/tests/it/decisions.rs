//! Decisions: what they change, what the index says of it, and what stays on record.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use stopleak::tenants::TenantId;

use crate::world::{World, eventually, is_published};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn decide(world: &World, body: &Value) -> crate::world::Answer {
    world.api.post("/leaks/1/decisions", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_epoch_grows_exactly_when_the_index_changes() {
    let world = World::start().await;
    assert_eq!(world.epoch(), 1);
    assert_eq!(world.leak(&[TOKEN])["epoch"], 2);
    let mut epoch = 2;
    for (action, changes) in [
        (json!({"action": "set_risk", "risk": "low"}), false),
        (json!({"action": "apply_virtual_patch", "reason": "seen in a paste"}), true),
        (json!({"action": "close"}), true),
        (json!({"action": "mark_false"}), true),
        (json!({"action": "close"}), true),
        (json!({"action": "reopen"}), true),
        (json!({"action": "mark_false"}), true),
        (json!({"action": "reopen"}), true),
    ] {
        let taken = decide(&world, &action).created();
        epoch += i64::from(changes);
        assert_eq!(taken["epoch"], epoch, "{action}");
        assert_eq!(taken["decision"]["epoch"], epoch, "{action}");
        assert_eq!(taken["decision"]["action"], action["action"]);
    }
    assert_eq!(i64::try_from(world.epoch()).unwrap(), epoch);
    let index = world.app.publisher.subscribe(TenantId(1)).unwrap();
    eventually("the newest epoch is published", || is_published(&world, &index)).await;

    let leak = world.api.get("/leaks/1").ok();
    assert_eq!(leak["decisions"].as_array().unwrap().len(), 8);
    assert_eq!(leak["decisions"][1]["reason"], "seen in a paste");
    assert_eq!(leak["decisions"][1]["author"], "admin-token");
    assert_eq!((&leak["risk"], &leak["virtual_patch"]), (&json!("low"), &json!(null)), "reopening restores no patch");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_decisions_say_why_and_leave_no_trace() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    decide(&world, &json!({"action": "close"})).created();
    let detail = decide(&world, &json!({"action": "apply_virtual_patch"})).problem(409, "illegal-transition");
    assert!(detail.contains("the leak is closed") && detail.contains("reopen it first"), "{detail}");
    decide(&world, &json!({"action": "close"})).problem(409, "illegal-transition");
    decide(&world, &json!({"action": "set_risk"})).problem(422, "invalid");
    decide(&world, &json!({"action": "close", "risk": "low"})).problem(422, "invalid");
    decide(&world, &json!({"action": "delete"})).problem(400, "malformed");
    decide(&world, &json!({"action": "reopen", "why": "x"})).problem(400, "malformed");
    world.api.post("/leaks/2/decisions", &json!({"action": "close"})).problem(404, "not-found");
    assert_eq!(world.api.get("/leaks/1").ok()["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn weak_tokens_are_blocked_only_when_confirmed() {
    let world = World::start().await;
    let leak = world.leak(&[TOKEN, "changeme", "s3cr3t-pw"]);
    assert_eq!(leak["tokens"][0]["weakness"].is_null(), leak["tokens"][0]["preview"] == "fk_…B8v");
    let answer = decide(&world, &json!({"action": "apply_virtual_patch"}));
    answer.problem(409, "confirmation-required");
    assert_eq!(answer.json()["tokens"].as_array().unwrap().len(), 2);
    decide(&world, &json!({"action": "apply_virtual_patch", "confirm": true})).created();
}

/// Sends all of them in the same moment.
fn at_once(world: &World, bodies: &[Value]) -> Vec<crate::world::Answer> {
    let ready = std::sync::Barrier::new(bodies.len());
    std::thread::scope(|scope| {
        let send = |body| {
            let ready = &ready;
            scope.spawn(move || {
                ready.wait();
                decide(world, body)
            })
        };
        let threads: Vec<_> = bodies.iter().map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_conflicting_decisions_at_once_one_wins_and_the_others_see_the_state() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let patches = vec![json!({"action": "apply_virtual_patch"}); 8];
    let answers = at_once(&world, &patches);
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        lost.problem(409, "illegal-transition");
        let current = lost.json()["current"].clone();
        assert_eq!((&current["status"], &current["patched"]), (&json!("open"), &json!(true)), "{current}");
    }

    // Each of these is possible on its own, and after each other too: only the version tells that they conflict.
    for round in 0..10 {
        let seen = world.api.get("/leaks/1").ok();
        let version = &seen["version"];
        let before = seen["decisions"].as_array().unwrap().len();
        let risks = ["low", "medium", "high", "critical", "low", "high"];
        let bodies = risks.map(|risk| json!({"action": "set_risk", "risk": risk, "expected": version}));
        let answers = at_once(&world, &bodies);
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let after = world.api.get("/leaks/1").ok();
        assert_eq!(after["decisions"].as_array().unwrap().len(), before + 1, "round {round}");
        assert_eq!(after["risk"], won[0].json()["decision"]["risk"], "the answer is what is stored");
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            lost.problem(409, "changed-meanwhile");
            assert_eq!(lost.json()["current"]["version"], after["version"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_restart() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let epoch = decide(&world, &json!({"action": "apply_virtual_patch"})).created()["epoch"].as_u64().unwrap();
    let before = world.api.get("/leaks/1").ok();
    // An answer may come before the index that carries the decision.
    let mut index = world.app.publisher.subscribe(TenantId(1)).unwrap();
    let root = index.wait_for(|index| index.epoch >= epoch).await.unwrap().root;
    drop(index);
    let data = world.stop().await;
    assert!(!data.path().join("addresses.json").exists());

    let world = World::start_in(data).await;
    assert_eq!(world.api.get("/leaks/1").ok(), before);
    let again = world.app.publisher.subscribe(TenantId(1)).unwrap().borrow().root;
    assert_eq!(again, root, "the same epoch is the same index");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the caller goes away at another moment in each round, whatever has happened by then"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_published_also_when_its_caller_goes_away_meanwhile() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let index = world.app.publisher.subscribe(TenantId(1)).unwrap();
    let token = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();
    for round in 0..150 {
        let action = if round % 2 == 0 { "close" } else { "reopen" };
        let body = json!({"action": action}).to_string();
        let length = body.len();
        let request = format!(
            "POST /api/v1/leaks/1/decisions HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            token.trim()
        );
        let mut connection = std::net::TcpStream::connect(world.addresses.http).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        // Within all of what happens until the answer.
        std::thread::sleep(Duration::from_micros(100 * round));
        drop(connection);
        tokio::time::sleep(Duration::from_millis(30)).await;
        eventually(&format!("the newest epoch is published, round {round}"), || is_published(&world, &index)).await;
    }
}
