//! Pages, filters and orders of the lists of what people make, and changes under the condition that nobody else made one.

use serde_json::{Value, json};

use crate::world::{Api, PASSWORD, World};

/// The lists, the member that holds their entries, what makes the entry of a number, and orders.
type List = (&'static str, &'static str, fn(u32) -> (&'static str, Value), &'static [&'static str]);

const LISTS: [List; 6] = [
    ("/gateways", "gateways", |n| ("/gateways", json!({"name": format!("edge-{n}")})), &["name", "id", "created_at"]),
    (
        "/users",
        "users",
        |n| ("/users", json!({"name": format!("ann-{n}"), "role": "analyst", "password": PASSWORD})),
        &["name", "id"],
    ),
    (
        "/api-tokens",
        "api_tokens",
        |n| ("/api-tokens", json!({"name": format!("ci-{n}"), "role": "analyst"})),
        &["id", "name", "role"],
    ),
    (
        "/sources",
        "sources",
        |n| ("/sources", json!({"location": format!("https://git.example/{n}.git")})),
        &["id", "title", "location"],
    ),
    (
        "/policies",
        "policies",
        |n| ("/policies", json!({"name": format!("p-{n}"), "action": "close", "age_days": 9})),
        &["name", "id"],
    ),
    ("/tenants", "tenants", |n| ("/tenants", json!({"name": format!("t-{n}")})), &["name", "title", "created_at"]),
];

/// All entries, page by page.
fn pages(api: &Api, path: &str, member: &str, sort: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=2&sort={sort}{cursor}")).ok();
        let entries = page[member].as_array().unwrap();
        assert!(entries.len() <= 2);
        all.extend(entries.iter().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_of_what_people_make_has_pages_and_orders() {
    let world = World::start().await;
    for (path, member, make, sorts) in LISTS {
        for n in 1..=5 {
            let (path, body) = make(n);
            world.api.post(path, &body).created();
        }
        let whole = world.api.get(path).ok();
        let whole = whole[member].as_array().unwrap();
        assert!(whole.len() >= 5, "{path}");
        for sort in sorts {
            let up = pages(&world.api, path, member, sort);
            let mut down = pages(&world.api, path, member, &format!("-{sort}"));
            down.reverse();
            assert_eq!(up, down, "{path} by {sort}");
            assert_eq!(up.len(), whole.len(), "{path} by {sort}");
            let key = |entry: &Value| (entry[*sort].as_i64(), entry[*sort].as_str().map(str::to_owned));
            let keys: Vec<_> = up.iter().map(key).collect();
            assert!(keys.is_sorted(), "{path} by {sort}: {keys:?}");
        }
        for bad in ["sort=hash", "sort=", "cursor=7", "limit=0", "limit=5000"] {
            world.api.get(&format!("{path}?{bad}")).problem(422, "invalid");
        }
        world.api.get(&format!("{path}?nothing=1")).problem(400, "malformed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_what_fits() {
    let world = World::start().await;
    for (_, _, make, _) in LISTS {
        for n in 1..=3 {
            let (path, body) = make(n);
            world.api.post(path, &body).created();
        }
    }
    world.api.delete("/gateways/1");
    world.api.patch("/policies/2", &json!({"enabled": true})).ok();
    world.api.patch("/tenants/t-3", &json!({"api_leaks": false})).ok();
    for (query, member, count) in [
        ("/gateways?revoked=true", "gateways", 1),
        ("/gateways?revoked=false&text=EDGE", "gateways", 2),
        ("/gateways?connected=true", "gateways", 0),
        ("/users?role=analyst", "users", 3),
        ("/users?role=administrator", "users", 0),
        ("/users?text=n-2", "users", 1),
        ("/api-tokens?role=global_administrator", "api_tokens", 1),
        ("/api-tokens?revoked=true", "api_tokens", 0),
        ("/sources?kind=git&text=2.git", "sources", 1),
        ("/sources?kind=folder", "sources", 0),
        ("/policies?enabled=true", "policies", 1),
        ("/policies?action=apply_virtual_patch", "policies", 0),
        ("/tenants?api_leaks=false", "tenants", 1),
    ] {
        assert_eq!(world.api.get(query).ok()[member].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_under_a_condition_is_made_on_what_was_seen() {
    let world = World::start().await;
    for (_, _, make, _) in LISTS {
        let (path, body) = make(1);
        world.api.post(path, &body).created();
    }
    // The first may not become less than an administrator without her.
    world.api.post("/users", &json!({"name": "eve", "role": "administrator", "password": PASSWORD})).created();
    for (path, one, other) in [
        ("/users/1", json!({"role": "administrator"}), json!({"role": "analyst"})),
        ("/policies/1", json!({"enabled": true}), json!({"enabled": false})),
        ("/tenants/t-1", json!({"title": "One"}), json!({"title": "Two"})),
    ] {
        let seen = world.api.get(path).etag.unwrap();
        let changed = world.api.send_if("PATCH", path, &one, &seen);
        changed.ok();
        assert_ne!(changed.etag.as_ref(), Some(&seen), "{path}");
        world.api.send_if("PATCH", path, &other, &seen).problem(412, "changed-meanwhile");
        assert_eq!(world.api.get(path).etag, changed.etag, "{path}: the late one has changed nothing");
        world.api.send_if("PATCH", path, &other, &changed.etag.unwrap()).ok();
        world.api.send_if("PATCH", path, &one, "*").ok();
        for bad in ["", "7", "\"", "\"x y\"", "W/\"7\""] {
            world.api.send_if("PATCH", path, &one, bad).problem(400, "malformed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_found_where_the_answer_says() {
    let world = World::start().await;
    for (_, _, make, _) in LISTS {
        let (path, body) = make(1);
        let made = world.api.post(path, &body);
        let there = world.api.get_raw(made.location.as_deref().unwrap()).ok();
        let made = made.created();
        for member in ["id", "name", "location", "created_at"] {
            assert_eq!(there[member], made[member], "{path}: {member}");
        }
        assert!(there["token"].is_null() && there["credential"].is_null(), "secrets are shown once");
    }
}
