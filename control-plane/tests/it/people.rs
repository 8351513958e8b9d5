//! Users, sign-in, sessions and API tokens.

use serde_json::{Value, json};
use stopleak::config::Config;
use stopleak::people::Role;

use crate::cli::Cli;
use crate::world::{Answer, Api, Data, PASSWORD, World};

/// Somebody's browser.
struct Browser {
    api: Api,
    cookie: String,
    csrf: String,
}

impl Browser {
    fn sign_in(world: &World, name: &str, password: &str) -> Self {
        Self::of(world, &sign_in(world, name, password))
    }

    fn of(world: &World, answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let csrf = answer.created()["csrf_token"].as_str().unwrap().to_owned();
        Self { api: world.api.with_token(""), cookie, csrf }
    }

    fn get(&self, path: &str) -> Answer {
        self.api.send_with("GET", &format!("/api/v1{path}"), &Value::Null, &[("cookie", &self.cookie)])
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf), ("sec-fetch-site", "same-origin")];
        self.api.send_with(method, &format!("/api/v1{path}"), body, &headers)
    }
}

fn sign_in(world: &World, name: &str, password: &str) -> Answer {
    world.api.with_token("").post("/session", &json!({"name": name, "password": password}))
}

fn add(world: &World, name: &str, role: Role) -> i64 {
    let user = json!({"name": name, "role": role, "password": PASSWORD});
    world.api.post("/users", &user).created()["id"].as_i64().unwrap()
}

