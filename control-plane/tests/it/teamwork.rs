//! Several people at one leak: titles, assignees and comments.

use serde_json::json;

use crate::world::World;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_the_leak_as_it_was_seen() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let seen = world.api.get("/leaks/1");
    let etag = seen.etag.clone().unwrap();
    assert_eq!(etag, format!("\"{}\"", seen.json()["version"]));
    let changed = world.api.send_if("PATCH", "/leaks/1", &json!({"assignee": "ann", "title": " on call "}), &etag);
    assert_eq!((&changed.ok()["assignee"], &changed.json()["title"]), (&json!("ann"), &json!("on call")));
    assert_ne!(changed.etag.as_deref(), Some(etag.as_str()));
    let late = world.api.send_if("PATCH", "/leaks/1", &json!({"assignee": "bob"}), &etag);
    late.problem(412, "changed-meanwhile");
    assert_eq!(late.json()["current"]["version"], changed.json()["version"]);
    let late = world.api.send_if("POST", "/leaks/1/decisions", &json!({"action": "close"}), &etag);
    late.problem(412, "changed-meanwhile");
    world.api.send_if("PATCH", "/leaks/1", &json!({"assignee": "bob"}), "7").problem(400, "malformed");
    assert_eq!(world.api.get("/leaks/1").ok()["assignee"], "ann");
    assert_eq!(world.api.send_if("PATCH", "/leaks/1", &json!({"assignee": ""}), "*").ok()["assignee"], json!(null));

    let epoch = world.epoch();
    let risky = world.api.patch("/leaks/1", &json!({"risk": "low"})).ok();
    assert_eq!((&risky["risk"], &risky["risk_from"]), (&json!("low"), &json!("person")));
    assert_eq!(risky["decisions"][0]["action"], "set_risk", "a risk that a person sets is on record");
    assert_eq!(world.epoch(), epoch);

    for body in [json!({"title": " "}), json!({"title": format!("about {TOKEN}")}), json!({"assignee": format!("x {TOKEN}")})] {
        world.api.patch("/leaks/1", &body).problem(422, "invalid");
    }
    world.api.patch("/leaks/1", &json!({"status": "closed"})).problem(400, "malformed");
    world.api.patch("/leaks/2", &json!({"title": "t"})).problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_once_with_one_etag_one_wins() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let etag = world.api.get("/leaks/1").etag.unwrap();
    let ready = std::sync::Barrier::new(6);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let send = |n: usize| {
            let (world, ready, etag) = (&world, &ready, &etag);
            scope.spawn(move || {
                ready.wait();
                world.api.send_if("PATCH", "/leaks/1", &json!({"title": format!("title {n}")}), etag).status
            })
        };
        let threads: Vec<_> = (0..6).map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|&&status| status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|&&status| status == 412).count(), 5, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_stay_in_order_and_hold_no_token() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    for text in ["first", "second\nwith two lines", "third"] {
        let comment = world.api.post("/leaks/1/comments", &json!({"text": text})).created();
        assert_eq!((&comment["text"], &comment["author"]), (&json!(text), &json!("admin-token")));
    }
    let page = world.api.get("/leaks/1/comments?limit=2").ok();
    assert_eq!((&page["comments"][0]["text"], &page["next"]), (&json!("third"), &json!(2)));
    assert_eq!(world.api.get("/leaks/1/comments?limit=2&cursor=2").ok()["comments"][0]["text"], "first");
    for text in [String::new(), " \n ".to_owned(), "bell \u{7}".to_owned(), "x".repeat(4_001), format!("key={TOKEN}&x")] {
        world.api.post("/leaks/1/comments", &json!({"text": text})).problem(422, "invalid");
    }
    world.api.post("/leaks/2/comments", &json!({"text": "t"})).problem(404, "not-found");
    world.api.get("/leaks/2/comments").problem(404, "not-found");
    world.tenant("other").await;
    world.api.of_tenant("other").get("/leaks/1/comments").problem(404, "not-found");
    world.api.of_tenant("other").post("/leaks/1/comments", &json!({"text": "t"})).problem(404, "not-found");
}
