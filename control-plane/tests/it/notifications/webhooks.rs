//! How messages are sent, and what happens when they do not arrive.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::world::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_as_the_documentation_says() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    world.leak(&[TOKEN]);
    let secret = webhook(&world, &receiver)["secret"].as_str().unwrap().to_owned();
    let now = tomorrow();
    tell(&world, &Event::Added(&[1]), now).await;
    assert_eq!(send(&world, now).await, 0, "it waits for company");
    assert_eq!(send(&world, now.plus(2 * SECOND)).await, 1);

    let received = &receiver.received()[0];
    assert_eq!(received.path, "/in/SEALED-PATH-9aQ7zLm2");
    let body = received.json();
    assert_eq!((&body["event"], &body["count"], &body["risk"]), (&json!("leak.added"), &json!(1), &json!("high")));
    assert_eq!((&body["leaks"][0]["id"], &body["leaks"][0]["title"]), (&json!("LK-1"), &json!("a leak")));
    assert_eq!(body["leaks"][0]["url"], "https://stopleak.example/leaks/1");
    assert_eq!(body["tenant"], "default");
    assert!(!received.body.contains(TOKEN) && received.body.contains('…'), "previews only");
    let delivery = &deliveries(&world, "")[0];
    assert_eq!(received.header("stopleak-delivery"), delivery["id"].to_string());
    assert_eq!(received.header("stopleak-event"), "leak.added");
    assert_eq!((&delivery["status"], &delivery["answer"], &delivery["tries"]), (&json!("delivered"), &json!(200), &json!(1)));

    // The recipe of docs/api.md, word by word.
    let (time, signature) = received.header("stopleak-signature").split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    assert_eq!(time, (now.plus(2 * SECOND).as_millis() / 1000).to_string());
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", &secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(format!("{time}.{}", received.body).as_bytes()).unwrap();
    let computed = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    assert!(computed.trim().ends_with(&format!("= {signature}")), "{computed} {signature}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_arrive_is_sent_again_later() {
    let (world, receiver) = (world().await, Receiver::start(&[Reply::Status(500), Reply::Status(404)]));
    world.leak(&[TOKEN]);
    webhook(&world, &receiver);
    let now = tomorrow();
    tell(&world, &Event::Added(&[1]), now).await;
    let mut at = now.plus(2 * SECOND);
    for (pause, error) in [(10, "the receiver answered 500"), (60, "the receiver answered 404")] {
        assert_eq!(send(&world, at).await, 1);
        let delivery = &deliveries(&world, "?status=waiting")[0];
        assert_eq!(delivery["error"], error);
        assert_eq!(delivery["next_at"], json!(at.plus(pause * SECOND)));
        let almost = Time::from_millis(at.plus(pause * SECOND).as_millis() - 1);
        assert_eq!(send(&world, almost).await, 0, "not before its time");
        at = at.plus(pause * SECOND);
    }
    assert_eq!(send(&world, at).await, 1);
    let delivery = &deliveries(&world, "?status=delivered")[0];
    assert_eq!((&delivery["tries"], &delivery["error"]), (&json!(3), &json!(null)));
    let received = receiver.received();
    let ids: Vec<_> = received.iter().map(|received| received.header("stopleak-delivery")).collect();
    assert_eq!(ids, [ids[0]; 3], "by which the receiver knows that it is the same");
    assert_eq!(received[0].body, received[2].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_day_it_is_dead_until_somebody_sends_it_again() {
    let (world, receiver) = (world().await, Receiver::start(&vec![Reply::Status(503); 8]));
    world.leak(&[TOKEN]);
    webhook(&world, &receiver);
    let (start, mut now) = (tomorrow(), tomorrow());
    tell(&world, &Event::Added(&[1]), now).await;
    for pause in [2, 10, 60, 300, 1800, 7200, 21_600, 43_200] {
        assert!(deliveries(&world, "?status=dead").is_empty());
        now = now.plus(pause * SECOND);
        assert_eq!(send(&world, now).await, 1, "{pause}");
    }
    assert!(now.age(start) < Duration::from_hours(1) && start.age(now) > Duration::from_hours(20));
    let dead = deliveries(&world, "?status=dead");
    assert_eq!((dead.len(), &dead[0]["tries"], &dead[0]["finished_at"]), (1, &json!(8), &json!(now)));
    assert_eq!(send(&world, now.plus(1_000_000 * SECOND)).await, 0);

    let path = format!("/notifications/deliveries/{}", dead[0]["id"]);
    let shown = world.api.get(&path).ok();
    assert_eq!(shown["facts"]["leaks"][0]["number"], 1);
    let again = world.api.post(&format!("{path}/retry"), &json!({}));
    assert_eq!((again.status, &again.json()["status"]), (202, &json!("waiting")));
    assert_eq!(world.api.get("/audit?limit=1").ok()["entries"][0]["action"], "delivery.retry");
    // The server itself does it at once.
    eventually("the delivery", || deliveries(&world, "?status=delivered").len() == 1).await;
    assert_eq!(receiver.received().len(), 9);
    world.api.post(&format!("{path}/retry"), &json!({})).problem(409, "not-dead");
    world.api.post("/notifications/deliveries/99/retry", &json!({})).problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_never_end_and_redirects_fail_and_hold_nobody_up() {
    let world = world().await;
    let (target, good) = (Receiver::start(&[]), Receiver::start(&[]));
    world.leak(&[TOKEN]);
    let bad = [Reply::Silence, Reply::Drip, Reply::Redirect(target.url.clone())].map(|reply| Receiver::start(&vec![reply; 2]));
    for (n, receiver) in bad.iter().chain([&good]).enumerate() {
        let channel = json!({"name": format!("c{n}"), "kind": "webhook", "url": receiver.url});
        world.api.post("/notifications/channels", &channel).created();
    }
    let now = tomorrow();
    tell(&world, &Event::Added(&[1]), now).await;
    let app = std::sync::Arc::clone(&world.app);
    let sending = tokio::spawn(async move { notifications::send_due(&app, now.plus(2 * SECOND)).await.unwrap() });
    eventually("the good one", || deliveries(&world, "?status=delivered").len() == 1).await;
    assert_eq!(sending.await.unwrap(), 4);
    let waiting = deliveries(&world, "?status=waiting");
    let errors: Vec<_> = waiting.iter().rev().map(|delivery| delivery["error"].as_str().unwrap()).collect();
    assert_eq!(errors[0], "no answer within 10 seconds");
    assert_eq!(errors[2], "the receiver answered 307");
    assert_eq!(errors.len(), 3);
    assert!(target.received().is_empty(), "redirects are not followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_claim_and_delivery_sends_again() {
    let (world, receiver) = (world().await, Receiver::start(&[Reply::Silence]));
    world.leak(&[TOKEN]);
    webhook(&world, &receiver);
    let now = tomorrow().plus(2 * SECOND);
    tell(&world, &Event::Added(&[1]), tomorrow()).await;
    let app = std::sync::Arc::clone(&world.app);
    let sending = tokio::spawn(async move { notifications::send_due(&app, now).await });
    eventually("the first try", || receiver.received().len() == 1).await;
    sending.abort();

    let data = world.stop().await;
    let config = Config { allow_private_destinations: true, ..data.config() };
    let world = World::start_with(data, &config).await;
    assert_eq!(send(&world, now.plus(60 * SECOND)).await, 0, "somebody may still be at it");
    assert_eq!(send(&world, now.plus(121 * SECOND)).await, 1);
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(deliveries(&world, "?status=delivered").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_send_a_delivery_once() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    world.leak(&[TOKEN]);
    webhook(&world, &receiver);
    let now = tomorrow();
    tell(&world, &Event::Added(&[1]), now).await;
    let due = now.plus(2 * SECOND);
    let (one, other) = tokio::join!(notifications::send_due(&world.app, due), notifications::send_due(&world.app, due));
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_gets_a_text_in_which_nothing_has_a_meaning() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    let title = "<!channel> & <https://evil.example|click>";
    world.api.post("/leaks", &json!({"title": title, "tokens": [TOKEN]})).created();
    let channel = json!({"name": "chat", "kind": "slack", "url": receiver.url});
    let channel = world.api.post("/notifications/channels", &channel).created();
    assert_eq!((&channel["secret"], &channel["summary"]), (&json!(null), &json!("127.0.0.1")));
    tell(&world, &Event::Added(&[1]), tomorrow()).await;
    assert_eq!(send(&world, tomorrow().plus(3 * SECOND)).await, 1);
    let received = &receiver.received()[0];
    assert_eq!(received.header("stopleak-signature"), "");
    let body = received.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("Stopleak (default): new leak: LK-1, high risk\n"), "{text}");
    assert!(text.contains("&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;") && !text.contains('<'), "{text}");
    assert!(text.contains("https://stopleak.example/leaks/1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_ran_ahead_and_was_set_back_silences_nobody() {
    let (world, receiver) = (world().await, Receiver::start(&[]));
    world.leak(&[TOKEN]);
    webhook(&world, &receiver);
    tell(&world, &Event::Added(&[1]), Time::now().plus(31_000_000 * SECOND)).await;
    eventually("what was told by a wrong clock", || receiver.received().len() == 1).await;
    let now = tomorrow();
    tell(&world, &Event::Added(&[1]), now).await;
    assert_eq!(send(&world, now.plus(61 * SECOND)).await, 1);
    // Nor is a delivery kept by a worker that claimed it then and is gone.
    let claim = "UPDATE notification_deliveries SET status = 'waiting', next_at = created_at, claimed_until = created_at + 31000000000000";
    let mut db = world.app.store.write().await.unwrap();
    sqlx::query(claim).execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
    assert!(send(&world, now.plus(62 * SECOND)).await >= 1);
}
