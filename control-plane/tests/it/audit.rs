//! Every change leaves an entry, and all entries make one chain.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use stopleak::api::rights::{Right, routes};
use stopleak::people::Role;
use stopleak::time::Time;

use crate::cli::Cli;
use crate::world::{Answer, PASSWORD, World};

/// For each changing route: the path and body of a call that changes something, in the order of the table, and the action that is
/// written down.
fn changes(route: &str) -> Option<(String, Value, &'static str)> {
    let at = |path: &str| format!("/api/v1{path}");
    Some(match route {
        "POST /api/v1/leaks" => (at("/leaks"), json!({"title": "t", "tokens": ["fk_9aQ7zLm2Xw4RtB8v"]}), "leak.add"),
        "POST /api/v1/leaks/{number}/decisions" => {
            (at("/leaks/1/decisions"), json!({"action": "apply_virtual_patch", "reason": "in use"}), "leak.decide")
        }
        "PATCH /api/v1/leaks/{number}" => (at("/leaks/1"), json!({"title": "of the laptop"}), "leak.change"),
        "POST /api/v1/leaks/{number}/comments" => (at("/leaks/1/comments"), json!({"text": "asked"}), "comment.add"),
        "POST /api/v1/decisions" => (at("/decisions"), json!({"action": "close", "leaks": ["LK-1"]}), "leak.decide"),
        "POST /api/v1/policies" => (at("/policies"), json!({"name": "p", "action": "close", "age_days": 9}), "policy.add"),
        "PATCH /api/v1/policies/{id}" => (at("/policies/1"), json!({"enabled": true}), "policy.change"),
        "DELETE /api/v1/policies/{id}" => (at("/policies/1"), json!({}), "policy.remove"),
        "POST /api/v1/pause" => {
            let until = Time::now().plus(Duration::from_hours(1));
            (at("/pause"), json!({"reason": "r", "until": until}), "pause.begin")
        }
        "DELETE /api/v1/pause" => (at("/pause"), json!({}), "pause.end"),
        "PUT /api/v1/settings/response" => {
            (at("/settings/response"), json!({"status": 410, "content_type": "text/plain", "body": "gone"}), "response.change")
        }
        "PUT /api/v1/settings/closed-leaks" => {
            (at("/settings/closed-leaks"), json!({"observe_days": 9, "on_use": "alarm"}), "closed_leaks.change")
        }
        "DELETE /api/v1/settings/response" => (at("/settings/response"), json!({}), "response.change"),
        "POST /api/v1/guard-rails/second-approver" | "DELETE /api/v1/guard-rails/second-approver" => {
            (at("/guard-rails/second-approver"), json!({}), "guard_rails.change")
        }
        "POST /api/v1/sources" => (at("/sources"), json!({"location": "https://git.example/r.git"}), "source.add"),
        "POST /api/v1/sources/{id}/scans" => (at("/sources/1/scans"), json!({}), "scan.start"),
        "POST /api/v1/imports" => (at("/imports"), json!({"name": "gitleaks"}), "import.add"),
        "PUT /api/v1/imports/{id}/report" => (at("/imports/1/report"), json!({"findings": []}), "import.read"),
        "POST /api/v1/webhooks" => (at("/webhooks"), json!({"name": "ci"}), "webhook.add"),
        "DELETE /api/v1/webhooks/{id}" => (at("/webhooks/1"), json!({}), "webhook.revoke"),
        "POST /api/v1/gateways" => (at("/gateways"), json!({"name": "edge"}), "gateway.add"),
        "DELETE /api/v1/gateways/{id}" => (at("/gateways/1"), json!({}), "gateway.revoke"),
        "POST /api/v1/notifications/channels" => {
            let channel = json!({"name": "soc", "kind": "webhook", "url": "https://stopleak.invalid/"});
            (at("/notifications/channels"), channel, "channel.add")
        }
        "PATCH /api/v1/notifications/channels/{id}" => {
            (at("/notifications/channels/1"), json!({"name": "siem"}), "channel.change")
        }
        "POST /api/v1/notifications/channels/{id}/test" => (at("/notifications/channels/1/test"), json!({}), "channel.test"),
        "POST /api/v1/notifications/channels/{id}/secret" => {
            (at("/notifications/channels/1/secret"), json!({}), "channel.renew_secret")
        }
        "DELETE /api/v1/notifications/channels/{id}" => (at("/notifications/channels/1"), json!({}), "channel.remove"),
        "POST /api/v1/tenants" => (at("/tenants"), json!({"name": "acme"}), "tenant.add"),
        "PATCH /api/v1/tenants/{name}" => (at("/tenants/default"), json!({"title": "Default"}), "tenant.change"),
        "POST /api/v1/users" => (at("/users"), json!({"name": "ada", "role": "administrator", "password": PASSWORD}), "user.add"),
        "PATCH /api/v1/users/{id}" => (at("/users/1"), json!({"password": "seven green lamps hum"}), "user.change"),
        "DELETE /api/v1/users/{id}/sessions" => (at("/users/1/sessions"), json!({}), "user.sign_out"),
        "POST /api/v1/api-tokens" => (at("/api-tokens"), json!({"name": "ci", "role": "analyst"}), "api_token.add"),
        "DELETE /api/v1/api-tokens/{id}" => (at("/api-tokens/2"), json!({}), "api_token.revoke"),
        _ => return None,
    })
}

