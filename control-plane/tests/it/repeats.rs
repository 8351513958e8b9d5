//! `Idempotency-Key`: what is sent again is carried out once.

use serde_json::{Value, json};
use stopleak::people::Role;

use crate::world::{Answer, World};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn post(world: &World, path: &str, body: &Value, key: &str) -> Answer {
    world.api.send_with("POST", &format!("/api/v1{path}"), body, &[("idempotency-key", key)])
}

async fn change(world: &World, sql: &'static str) {
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query(sql).execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_gets_the_same_answer_and_is_carried_out_once() {
    let world = World::start().await;
    let leak = json!({"title": "sent twice", "tokens": [TOKEN]});
    let first = post(&world, "/leaks", &leak, "k-1");
    first.created();
    let epoch = world.epoch();
    let again = post(&world, "/leaks", &leak, "k-1");
    assert_eq!((again.created(), &again.location, again.header("idempotency-replayed")), (first.json(), &first.location, "true"));
    assert_eq!((first.header("idempotency-replayed"), world.epoch()), ("", epoch));
    world.api.post("/leaks", &leak).problem(409, "token-already-leaked");

    let comment = json!({"text": "once"});
    let first = post(&world, "/leaks/1/comments", &comment, "k-2").created();
    assert_eq!(post(&world, "/leaks/1/comments", &comment, "k-2").created(), first);
    assert_eq!(world.api.get("/leaks/1/comments").ok()["comments"].as_array().unwrap().len(), 1);
    post(&world, "/leaks/1/comments", &comment, "k-3").created();
    assert_eq!(world.api.get("/leaks/1/comments").ok()["comments"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_request_of_one_caller() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    post(&world, "/leaks/1/comments", &json!({"text": "one"}), "key").created();
    post(&world, "/leaks/1/comments", &json!({"text": "two"}), "key").problem(422, "idempotency-key-reused");
    post(&world, "/leaks/1/decisions", &json!({"text": "one"}), "key").problem(422, "idempotency-key-reused");
    let other = world.api.with_token(&world.token(Role::Administrator).await);
    let headers = [("idempotency-key", "key")];
    other.send_with("POST", "/api/v1/leaks/1/comments", &json!({"text": "two"}), &headers).created();
    world.tenant("other").await;
    let there = world.api.of_tenant("other");
    there.send_with("POST", "/api/v1/leaks", &json!({"title": "t", "tokens": [TOKEN]}), &headers).created();
    for key in ["", "two words", &"k".repeat(256)] {
        post(&world, "/leaks/1/comments", &json!({"text": "one"}), key).problem(400, "malformed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_may_be_sent_again_with_its_key() {
    let world = World::start().await;
    post(&world, "/leaks/1/comments", &json!({"text": "early"}), "key").problem(404, "not-found");
    world.leak(&[TOKEN]);
    post(&world, "/leaks/1/comments", &json!({"text": "early"}), "key").created();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_is_carried_out() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let ready = std::sync::Barrier::new(6);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let send = |_| {
            let (world, ready) = (&world, &ready);
            scope.spawn(move || {
                ready.wait();
                post(world, "/leaks/1/comments", &json!({"text": "at once"}), "key")
            })
        };
        let threads: Vec<_> = (0..6).map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for answer in &answers {
        if answer.status != 201 {
            answer.problem(409, "idempotent-request-under-way");
        }
    }
    assert_eq!(
        answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty() && answer.status == 201).count(),
        1
    );
    assert_eq!(world.api.get("/leaks/1/comments").ok()["comments"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_a_secret_is_not_kept() {
    let world = World::start().await;
    let asked = json!({"name": "ci", "role": "analyst"});
    let added = post(&world, "/api-tokens", &asked, "key");
    added.created();
    let again = post(&world, "/api-tokens", &asked, "key");
    again.problem(409, "idempotent-request-done");
    assert_eq!(again.json()["location"], json!(added.location));
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency_keys WHERE answer IS NOT NULL")
        .fetch_one(&mut *world.app.store.read().await.unwrap())
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_broke_off_is_not_carried_out_again() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let comment = json!({"text": "perhaps"});
    post(&world, "/leaks/1/comments", &comment, "key").created();
    // As a crash between the change and its answer leaves it.
    change(&world, "UPDATE idempotency_keys SET status = NULL").await;
    post(&world, "/leaks/1/comments", &comment, "key").problem(409, "idempotent-request-under-way");
    change(&world, "UPDATE idempotency_keys SET begun_at = begun_at - 600000").await;
    post(&world, "/leaks/1/comments", &comment, "key").problem(409, "idempotent-request-unknown");
    assert_eq!(world.api.get("/leaks/1/comments").ok()["comments"].as_array().unwrap().len(), 1);
    // A clock that was set back since makes nothing last longer.
    change(&world, "UPDATE idempotency_keys SET begun_at = begun_at + 31000000000").await;
    post(&world, "/leaks/1/comments", &comment, "key").problem(409, "idempotent-request-unknown");
    change(&world, "UPDATE idempotency_keys SET begun_at = begun_at - 31000000000").await;
    // A day later the key is a new one.
    change(&world, "UPDATE idempotency_keys SET begun_at = begun_at - 90000000").await;
    post(&world, "/leaks/1/comments", &comment, "key").created();
}