fn actions(world: &World) -> Vec<String> {
    let list = world.api.get("/audit?limit=1000").ok();
    list["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_out() {
    let world = World::start().await;
    add(&world, "ada", Role::Administrator);
    sign_in(&world, "ada", "not her password").problem(401, "sign-in-failed");
    sign_in(&world, "bob", PASSWORD).problem(401, "sign-in-failed");
    let answer = sign_in(&world, "Ada", PASSWORD);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("stopleak=sls_") && cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    let ada = Browser::of(&world, &answer);
    let me = ada.get("/session").ok();
    assert_eq!((&me["kind"], &me["name"], &me["role"]), (&json!("user"), &json!("ada"), &json!("administrator")));
    assert_eq!(me["csrf_token"], ada.csrf);
    ada.send("POST", "/gateways", &json!({"name": "edge"})).created();
    let by_ada = world.api.get("/audit?actor=ada&action=gateway.add").ok();
    assert_eq!(by_ada["entries"][0]["actor"]["kind"], "user");

    // Signing in once more makes a new session, and the one that the browser had is over.
    let headers = [("cookie", ada.cookie.as_str())];
    let again = json!({"name": "ada", "password": PASSWORD});
    let again = Browser::of(&world, &world.api.with_token("").send_with("POST", "/api/v1/session", &again, &headers));
    assert_ne!(again.cookie, ada.cookie);
    ada.get("/session").problem(401, "unauthenticated");

    let other = Browser::sign_in(&world, "ada", PASSWORD);
    let list = other.get("/sessions").ok();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2);
    assert_eq!((&list["sessions"][0]["current"], &list["sessions"][1]["current"]), (&json!(true), &json!(false)));
    other.send("DELETE", &format!("/sessions/{}", list["sessions"][1]["id"]), &json!({}));
    again.get("/session").problem(401, "unauthenticated");
    assert_eq!(other.send("DELETE", "/session", &json!({})).status, 204);
    other.get("/session").problem(401, "unauthenticated");

    let (one, two) = (Browser::sign_in(&world, "ada", PASSWORD), Browser::sign_in(&world, "ada", PASSWORD));
    assert_eq!(one.send("DELETE", "/sessions", &json!({})).status, 204);
    for browser in [&one, &two] {
        browser.get("/leaks").problem(401, "unauthenticated");
    }
    let actions = actions(&world);
    for expected in ["session.open", "session.end", "session.end_all"] {
        assert!(actions.iter().any(|action| action == expected), "{expected} of {actions:?}");
    }
    world.api.get("/sessions").problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_change_nothing_with_a_browsers_cookie() {
    let world = World::start().await;
    add(&world, "ada", Role::Administrator);
    let ada = Browser::sign_in(&world, "ada", PASSWORD);
    let send = |headers: &[(&str, &str)]| {
        let headers = [&[("cookie", ada.cookie.as_str())], headers].concat();
        ada.api.send_with("POST", "/api/v1/gateways", &json!({"name": "edge"}), &headers)
    };
    let token = ("x-csrf-token", ada.csrf.as_str());
    send(&[]).problem(403, "cross-site");
    send(&[("x-csrf-token", "00")]).problem(403, "cross-site");
    send(&[token, ("sec-fetch-site", "cross-site")]).problem(403, "cross-site");
    send(&[token, ("origin", "https://evil.example")]).problem(403, "cross-site");
    send(&[token]).created();
    // A stolen token of one session is of no use with another.
    let other = Browser::sign_in(&world, "ada", PASSWORD);
    send(&[("x-csrf-token", &other.csrf)]).problem(403, "cross-site");
    let evil = [("origin", "https://evil.example")];
    let body = json!({"name": "ada", "password": PASSWORD});
    ada.api.send_with("POST", "/api/v1/session", &body, &evil).problem(403, "cross-site");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_lock_an_account_for_a_while() {
    let world = World::start().await;
    let id = add(&world, "ada", Role::Administrator);
    for name in ["ada", "nobody"] {
        for _ in 0..5 {
            sign_in(&world, name, "not the password").problem(401, "sign-in-failed");
        }
        // Also with the right one, and alike for a name that nobody has.
        let locked = sign_in(&world, name, PASSWORD);
        locked.problem(429, "locked-out");
        assert!(["1", "2"].contains(&locked.header("retry-after")), "{locked:?}");
    }
    world.api.patch(&format!("/users/{id}"), &json!({"password": "seven green lamps hum"})).ok();
    sign_in(&world, "ada", "seven green lamps hum").created();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_the_same_time_all_count() {
    let world = World::start().await;
    add(&world, "ada", Role::Administrator);
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let api = world.api.with_token("");
            tokio::task::spawn_blocking(move || api.post("/session", &json!({"name": "ada", "password": "a wrong guess"})).status)
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += usize::from(guess.await.unwrap() == 401);
    }
    assert!(looked_at <= 6, "{looked_at} guesses were looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_signs_in_only_so_often() {
    let world = World::start().await;
    let mut refused = 0;
    for n in 0..35 {
        let answer = sign_in(&world, &format!("name-{n}"), "a wrong guess");
        if answer.status == 429 {
            answer.problem(429, "rate-limited");
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
            refused += 1;
        }
    }
    assert!((3..=6).contains(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_hear_what_is_left_and_who_asks_too_often_waits() {
    let data = Data::new();
    let config = Config { requests_per_minute: std::num::NonZeroU32::new(5), ..data.config() };
    let world = World::start_with(data, &config).await;
    let other = world.api.with_token(&world.token(Role::Analyst).await);
    let first = world.api.get("/leaks");
    assert_eq!((first.header("ratelimit-policy"), first.status), ("\"caller\";q=5;w=60", 200));
    assert!(first.header("ratelimit").starts_with("\"caller\";r=4;t="), "{first:?}");
    for _ in 0..4 {
        world.api.get("/leaks").ok();
    }
    let refused = world.api.get("/leaks");
    refused.problem(429, "rate-limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 12, "{refused:?}");
    other.get("/leaks").ok();
    assert_eq!(world.api.get_raw("/healthz").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_and_oneself_stay() {
    let world = World::start().await;
    let (ada, bob) = (add(&world, "ada", Role::Administrator), add(&world, "bob", Role::Analyst));
    let browser = Browser::sign_in(&world, "ada", PASSWORD);
    let at = |id: i64| format!("/users/{id}");
    browser.send("DELETE", &at(ada), &json!({})).problem(409, "own-account");
    browser.send("PATCH", &at(ada), &json!({"role": "analyst"})).problem(409, "own-account");
    world.api.delete(&at(ada)).problem(409, "last-administrator");
    world.api.patch(&at(ada), &json!({"role": "analyst"})).problem(409, "last-administrator");
    assert_eq!(browser.send("PATCH", &at(bob), &json!({"role": "administrator"})).ok()["role"], "administrator");
    let bobs = Browser::sign_in(&world, "bob", PASSWORD);
    assert_eq!(bobs.send("DELETE", &at(ada), &json!({})).status, 204);
    browser.get("/leaks").problem(401, "unauthenticated");
    sign_in(&world, "ada", PASSWORD).problem(401, "sign-in-failed");
    world.api.delete(&at(ada)).problem(404, "not-found");
    // The name is free, and whoever gets it is somebody else.
    assert_ne!(add(&world, "ada", Role::Analyst), ada);
    assert!(actions(&world).iter().any(|action| action == "user.remove"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_or_takes_more_than_they_have() {
    let world = World::start().await;
    let root = add(&world, "root", Role::GlobalAdministrator);
    let api = world.api.with_token(&world.token(Role::Administrator).await);
    for role in ["global_administrator", "global_analyst"] {
        let body = json!({"name": "x", "role": role, "password": PASSWORD});
        api.post("/users", &body).problem(403, "forbidden");
        api.post("/api-tokens", &json!({"name": "x", "role": role})).problem(403, "forbidden");
    }
    api.patch(&format!("/users/{root}"), &json!({"password": "seven green lamps hum"})).problem(403, "forbidden");
    api.delete(&format!("/users/{root}")).problem(403, "forbidden");
    // The first token of all is a global administrator's.
    api.delete("/api-tokens/1").problem(403, "forbidden");
    world.tenant("acme").await;
    let body = json!({"name": "x", "role": "global_analyst"});
    world.api.of_tenant("acme").post("/api-tokens", &body).problem(422, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_that_are_guessed_or_breached_are_not_taken() {
    let data = Data::new();
    let list = data.path().join("breached.txt");
    // The SHA-1 of the password that every other account of these tests has.
    std::fs::write(&list, format!("{}\n{}:3\n", "0".repeat(40), "F".repeat(40))).unwrap();
    let config = Config { breached_passwords: Some(list.clone()), ..data.config() };
    let world = World::start_with(data, &config).await;
    let refuse = |password: &str| {
        let body = json!({"name": "ada", "role": "analyst", "password": password});
        let detail = world.api.post("/users", &body).problem(422, "invalid");
        assert!(!detail.contains(password), "{detail}");
        detail
    };
    assert!(refuse("tiny one").contains("12"));
    assert!(refuse("Password1234!").contains("guessed"));
    let hash = sha1_of(PASSWORD);
    let mut lines = ["0".repeat(40), hash + ":3", "F".repeat(40)];
    lines.sort();
    std::fs::write(&list, lines.join("\n")).unwrap();
    assert!(refuse(PASSWORD).contains("breached"));
}

fn sha1_of(text: &str) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn api_tokens_are_shown_once_expire_and_are_taken_back() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let added = cli.json(&["api-token", "add", "ci", "--role", "analyst", "--days", "1"], "");
    let token = added["token"].as_str().unwrap();
    assert!(token.starts_with("slk_") && added["expires_at"].is_string(), "{added}");
    let ci = world.api.with_token(token);
    ci.get("/leaks").ok();
    crate::world::eventually("its use is written down", || {
        cli.json(&["api-token", "list"], "")["api_tokens"][1]["last_used_at"].is_string()
    })
    .await;
    let list = world.api.get("/api-tokens");
    assert!(!list.text.contains(token), "{}", list.text);
    cli.ok(&["api-token", "revoke", &added["id"].to_string()], "");
    assert!(ci.get("/leaks").problem(401, "unauthenticated").contains("revoked"));
    for expires_at in ["2001-01-01T00:00:00Z", "tomorrow"] {
        let body = json!({"name": "x", "role": "analyst", "expires_at": expires_at});
        world.api.post("/api-tokens", &body).problem(422, "invalid");
    }
    // In the file and in the log of changes there is neither the token nor a password.
    add(&world, "ada", Role::Analyst);
    Browser::sign_in(&world, "ada", PASSWORD);
    let data = world.stop().await;
    for file in ["stopleak.db", "stopleak.db-wal"] {
        let bytes = std::fs::read(data.path().join(file)).unwrap_or_default();
        for secret in [token, PASSWORD] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_change_their_own_password_and_the_other_sessions_end() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    cli.ok(&["user", "add", "ada", "--role", "analyst"], &format!("{PASSWORD}\n"));
    let (here, there) = (Browser::sign_in(&world, "ada", PASSWORD), Browser::sign_in(&world, "ada", PASSWORD));
    let change = |current: &str, new: &str| here.send("POST", "/session/password", &json!({"current": current, "new": new}));
    change("not her password", "seven green lamps hum").problem(401, "sign-in-failed");
    change(PASSWORD, "short").problem(422, "invalid");
    let here = Browser::of(&world, &change(PASSWORD, "seven green lamps hum"));
    here.get("/leaks").ok();
    there.get("/leaks").problem(401, "unauthenticated");
    sign_in(&world, "ada", PASSWORD).problem(401, "sign-in-failed");
    cli.ok(&["user", "sign-out", "ada"], "");
    here.get("/leaks").problem(401, "unauthenticated");
    assert!(actions(&world).iter().any(|action| action == "user.change_password"));
}

/// Each of the two may be removed while there is the other.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_last_administrators_who_remove_each_other_at_once_one_stays() {
    let world = World::start().await;
    let ids = ["ada", "bob"].map(|name| add(&world, name, Role::Administrator));
    let browsers = ["ada", "bob"].map(|name| Browser::sign_in(&world, name, PASSWORD));
    let remove = |browser: &Browser, id: i64| browser.send("DELETE", &format!("/users/{id}"), &json!({})).status;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(|| remove(&browsers[0], ids[1])), scope.spawn(|| remove(&browsers[1], ids[0])));
        vec![one.join().unwrap(), other.join().unwrap()]
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().any(|status| matches!(status, 401 | 409)), "{statuses:?}");
    let users = world.api.get("/users").ok()["users"].clone();
    assert_eq!(users.as_array().unwrap().iter().filter(|user| user["role"] == "administrator").count(), 1, "{users}");
}
