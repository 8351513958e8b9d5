//! What attempts say of tokens: whether they work, and from where they are used.

use serde_json::{Value, json};
use stopleak::attempts::MAX_CLIENTS;
use stopleak::time::Time;
use stopleak_contract::feed::wire::{Attempt, Outcome};

use crate::client::Gateway;
use crate::world::{World, eventually};

pub const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";
const OTHER: &str = "fk_Zq3Lm8Xw2RtB7vK1";
const HOUR: u64 = 3_600_000;

/// Reports what a gateway has seen just now; each report has ids of its own.
pub struct Reporter {
    gateway: Gateway,
    sent: u64,
}

/// A use that an upstream answered so, so many hours ago.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub leak: u32,
    pub token: &'a str,
    pub status: u32,
    pub client: &'a str,
    pub hours_ago: u64,
}

pub fn seen(leak: u32, token: &str, status: u32) -> Seen<'_> {
    Seen { leak, token, status, client: "192.0.2.7", hours_ago: 0 }
}

impl Reporter {
    pub async fn start(world: &World) -> Self {
        Self { gateway: world.connected("edge").await, sent: 0 }
    }

    pub async fn report(&mut self, uses: &[Seen<'_>]) {
        let attempts = uses.iter().map(|seen| self.attempt(seen, Outcome::Observed)).collect();
        self.send(attempts).await;
    }

    async fn blocked(&mut self, seen: Seen<'_>) {
        let attempt = self.attempt(&seen, Outcome::Blocked);
        self.send(vec![attempt]).await;
    }

    fn attempt(&self, seen: &Seen<'_>, outcome: Outcome) -> Attempt {
        let at = Time::now().as_millis() - seen.hours_ago * HOUR;
        let mut attempt = self.gateway.attempt(0, seen.leak, seen.token);
        attempt.outcome = outcome.into();
        (attempt.status, attempt.client) = (seen.status, seen.client.to_owned());
        (attempt.first_seen_ms, attempt.last_seen_ms) = (at, at);
        attempt
    }

    async fn send(&mut self, mut attempts: Vec<Attempt>) {
        for attempt in &mut attempts {
            self.sent += 1;
            attempt.id = u128::from(self.sent).to_be_bytes().to_vec();
        }
        self.gateway.report(self.sent, attempts).await;
    }
}

/// The tokens are known for a year: nothing is seen before that.
pub async fn long_known(world: &World) {
    let mut db = world.app.store.write().await.unwrap();
    let year_ago = Time::from_millis(Time::now().as_millis() - 365 * 24 * HOUR);
    sqlx::query("UPDATE tokens SET created_at = $1").bind(year_ago).execute(&mut *db).await.unwrap();
    db.commit().await.unwrap();
}

/// In no order: that of tokens follows from their fingerprints.
fn lives(world: &World, leak: u32) -> Vec<String> {
    let leak = world.api.get(&format!("/leaks/{leak}")).ok();
    let mut lives: Vec<_> = leak["tokens"].as_array().unwrap().iter().map(|t| t["life"].as_str().unwrap().to_owned()).collect();
    lives.sort();
    lives
}

fn listed(world: &World, query: &str) -> Value {
    let leaks = world.api.get(&format!("/leaks?{query}")).ok();
    leaks["leaks"].as_array().unwrap().iter().map(|leak| leak["number"].clone()).collect()
}

fn of(text: &Value) -> Time {
    Time::parse(text.as_str().unwrap_or_else(|| panic!("no time: {text}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_alive_or_dead_as_upstreams_say_and_lists_and_charts_show_it() {
    let world = World::start().await;
    let mut gateway = Reporter::start(&world).await;
    world.leak(&[TOKEN, OTHER]);
    world.leak(&["fk_7aQ7zLm2Xw4RtB8v"]);
    world.leak(&["fk_5aQ7zLm2Xw4RtB8v"]);
    long_known(&world).await;
    assert_eq!(lives(&world, 1), ["unseen", "unseen"]);
    let version = world.api.get("/leaks/1").ok()["version"].clone();

    // A blocked request, and what says nothing of the token.
    gateway.blocked(seen(2, "fk_7aQ7zLm2Xw4RtB8v", 403)).await;
    for status in [0, 302, 404, 500, 503] {
        gateway.report(&[seen(1, TOKEN, status)]).await;
    }
    assert_eq!((lives(&world, 1), lives(&world, 2)), (vec!["unseen".to_owned(); 2], vec!["unseen".to_owned()]));
    let used = world.api.get("/leaks/2").ok()["tokens"][0].clone();
    assert!(used["used_at"].is_string() && used["refused_at"].is_null(), "{used}");

    gateway.report(&[seen(1, TOKEN, 204), seen(1, OTHER, 401), seen(2, "fk_7aQ7zLm2Xw4RtB8v", 403)]).await;
    let leak = world.api.get("/leaks/1").ok();
    assert_eq!((lives(&world, 1), lives(&world, 2)), (vec!["alive".to_owned(), "dead".to_owned()], vec!["dead".to_owned()]));
    let one = |life: &str| leak["tokens"].as_array().unwrap().iter().find(|token| token["life"] == life).unwrap().clone();
    let (alive, dead) = (one("alive"), one("dead"));
    assert!(alive["preview"].as_str().unwrap().ends_with("8v") && dead["preview"].as_str().unwrap().ends_with("K1"));
    assert_eq!((&alive["life_since"], &dead["life_since"]), (&alive["alive_at"], &dead["refused_at"]));
    assert!(of(&alive["life_since"]).age(Time::now()).as_secs() < 60);
    assert_eq!((&leak["life"], &leak["life_since"]), (&json!("alive"), &alive["life_since"]), "one of them works");
    assert_eq!(leak["version"], version, "nobody has changed it");

    assert_eq!(listed(&world, "life=alive"), json!([1]));
    assert_eq!(listed(&world, "life=dead"), json!([2]));
    assert_eq!(listed(&world, "life=unseen"), json!([3]));
    assert_eq!(listed(&world, "life=dead&status=closed"), json!([]));
    assert_eq!(listed(&world, "sort=-updated_at&life=alive"), json!([1]));
    world.api.get("/leaks?life=asleep").problem(400, "malformed");
    assert!(world.api.get("/leaks/export?life=dead").text.contains(",dead,"));
    let count = |life: &str, what: &str| world.api.get("/leaks/summary").ok()["lives"][life][what].clone();
    assert_eq!((count("alive", "open"), count("dead", "open"), count("unseen", "open")), (json!(1), json!(1), json!(1)));
    world.api.post("/leaks/2/decisions", &json!({"action": "close"})).created();
    assert_eq!((count("dead", "open"), count("dead", "closed")), (json!(0), json!(1)));

    // A refusal within a day after a success may be of one route only; a day without success is none.
    gateway.report(&[Seen { hours_ago: 60, ..seen(3, "fk_5aQ7zLm2Xw4RtB8v", 200) }]).await;
    gateway.report(&[Seen { hours_ago: 40, ..seen(3, "fk_5aQ7zLm2Xw4RtB8v", 403) }]).await;
    assert_eq!(lives(&world, 3), ["alive"]);
    gateway.report(&[seen(3, "fk_5aQ7zLm2Xw4RtB8v", 401)]).await;
    let token = world.api.get("/leaks/3").ok()["tokens"][0].clone();
    assert_eq!(token["life"], "dead");
    let since = of(&token["life_since"]).age(Time::now()).as_secs() / 3_600;
    assert_eq!(since, 40, "since the first refusal after the last success");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clock_of_a_gateway_makes_a_token_live_for_ever_or_dead_for_years() {
    let world = World::start().await;
    let mut gateway = Reporter::start(&world).await;
    world.leak(&[TOKEN]);
    let mut attempt = gateway.attempt(&seen(1, TOKEN, 200), Outcome::Observed);
    attempt.last_seen_ms = u64::MAX;
    gateway.send(vec![attempt.clone()]).await;
    let token = || world.api.get("/leaks/1").ok()["tokens"][0].clone();
    assert!(of(&token()["alive_at"]) <= Time::now());
    (attempt.first_seen_ms, attempt.last_seen_ms, attempt.status) = (0, 0, 401);
    gateway.send(vec![attempt]).await;
    assert!(of(&token()["refused_at"]) >= of(&token()["created_at"]));
    assert_eq!(token()["life"], "alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_never_seen_with_a_leak_is_flagged_until_a_person_decides() {
    let world = World::start().await;
    let mut gateway = Reporter::start(&world).await;
    let url = "https://stopleak.invalid/";
    let channel = json!({"name": "soc", "kind": "webhook", "url": url, "events": ["leak.new_client"]});
    world.api.post("/notifications/channels", &channel).created();
    world.leak(&[TOKEN, OTHER]);
    world.leak(&["fk_7aQ7zLm2Xw4RtB8v"]);
    let from = |client| Seen { client, ..seen(1, TOKEN, 200) };
    let flag = || world.api.get("/leaks/1").ok()["new_client"].clone();
    gateway.report(&[from("192.0.2.7")]).await;
    gateway.report(&[from("192.0.2.7"), Seen { client: "192.0.2.7", ..seen(1, OTHER, 200) }]).await;
    assert_eq!(flag(), json!(null), "the first one is not new to anything");
    assert_eq!(listed(&world, "new_client=true"), json!([]));

    gateway.report(&[from("2001:db8:0:1::7")]).await;
    assert_eq!(flag()["client"], "2001:db8:0:1::/64");
    assert!(of(&flag()["at"]).age(Time::now()).as_secs() < 60);
    assert_eq!((listed(&world, "new_client=true"), listed(&world, "new_client=false")), (json!([1]), json!([2])));
    assert_eq!(listed(&world, "new_client=true&status=closed"), json!([]));
    let told = world.api.get("/notifications/deliveries").ok();
    let delivery = told["deliveries"][0].clone();
    assert_eq!(delivery["event"], "leak.new_client", "{told}");
    let facts = world.api.get(&format!("/notifications/deliveries/{}", delivery["id"])).ok()["facts"].clone();
    assert_eq!((&facts["count"], &facts["leaks"][0]["attempt"]["client"]), (&json!(1), &json!("2001:db8:0:1::7")));

    // Whoever decides has seen it; the same network is no news any more, and another one is, also where it was blocked.
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch"})).created();
    assert_eq!(flag(), json!(null));
    gateway.blocked(from("2001:db8:0:1:ffff::9")).await;
    assert_eq!(flag(), json!(null));
    gateway.blocked(from("198.51.100.1")).await;
    assert_eq!(flag()["client"], "198.51.100.1");
    assert_eq!(world.api.get("/leaks/1").ok()["attempts"]["clients"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_leak_are_bounded_and_those_of_long_ago_make_room() {
    let world = World::start().await;
    let mut gateway = Reporter::start(&world).await;
    world.leak(&[TOKEN]);
    let clients: Vec<String> = (0..400).map(|n| format!("10.0.{}.{}", n / 200, n % 200)).collect();
    for some in clients.chunks(200) {
        let uses: Vec<_> = some.iter().map(|client| Seen { client, ..seen(1, TOKEN, 200) }).collect();
        gateway.report(&uses).await;
    }
    let known = || world.api.get("/leaks/1").ok()["attempts"]["clients"].as_i64().unwrap();
    assert_eq!(known(), MAX_CLIENTS);
    world.api.post("/leaks/1/decisions", &json!({"action": "set_risk", "risk": "low"})).created();
    gateway.report(&[Seen { client: "192.0.2.200", ..seen(1, TOKEN, 200) }]).await;
    assert!(world.api.get("/leaks/1").ok()["new_client"].is_null(), "used from everywhere: one more says nothing");

    let mut db = world.app.store.write().await.unwrap();
    let long_ago = Time::from_millis(Time::now().as_millis() - 100 * 24 * HOUR);
    sqlx::query("UPDATE leak_clients SET last_seen_at = $1 WHERE client <> '10.0.0.7'")
        .bind(long_ago)
        .execute(&mut *db)
        .await
        .unwrap();
    db.commit().await.unwrap();
    gateway.report(&[Seen { client: "192.0.2.200", ..seen(1, TOKEN, 200) }]).await;
    assert_eq!(known(), 2);
    assert_eq!(world.api.get("/leaks/1").ok()["new_client"]["client"], "192.0.2.200");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_act_on_what_gateways_see_and_sign_with_their_names() {
    let world = World::start().await;
    let mut gateway = Reporter::start(&world).await;
    world.leak(&[TOKEN]);
    world.leak(&[OTHER, "fk_7aQ7zLm2Xw4RtB8v"]);
    long_known(&world).await;
    for (id, policy) in (1..).zip([
        json!({"name": "alive", "action": "apply_virtual_patch", "life": "alive"}),
        json!({"name": "long dead", "action": "close", "life": "dead", "life_days": 7}),
    ]) {
        world.api.post("/policies", &policy).created();
        world.api.patch(&format!("/policies/{id}"), &json!({"enabled": true})).ok();
    }
    let last = |leak: u32| world.api.get(&format!("/leaks/{leak}")).ok()["decisions"].as_array().unwrap().last().cloned();
    // No epoch has changed since: the sign of life alone is what makes the policy look.
    gateway.report(&[seen(1, TOKEN, 404)]).await;
    gateway.report(&[seen(1, TOKEN, 200)]).await;
    eventually("the policy patches what is alive", || world.api.get("/leaks/1").ok()["virtual_patch"].is_object()).await;
    let decision = last(1).unwrap();
    assert_eq!((&decision["author"], &decision["origin"]), (&json!("policy alive"), &json!("policy")));

    let days_ago = |token, days: u64| Seen { hours_ago: days * 24, ..seen(2, token, 401) };
    gateway.report(&[days_ago(OTHER, 9), days_ago("fk_7aQ7zLm2Xw4RtB8v", 3)]).await;
    let would = || world.api.get("/policies/2/preview").ok()["leaks"].clone();
    assert_eq!((lives(&world, 2), would()), (vec!["dead".to_owned(); 2], json!([])), "one of them is dead for three days only");
    gateway.report(&[days_ago("fk_7aQ7zLm2Xw4RtB8v", 8)]).await;
    eventually("the policy closes what is dead", || world.api.get("/leaks/2").ok()["status"] == "closed").await;
    let decision = last(2).unwrap();
    assert_eq!((&decision["author"], &decision["origin"]), (&json!("policy long dead"), &json!("policy")));

    // Another refusal is what was to be expected. Any other use opens the leak again, and then it is for people.
    gateway.report(&[seen(2, OTHER, 401)]).await;
    assert_eq!(world.api.get("/leaks/2").ok()["status"], "closed");
    gateway.report(&[seen(2, OTHER, 404)]).await;
    assert_eq!((world.api.get("/leaks/2").ok()["status"].clone(), would()), (json!("open"), json!([])));
    assert_eq!(last(2).unwrap()["author"], "use");
}
