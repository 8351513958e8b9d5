//! Channels: who may do what with them, and what nobody is shown.

use stopleak::people::Role;
use stopleak::tenants;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_made_changed_tested_and_removed() {
    let (world, receiver, moved) = (world().await, Receiver::start(&[Reply::Status(500)]), Receiver::start(&[]));
    let made = webhook(&world, &receiver);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("slw_"));
    let path = format!("/notifications/channels/{}", made["id"]);
    let shown = world.api.get(&path).ok();
    assert_eq!((&shown["summary"], &shown["events"].as_array().unwrap().len()), (&json!("127.0.0.1"), &8));
    assert_eq!((&shown["min_risk"], &shown["enabled"]), (&json!("low"), &json!(true)));

    let test = world.api.post(&format!("{path}/test"), &json!({})).ok();
    assert_eq!((&test["status"], &test["error"]), (&json!("dead"), &json!("the receiver answered 500")));
    let change =
        json!({"name": "soc", "url": moved.url, "events": ["leak.added", "leak.added"], "min_risk": "high", "enabled": false});
    let changed = world.api.patch(&path, &change).ok();
    assert_eq!(
        (&changed["name"], &changed["events"], &changed["min_risk"]),
        (&json!("soc"), &json!(["leak.added"]), &json!("high"))
    );
    let test = world.api.post(&format!("{path}/test"), &json!({})).ok();
    assert_eq!((&test["status"], &test["answer"], &test["event"]), (&json!("delivered"), &json!(200), &json!("test")));
    let received = &moved.received()[0];
    assert_eq!(received.json()["event"], "test");
    let signed = |secret: &str| {
        let time = received.header("stopleak-signature").split(['=', ',']).nth(1).unwrap().parse().unwrap();
        stopleak::signature::sign(secret, time, received.body.as_bytes()) == received.header("stopleak-signature")
    };
    assert!(signed(secret), "another address has the same secret");
    let renewed = world.api.post(&format!("{path}/secret"), &json!({})).ok();
    assert!(!signed(renewed["secret"].as_str().unwrap()));
    assert_eq!(deliveries(&world, "?channel=1").len(), 2, "tests are in the history");
    assert_eq!(deliveries(&world, "?limit=1&cursor=2").len(), 1);

    assert_eq!(world.api.delete(&path).status, 204);
    for answer in [world.api.get(&path), world.api.delete(&path), world.api.post(&format!("{path}/test"), &json!({}))] {
        answer.problem(404, "not-found");
    }
    assert!(deliveries(&world, "").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_without_sense_are_refused_without_an_echo() {
    let world = world().await;
    let secret = "https://hooks.example/SECRET-9aQ7zLm2";
    for (channel, field) in [
        (json!({"name": "c", "kind": "webhook"}), "url"),
        (json!({"name": "", "kind": "slack", "url": secret}), "name"),
        (json!({"name": "c", "kind": "slack", "url": "SECRET-9aQ7zLm2"}), "url"),
        (json!({"name": "c", "kind": "slack", "url": "https://me:SECRET-9aQ7zLm2@hooks.example/"}), "url"),
        (json!({"name": "c", "kind": "slack", "url": secret, "recipients": ["a@b.example"]}), "recipients"),
        (json!({"name": "c", "kind": "slack", "url": secret, "events": []}), "events"),
        (json!({"name": "c", "kind": "email", "recipients": ["a@b.example"]}), "kind"),
        (json!({"name": "c", "kind": "email", "url": secret}), "url"),
    ] {
        let answer = world.api.post("/notifications/channels", &channel);
        answer.problem(422, "invalid");
        assert_eq!(answer.json()["field"], field, "{}", answer.text);
        assert!(!answer.text.contains("SECRET"), "{}", answer.text);
    }
    for channel in [
        json!({"name": "c", "kind": secret, "url": secret}),
        json!({"name": "c", "kind": "slack", "url": secret, "events": [secret]}),
        json!({"name": "c", "kind": "slack", "url": secret, secret: 1}),
    ] {
        let answer = world.api.post("/notifications/channels", &channel);
        answer.problem(400, "malformed");
        assert!(!answer.text.contains("SECRET"), "{}", answer.text);
    }
    let channel = json!({"name": "c", "kind": "slack", "url": secret});
    world.api.post("/notifications/channels", &channel).created();
    world.api.post("/notifications/channels", &channel).problem(409, "name-taken");
    for n in 1..50 {
        world.api.post("/notifications/channels", &json!({"name": n.to_string(), "kind": "slack", "url": secret})).created();
    }
    let detail = world
        .api
        .post("/notifications/channels", &json!({"name": "more", "kind": "slack", "url": secret}))
        .problem(422, "invalid");
    assert!(detail.contains("50 channels"), "{detail}");
    world.api.patch("/notifications/channels/1", &json!({"name": "7"})).problem(409, "name-taken");
    world.api.post("/notifications/channels/1/secret", &json!({})).problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_of_the_server_is_out_of_reach() {
    let (world, receiver) = (World::start().await, Receiver::start(&[]));
    let https = receiver.url.replace("http://", "https://");
    for url in [receiver.url.clone(), https.clone(), "https://169.254.169.254/latest/meta-data".to_owned()] {
        let channel = json!({"name": "c", "kind": "webhook", "url": url});
        world.api.post("/notifications/channels", &channel).problem(422, "invalid");
    }
    // A name is looked up when something is sent.
    let channel = json!({"name": "c", "kind": "webhook", "url": https.replace("127.0.0.1", "localhost")});
    world.api.post("/notifications/channels", &channel).created();
    let test = world.api.post("/notifications/channels/1/test", &json!({})).ok();
    assert_eq!(test["status"], "dead");
    assert!(test["error"].as_str().unwrap().contains("not public"), "{test}");
    assert!(receiver.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_of_the_tenant_have_a_say() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    world.leak(&[TOKEN]);
    webhook(&world, &receiver);
    tell(&world, &Event::Added(&[1]), tomorrow()).await;
    world.api.post("/notifications/channels/1/test", &json!({})).ok();

    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    for path in
        ["/notifications/channels", "/notifications/channels/1", "/notifications/deliveries", "/notifications/deliveries/1"]
    {
        analyst.get(path).ok();
    }
    analyst
        .post("/notifications/channels", &json!({"name": "c", "kind": "slack", "url": receiver.url}))
        .problem(403, "forbidden");
    analyst.patch("/notifications/channels/1", &json!({"enabled": false})).problem(403, "forbidden");
    analyst.delete("/notifications/channels/1").problem(403, "forbidden");
    for path in ["channels/1/test", "channels/1/secret", "deliveries/1/retry"] {
        analyst.post(&format!("/notifications/{path}"), &json!({})).problem(403, "forbidden");
    }

    let mut db = world.app.store.write().await.unwrap();
    let tenant = tenants::ensure(&mut db, "other", Time::now()).await.unwrap();
    db.commit().await.unwrap();
    let other = world.api.with_token(&world.token_of(tenant.id, Role::Administrator).await);
    assert_eq!(other.get("/notifications/channels").ok()["channels"], json!([]));
    assert_eq!(other.get("/notifications/deliveries").ok()["deliveries"], json!([]));
    for path in ["channels/1", "deliveries/1"] {
        other.get(&format!("/notifications/{path}")).problem(404, "not-found");
    }
    for path in ["channels/1/test", "channels/1/secret", "deliveries/1/retry"] {
        other.post(&format!("/notifications/{path}"), &json!({})).problem(404, "not-found");
    }
    other.patch("/notifications/channels/1", &json!({"enabled": false})).problem(404, "not-found");
    other.delete("/notifications/channels/1").problem(404, "not-found");
    assert_eq!(receiver.received().len(), 1, "nothing but the test of the first");
    // What happens there is not told here.
    other.post("/leaks", &json!({"title": "t", "tokens": [TOKEN]})).created();
    assert_eq!(deliveries(&world, "").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_database_has_no_address_and_no_secret() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    let slack = json!({"name": "chat", "kind": "slack", "url": receiver.url});
    world.api.post("/notifications/channels", &slack).created();
    let again = [("idempotency-key", "once")];
    let post = |path: &str, body: &Value| world.api.send_with("POST", &format!("/api/v1/notifications/{path}"), body, &again);
    let webhook = json!({"name": "siem", "kind": "webhook", "url": receiver.url});
    post("channels", &webhook).created();
    post("channels", &webhook).problem(409, "idempotent-request-done");
    let again = [("idempotency-key", "renewed")];
    let renewed = world.api.send_with("POST", "/api/v1/notifications/channels/2/secret", &json!({}), &again);
    let secret = renewed.json()["secret"].as_str().unwrap().to_owned();
    for id in [1, 2] {
        world.api.post(&format!("/notifications/channels/{id}/test"), &json!({})).ok();
        for path in ["channels", "channels/1", "channels/2", "deliveries", "deliveries/1"] {
            let text = world.api.get(&format!("/notifications/{path}")).text;
            assert!(!text.contains("SEALED-PATH") && !text.contains(&secret), "{text}");
        }
    }
    assert_eq!(receiver.received().len(), 2);
    let data = world.stop().await;
    for file in std::fs::read_dir(data.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for hidden in ["SEALED-PATH", &secret] {
                assert!(!bytes.windows(hidden.len()).any(|part| part == hidden.as_bytes()), "{hidden} is in {}", path.display());
            }
        }
    }
    assert!(crate::ON_POSTGRES || data.path().join("stopleak.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_has_an_end() {
    let world = world().await;
    world.leak(&[TOKEN]);
    webhook(&world, &Receiver::start(&[]));
    let mut db = world.app.store.write().await.unwrap();
    // Far apart, so that none is added to another.
    for n in 0..10_010_u32 {
        let now = tomorrow().plus(n * 10_000 * SECOND);
        sqlx::query(
            "INSERT INTO notification_deliveries (tenant_id, channel_id, event, risk, body, status, next_at, created_at)
             VALUES (1, 1, 'leak.decided', 'low', '', 'dead', $1, $1)",
        )
        .bind(now)
        .execute(&mut *db)
        .await
        .unwrap();
    }
    notifications::tell(&mut db, TenantId(1), &Event::Added(&[1]), tomorrow()).await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM notification_deliveries").fetch_one(&mut *db).await.unwrap();
    assert_eq!(count, 10_000);
    db.commit().await.unwrap();
    assert_eq!(deliveries(&world, "?limit=1")[0]["event"], "leak.added", "the oldest went");
}
