//! Tenants: none sees anything of another, and one that is switched off has neither scans nor pushes.

use std::time::Duration;

use serde_json::{Value, json};
use stopleak::api::rights::{Right, Route, routes};
use stopleak::people::Role;
use stopleak::time::Time;

use crate::cli::Cli;
use crate::client::Gateway;
use crate::world::{Api, PASSWORD, World, eventually};

/// In every name and title of the other tenant.
const MARK: &str = "zebra";

/// Makes one object of each kind; returns what stands for it in a path.
fn objects(api: &Api) -> Vec<(&'static str, String)> {
    let id = |added: &Value| added["id"].to_string();
    let title = json!({"title": MARK, "tokens": [format!("fk_{MARK}-9aQ7zLm2Xw4R")]});
    let leak = api.post("/leaks", &title).created()["number"].to_string();
    let source = api.post("/sources", &json!({"location": format!("https://git.example/{MARK}.git")})).created();
    let scan = api.post(&format!("/sources/{}/scans", id(&source)), &json!({})).json();
    let gateway = api.post("/gateways", &json!({"name": MARK})).created();
    let webhook = api.post("/webhooks", &json!({"name": MARK})).created();
    let channel = json!({"name": MARK, "kind": "webhook", "url": "https://stopleak.invalid/"});
    let channel = api.post("/notifications/channels", &channel).created();
    let delivery = api.post(&format!("/notifications/channels/{}/test", id(&channel)), &json!({})).ok();
    let policy = api.post("/policies", &json!({"name": MARK, "action": "close", "age_days": 9})).created();
    let later = json!({"action": "set_risk", "risk": "low", "reason": MARK, "at": "2999-01-01T00:00:00Z"});
    let pending = api.post(&format!("/leaks/{leak}/decisions"), &later).json();
    api.post(&format!("/leaks/{leak}/comments"), &json!({"text": MARK})).created();
    api.post("/pause", &json!({"reason": MARK, "until": Time::now().plus(Duration::from_hours(1))})).ok();
    let user = json!({"name": MARK, "role": "analyst", "password": PASSWORD});
    let user = api.post("/users", &user).created();
    let api_token = api.post("/api-tokens", &json!({"name": MARK, "role": "analyst"})).created();
    let import = api.post("/imports", &json!({"name": MARK})).created();
    vec![
        ("/notifications/channels/", id(&channel)),
        ("/notifications/deliveries/", id(&delivery)),
        ("/policies/", id(&policy)),
        ("/pending/", id(&pending["pending"])),
        ("/imports/", id(&import)),
        ("/webhooks/", id(&webhook)),
        ("/leaks/", leak),
        ("/sources/", id(&source)),
        ("/scans/", id(&scan)),
        ("/gateways/", id(&gateway)),
        // Each tenant counts its own; nobody has this one.
        ("/epochs/", "1000".to_owned()),
        ("/tenants/", MARK.to_owned()),
        ("/users/", id(&user)),
        ("/api-tokens/", id(&api_token)),
        // The scan's.
        ("/jobs/", "1".to_owned()),
        // Sessions are the caller's own: nobody has this one.
        ("/sessions/", "1".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_of_a_tenant_is_there_for_another() {
    let world = World::start().await;
    let (zebra, okapi) = (world.tenant(MARK).await, world.tenant("okapi").await);
    let theirs = world.api.with_token(&world.token_of(zebra, Role::Administrator).await);
    let objects = objects(&theirs);
    for role in [Role::Administrator, Role::Analyst] {
        let api = world.api.with_token(&world.token_of(okapi, role).await);
        // What is signed is nobody's by their role.
        let asks_for_a_caller = |route: &&Route| route.path.starts_with("/api/") && route.right != Right::Signed;
        for route in routes().iter().filter(asks_for_a_caller) {
            let mut path = route.path.to_owned();
            if let Some(at) = path.find('{') {
                let after = path.find('}').unwrap();
                let kind = &path["/api/v1".len()..at];
                let (_, id) = objects.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("make one of {kind}"));
                path.replace_range(at..=after, id);
            }
            // Would be right if the object were the caller's.
            let body = match route.path {
                "/api/v1/leaks/{number}/decisions" => json!({"action": "close"}),
                "/api/v1/leaks/{number}/comments" => json!({"text": "t"}),
                "/api/v1/policies/{id}" => json!({"enabled": true}),
                _ => json!({}),
            };
            let answer = api.send(route.method.as_str(), &path, &body);
            assert!(!answer.text.contains(MARK), "{role:?} {} {path}: {}", route.method, answer.text);
            if route.path.contains('{') && route.right.roles().contains(&role) {
                answer.problem(404, "not-found");
            }
        }
        api.of_tenant(MARK).get("/leaks").problem(404, "not-found");
        api.of_tenant("of-nobody").get("/leaks").problem(404, "not-found");
        assert_eq!(api.of_tenant("okapi").get("/leaks").ok()["leaks"], json!([]));
    }
    assert_eq!(theirs.get("/leaks/1").ok()["status"], "open", "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn global_roles_choose_a_tenant_that_is_there_from_now_on() {
    let world = World::start().await;
    world.leak(&["fk_of-the-default-tenant-1"]);
    world.tenant("acme").await;
    let acme = world.api.of_tenant("acme");
    acme.post("/leaks", &json!({"title": "of acme", "tokens": ["fk_of-the-tenant-acme-22"]})).created();
    assert_eq!(acme.get("/leaks").ok()["leaks"].as_array().unwrap().len(), 1);
    let analyst = world.api.with_token(&world.token(Role::GlobalAnalyst).await);
    assert_eq!(analyst.of_tenant("acme").get("/leaks/1").ok()["title"], "of acme");
    assert_eq!(analyst.get("/leaks/1").ok()["title"], "a leak");
    assert_eq!(analyst.get("/tenants").ok()["tenants"].as_array().unwrap().len(), 2);

    // No restart: its gateways get its index, and no other.
    let credential = acme.post("/gateways", &json!({"name": "edge"})).created()["credential"].clone();
    let mut gateway = Gateway::open(&world, credential.as_str().unwrap()).await.unwrap();
    gateway.hello().await;
    gateway.take_index().await;
    assert_eq!(gateway.tenant, "acme");
    while gateway.verdict("fk_of-the-tenant-acme-22").is_none() {
        // It came while the index with the leak was being built.
        gateway.take_index().await;
    }
    assert_eq!(gateway.verdict("fk_of-the-tenant-acme-22"), Some((1, false)));
    assert_eq!(gateway.verdict("fk_of-the-default-tenant-1"), None);

    world.api.post("/tenants", &json!({"name": "acme"})).problem(409, "name-taken");
    for name in ["", "Acme", "a b", "-a", "a/b", &"a".repeat(64)] {
        world.api.post("/tenants", &json!({"name": name})).problem(422, "invalid");
    }
    assert_eq!(world.api.patch("/tenants/acme", &json!({"title": "Acme Ltd"})).ok()["title"], "Acme Ltd");
    world.api.patch("/tenants/nobody", &json!({"title": "t"})).problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_off_has_neither_scans_nor_pushes_and_says_so() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let before = world.epoch();
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    assert!(cli.ok(&["tenant", "set", "default", "--api-leaks", "off"], "").contains("off"));
    eventually("readiness says so", || world.api.get_raw("/readyz").text.contains("module-off")).await;

    let source = world.api.post("/sources", &json!({"location": "https://git.example/r.git"})).created();
    let scan = world.api.post(&format!("/sources/{}/scans", source["id"]), &json!({}));
    assert!(scan.problem(409, "module-off").contains("API Leaks"));
    world.leak(&["fk_9aQ7zLm2Xw4RtB8v"]);
    let list = world.api.get("/gateways").ok();
    assert_eq!((&list["api_leaks"], list["gateways"][0]["epoch"].as_u64()), (&json!(false), Some(before)));

    // Not even one that comes newly gets an index; when it is on again, both get the newest.
    let (_, credential) = world.gateway("new");
    let mut new = Gateway::open(&world, &credential).await.unwrap();
    new.hello().await;
    cli.ok(&["tenant", "set", "default", "--api-leaks", "on"], "");
    for gateway in [&mut gateway, &mut new] {
        gateway.take_index().await;
        assert!(gateway.verdict("fk_9aQ7zLm2Xw4RtB8v").is_some(), "the first index since then has what was added meanwhile");
    }
    assert_eq!(world.api.get_raw("/readyz").text, "ready\n");
}