/// Routes that only somebody can call who has signed in, or who is not alone: `people` and `waiting` look at what they leave, and
/// `tests/postgres/workers.rs` at what the last one does.
const OF_PEOPLE: &[&str] = &[
    "POST /api/v1/pending/{id}/approve",
    "POST /api/v1/pending/{id}/reject",
    "POST /api/v1/pending/{id}/cancel",
    // Needs a delivery that is dead: `notifications` looks at what it leaves.
    "POST /api/v1/notifications/deliveries/{id}/retry",
    "POST /api/v1/session",
    "DELETE /api/v1/session",
    "POST /api/v1/session/password",
    "DELETE /api/v1/sessions",
    "DELETE /api/v1/sessions/{id}",
    // Needs a second user: the last administrator stays.
    "DELETE /api/v1/users/{id}",
    // Needs a dead job.
    "POST /api/v1/jobs/{id}/retry",
];

/// Changes nothing, and sends what it asks about in its body.
const ASKS: &[&str] = &["POST /api/v1/checks", "POST /api/v1/verdicts"];

fn entries(answer: &Answer) -> Vec<Value> {
    answer.ok()["entries"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_changes_something_leaves_an_entry() {
    let world = World::start().await;
    for route in routes().iter().filter(|route| route.method != Method::GET) {
        let name = format!("{} {}", route.method, route.path);
        // `webhooks` and `github` look at what deliveries leave.
        if route.right == Right::Signed || [OF_PEOPLE, ASKS].concat().contains(&name.as_str()) {
            continue;
        }
        let (path, body, action) = changes(&name).unwrap_or_else(|| panic!("{name}: say what it leaves in the audit log"));
        let answer = world.api.send(route.method.as_str(), &path, &body);
        assert!((200..300).contains(&answer.status), "{name}: {}", answer.text);
        // A new tenant's log begins with the tenant.
        let log = if action == "tenant.add" { world.api.of_tenant("acme") } else { world.api.clone() };
        let newest = entries(&log.get("/audit?limit=1")).remove(0);
        assert_eq!(newest["action"], action, "{name}: {newest}");
        assert_eq!((&newest["actor"]["name"], &newest["address"]), (&json!("admin-token"), &json!("127.0.0.1")), "{name}");
        assert!(newest["after"].is_object(), "{name}: {newest}");
        assert!(!newest.to_string().contains(PASSWORD) && !newest.to_string().contains("argon2"), "{newest}");
    }
    let decided = entries(&world.api.get("/audit?object=leak/1&action=leak.decide")).pop().unwrap();
    assert_eq!((&decided["before"]["patched_at"], &decided["after"]["decision"]["reason"]), (&Value::Null, &json!("in use")));

    // What was refused changed nothing and leaves nothing.
    let before = world.api.get("/audit").ok()["head"].clone();
    world.api.post("/gateways", &json!({"name": ""})).problem(422, "invalid");
    world.api.post("/leaks/1/decisions", &json!({"action": "close"})).problem(409, "illegal-transition");
    world.api.post("/verdicts", &json!({"url": "/"}));
    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    analyst.post("/gateways", &json!({"name": "g"})).problem(403, "forbidden");
    assert_eq!(world.api.get("/audit").ok()["head"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_filtered_and_exported() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    for n in 0..5 {
        world.gateway(&format!("=edge-{n}"));
    }
    let first = world.api.get("/audit?limit=2").ok();
    assert_eq!((first["entries"][0]["number"].as_i64(), first["next"].as_i64()), (Some(5), Some(4)));
    assert_eq!(world.api.get("/audit?limit=2&cursor=2").ok()["entries"].as_array().unwrap().len(), 1);
    for (query, count) in [("actor=admin-token", 5), ("actor=x", 0), ("object=gateway/2", 1), ("since=2999-01-01T00:00:00Z", 0)] {
        assert_eq!(entries(&world.api.get(&format!("/audit?{query}"))).len(), count, "{query}");
    }
    world.api.get("/audit?since=yesterday").problem(422, "invalid");

    let lines = cli.ok(&["audit", "export"], "");
    assert_eq!(lines.lines().count(), 5);
    let csv = cli.ok(&["audit", "export", "--format", "csv", "--after", "3"], "");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("number,at,") && csv.contains("\"gateway/5\""), "{csv}");
    assert!(cli.ok(&["audit", "list", "--object", "gateway/1"], "").contains("gateway.add"));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_make_one_unbroken_chain() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let api = world.api.clone();
            tokio::task::spawn_blocking(move || {
                for n in 0..10 {
                    api.post("/gateways", &json!({"name": format!("g{caller}-{n}")})).created();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(cli.ok(&["audit", "verify"], "").contains("80 entries"));
    let entries = entries(&world.api.get("/audit?limit=100"));
    let by_object: BTreeMap<String, usize> = entries.iter().map(|entry| (entry["object"].to_string(), 1)).collect();
    assert_eq!(by_object.len(), 80, "one for each");
}
