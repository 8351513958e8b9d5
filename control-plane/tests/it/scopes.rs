//! Where virtual patches apply, what a blocked request is answered, and the pause: from the API to what gateways are sent.

use serde_json::{Value, json};
use stopleak_contract::index::Index;
use stopleak_contract::settings::{Settings, Target};

use crate::cli::Cli;
use crate::client::Gateway;
use crate::world::{World, eventually};

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";
const OTHER: &str = "fk_Xw4RtB8v9aQ7zLm2";
const RESPONSE: &str = "/settings/response";

fn patch(world: &World, leak: u32, scope: &Value) -> crate::world::Answer {
    world.api.post(&format!("/leaks/{leak}/decisions"), &json!({"action": "apply_virtual_patch", "scope": scope}))
}

fn epoch(answer: &Value) -> u64 {
    answer["epoch"].as_u64().unwrap()
}

/// Nothing comes of an epoch that is in force.
async fn take_until(gateway: &mut Gateway, epoch: u64) {
    if gateway.index.as_ref().is_none_or(|index| index.header().epoch < epoch) {
        gateway.take_index_until(epoch).await;
    }
}

fn settings(gateway: &Gateway) -> Settings {
    Settings::read(&gateway.index.as_ref().map(Index::header).unwrap().settings).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_reaches_gateways_and_people_and_another_one_is_another_decision() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    world.leak(&[TOKEN]);
    world.leak(&[OTHER]);
    let asked =
        json!({"hosts": ["B.example", "*.a.example"], "path_prefixes": ["/v2"], "exempt_networks": ["10.0.0.0/8", "::1"]});
    let shown =
        json!({"hosts": ["*.a.example", "b.example"], "path_prefixes": ["/v2"], "exempt_networks": ["10.0.0.0/8", "::1/128"]});
    let taken = patch(&world, 1, &asked).created();
    assert_eq!((&taken["decision"]["scope"], &taken["leak"]["virtual_patch"]["scope"]), (&shown, &shown));
    take_until(&mut gateway, epoch(&taken)).await;
    assert_eq!(gateway.verdict(TOKEN), Some((1, true)));
    let told = settings(&gateway);
    let scope = told.scope_of(1).unwrap();
    assert!(scope.covers(&Target::new(b"x.a.example", b"/v2/x")) && !scope.covers(&Target::new(b"b.example", b"/v1")));
    assert!(scope.exempts("10.1.2.3".parse().unwrap()) && !scope.exempts("11.1.2.3".parse().unwrap()));
    assert_eq!(told.scope_of(2), None);

    let applied_at = taken["leak"]["virtual_patch"]["applied_at"].clone();
    patch(&world, 1, &asked).problem(409, "illegal-transition");
    patch(&world, 1, &Value::Null).problem(409, "illegal-transition");
    let wider = patch(&world, 1, &json!({"hosts": ["b.example"]})).created();
    assert_eq!(epoch(&wider), epoch(&taken) + 1);
    assert_eq!(wider["leak"]["virtual_patch"]["applied_at"], applied_at, "it is the same patch");
    let everywhere = patch(&world, 1, &json!({})).created();
    take_until(&mut gateway, epoch(&everywhere)).await;
    assert!(!settings(&gateway).has_scopes());
    patch(&world, 2, &asked).created();
    let closed = world.api.post("/leaks/2/decisions", &json!({"action": "close"})).created();
    take_until(&mut gateway, epoch(&closed)).await;
    assert!(!settings(&gateway).has_scopes(), "the scope goes with the patch");

    let leak = world.api.get("/leaks/1").ok();
    let scopes: Vec<_> =
        leak["decisions"].as_array().unwrap().iter().map(|decision| decision["scope"]["hosts"].clone()).collect();
    assert_eq!(scopes, [json!(["*.a.example", "b.example"]), json!(["b.example"]), json!([])]);
    assert!(world.api.get("/leaks?patched=true").ok()["leaks"][0]["virtual_patch"]["scope"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_scope_is_refused_with_a_reason_and_changes_nothing() {
    let world = World::start().await;
    let before = epoch(&world.leak(&[TOKEN]));
    for (scope, words) in [
        (json!({"hosts": ["a.example:80"]}), "hosts: entry 1 has a port"),
        (json!({"hosts": ["a.example", "https://a"]}), "hosts: entry 2 is not the name"),
        (json!({"hosts": ["192.0.2.1"]}), "is an address"),
        (json!({"path_prefixes": ["v2"]}), "path_prefixes: entry 1 does not begin with a slash"),
        (json!({"path_prefixes": ["/v2/../x"]}), "has .. in it"),
        (json!({"exempt_networks": ["10.0.0.1/8"]}), "exempt_networks: entry 1 has bits"),
        (json!({"exempt_networks": ["everybody"]}), "is not an IPv4 or IPv6 network"),
        (json!({"path_prefixes": [format!("/bot/{TOKEN}")]}), "contains a leaked token"),
    ] {
        let detail = patch(&world, 1, &scope).problem(422, "invalid");
        assert!(detail.starts_with("scope: ") && detail.contains(words) && !detail.contains(TOKEN), "{scope}: {detail}");
    }
    patch(&world, 1, &json!({"host": ["a.example"]})).problem(400, "malformed");
    let odd = json!({"action": "close", "scope": {"hosts": ["a.example"]}});
    let detail = world.api.post("/leaks/1/decisions", &odd).problem(422, "invalid");
    assert!(detail.contains("apply_virtual_patch only"), "{detail}");
    assert_eq!(world.epoch(), before);
    let dry = json!({"action": "apply_virtual_patch", "scope": {"hosts": ["a.example"]}, "dry_run": true});
    assert_eq!(world.api.post("/leaks/1/decisions", &dry).ok()["outcome"], "decided");
    assert_eq!(world.epoch(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_have_a_limit_that_a_header_can_carry() {
    let world = World::start().await;
    for n in 0..9 {
        world.leak(&[&format!("{TOKEN}{n}")]);
    }
    // Each has 64 prefixes of about 150 bytes.
    let scope = |n: u32| {
        let prefixes: Vec<_> = (10..74).map(|m| format!("/{n}{m}/{}", "long/".repeat(28))).collect();
        json!({"path_prefixes": prefixes})
    };
    let mut taken = 0;
    for n in 1..9 {
        let answer = patch(&world, n, &scope(n));
        if answer.status == 409 {
            let detail = answer.problem(409, "too-many-scopes");
            assert!(detail.contains("10000 patches and 65536 bytes"), "{detail}");
            break;
        }
        answer.created();
        taken = n;
    }
    assert_eq!(taken, 6);
    patch(&world, 7, &scope(1)).created();
    let leaks: Vec<_> = (8..10).map(|n| format!("LK-{n}")).collect();
    let many = json!({"action": "apply_virtual_patch", "leaks": leaks, "scope": scope(2)});
    let decided = world.api.post("/decisions", &many).ok();
    assert!(decided["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "decided"), "{decided}");
    let mut gateway = world.connected("edge").await;
    take_until(&mut gateway, epoch(&decided)).await;
    assert_eq!(settings(&gateway).scope_of(2), settings(&gateway).scope_of(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_patch_keeps_its_scope() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let at = stopleak::time::Time::now().plus(std::time::Duration::from_millis(300));
    let asked = json!({"action": "apply_virtual_patch", "at": at, "scope": {"hosts": ["a.example"]}});
    let answer = world.api.post("/leaks/1/decisions", &asked);
    assert_eq!(answer.json()["pending"]["scope"]["hosts"], json!(["a.example"]), "{}", answer.text);
    let patched = || world.api.get("/leaks/1").ok()["virtual_patch"]["scope"]["hosts"] == json!(["a.example"]);
    eventually("the patch is applied with its scope", patched).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_is_chosen_shown_and_sent() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    let first = world.api.get(RESPONSE);
    let usual = first.ok();
    assert_eq!((&usual["status"], &usual["is_default"]), (&json!(403), &json!(true)));
    assert!(usual["body"].as_str().unwrap().contains("leaked-credential"));
    let wanted = json!({
        "status": 451, "content_type": "text/plain", "body": "ask us",
        "headers": [{"name": "X-Help", "value": "https://help.example/"}],
    });
    let chosen = world.api.send_if("PUT", RESPONSE, &wanted, first.etag.as_deref().unwrap()).ok();
    let headers = json!([{"name": "x-help", "value": "https://help.example/"}, {"name": "cache-control", "value": "no-store"}]);
    assert_eq!((&chosen["status"], &chosen["content_type"], &chosen["headers"]), (&json!(451), &json!("text/plain"), &headers));
    take_until(&mut gateway, epoch(&chosen)).await;
    let told = settings(&gateway);
    let answer = told.response().unwrap();
    assert_eq!((answer.status, answer.body), (451, &b"ask us"[..]));
    assert_eq!(answer.headers[..2], [("content-type", "text/plain"), ("x-help", "https://help.example/")]);

    // Somebody who has seen the first one only.
    let stale = world.api.send_if("PUT", RESPONSE, &wanted, first.etag.as_deref().unwrap());
    stale.problem(412, "changed-meanwhile");
    let reset = world.api.delete(RESPONSE).ok();
    assert_eq!((&reset["is_default"], &reset["version"]), (&json!(true), &json!(2)));
    take_until(&mut gateway, epoch(&reset)).await;
    assert!(gateway.index.as_ref().unwrap().header().settings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_response_is_refused() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let good = json!({"status": 410, "content_type": "text/plain", "body": "gone", "headers": []});
    let with = |field: &str, value: Value| {
        let mut wanted = good.clone();
        wanted[field] = value;
        world.api.send("PUT", &format!("/api/v1{RESPONSE}"), &wanted)
    };
    let header = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    for (field, value, words) in [
        ("status", json!(200), "from 400 to 599"),
        ("status", json!(302), "from 400 to 599"),
        ("body", json!("x".repeat(16 * 1024 + 1)), "16384 are the most"),
        ("body", json!(format!("never {TOKEN} again")), "contains a leaked token"),
        ("headers", header("connection", "close"), "decides on"),
        ("headers", header("Content-Length", "3"), "decides on"),
        ("headers", header("content-type", "a/b"), "content_type"),
        ("headers", header("x", "a\r\nset-cookie: b"), "printable ASCII"),
        ("headers", header("x y", "a"), "name that no header"),
    ] {
        let detail = with(field, value.clone()).problem(422, "invalid");
        assert!(detail.contains(words) && !detail.contains(TOKEN), "{field} {value}: {detail}");
    }
    with("code", json!(1)).problem(400, "malformed");
    assert_eq!(world.api.get(RESPONSE).ok()["version"], 0);
    with("status", json!(599)).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_pushed_with_its_end_and_a_restart_gives_the_same_index() {
    let world = World::start().await;
    let mut gateway = world.connected("edge").await;
    world.leak(&[TOKEN]);
    patch(&world, 1, &json!({"exempt_networks": ["127.0.0.0/8"]})).created();
    let until = stopleak::time::Time::now().plus(std::time::Duration::from_hours(1));
    let paused = world.api.post("/pause", &json!({"reason": "checkout is down", "until": until})).ok();
    take_until(&mut gateway, epoch(&paused)).await;
    assert_eq!(settings(&gateway).paused_until_ms(), until.as_millis());
    assert!(settings(&gateway).scope_of(1).is_some());
    let root = gateway.index.as_ref().unwrap().header().root();

    let world = World::start_in(world.stop().await).await;
    let mut gateway = world.connected("other").await;
    take_until(&mut gateway, epoch(&paused)).await;
    assert_eq!(gateway.index.as_ref().unwrap().header().root(), root);
    let ended = world.api.delete("/pause").ok();
    take_until(&mut gateway, epoch(&ended)).await;
    assert_eq!(settings(&gateway).paused_until_ms(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_and_responses_stay_with_their_tenant() {
    let world = World::start().await;
    world.tenant("other").await;
    world.leak(&[TOKEN]);
    patch(&world, 1, &json!({"hosts": ["a.example"]})).created();
    world
        .api
        .send("PUT", &format!("/api/v1{RESPONSE}"), &json!({"status": 410, "content_type": "text/plain", "body": "gone"}))
        .ok();
    let other = world.api.of_tenant("other");
    assert_eq!(other.get(RESPONSE).ok()["is_default"], true);
    other.post("/leaks", &json!({"title": "t", "tokens": [TOKEN]})).created();
    let taken = other.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    assert_eq!(taken["leak"]["virtual_patch"]["scope"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_leaves_out_settings_that_have_not_changed() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    patch(&world, 1, &json!({"hosts": ["a.example"]})).created();
    let mut gateway = world.connected("edge").await;
    take_until(&mut gateway, world.epoch()).await;
    world.leak(&[OTHER]);
    let stopleak_contract::feed::wire::to_gateway::Message::Header(header) = gateway.next().await.unwrap() else {
        panic!("no header")
    };
    assert_eq!(header.settings, None);
    gateway.take_shards(header).await;
    assert!(settings(&gateway).scope_of(1).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sets_scopes_and_the_response() {
    let world = World::start().await;
    world.leak(&[TOKEN]);
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let scope = ["--host", "a.example", "--host", "*.b.example", "--path-prefix", "/v2", "--exempt", "10.0.0.0/8"];
    cli.ok(&[&["leak", "patch", "LK-1", "--confirm"][..], &scope].concat(), "");
    let shown = cli.ok(&["leak", "show", "LK-1"], "");
    for part in ["*.b.example", "a.example", "/v2", "10.0.0.0/8"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let refused = cli.output(&["leak", "patch", "LK-1", "--host", "a.example:80"], "");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("has a port"));
    cli.ok(&["leak", "patch", "LK-1", "--confirm", "--everywhere"], "");
    assert!(!cli.ok(&["leak", "show", "LK-1"], "").contains("b.example"));
    cli.fault(&["leak", "patch", "LK-1", "--everywhere", "--host", "a.example"], "", 2);

    let set = ["response", "set", "--status", "410", "--header", "x-help: ask us"];
    let told = cli.ok(&set, "gone for good");
    assert!(told.contains("410 (chosen)") && told.contains("x-help: ask us") && told.contains("gone for good"), "{told}");
    assert!(cli.ok(&["response", "reset"], "").contains("403 (the usual one)"));
}
