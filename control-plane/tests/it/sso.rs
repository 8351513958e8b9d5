//! Single sign-on against a real provider: the browser's way there and back, and everything that can go wrong on it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use stopleak::config::Config;
use stopleak::people::Role;
use stopleak::people::sso::{SsoConfig, SsoRole};
use ureq::http::Uri;

use crate::world::{DEADLINE, Data, PASSWORD, World};

/// What people's browsers call the server of these tests, whose port is not known before it runs.
const SITE: &str = "http://stopleak.test";

/// The provider's process.
struct Provider {
    child: Child,
    issuer: String,
}

impl Provider {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (script, package) = (root.join("tests/it/sso/provider.mjs"), tool(root, "oidc-provider"));
        let mut node = Command::new("node");
        node.arg(script).arg(package).arg(format!("{SITE}/api/v1/sso/callback"));
        let mut child = node.stdout(Stdio::piped()).spawn().expect("Node.js runs the provider");
        let mut issuer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
        assert!(issuer.starts_with("http://127.0.0.1:"), "no provider: scripts/setup fetches it");
        Self { child, issuer: issuer.trim().to_owned() }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tool(root: &Path, name: &str) -> PathBuf {
    root.parent().unwrap().join(".tools").join(name).canonicalize().expect("scripts/setup fetches it")
}

async fn world(issuer: &str) -> World {
    let data = Data::new();
    let secret = data.path().join("client-secret");
    std::fs::write(&secret, "of-the-test\n").unwrap();
    let row =
        |group: &str, role, tenant: Option<&str>| SsoRole { group: group.to_owned(), role, tenant: tenant.map(str::to_owned) };
    let oidc = SsoConfig {
        issuer: issuer.to_owned(),
        client_id: "stopleak".to_owned(),
        client_secret_file: Some(secret),
        scopes: vec!["profile".to_owned()],
        groups_claim: "groups".to_owned(),
        roles: vec![
            row("security", Role::GlobalAdministrator, None),
            row("acme", Role::Administrator, Some("acme")),
            row("gone", Role::Administrator, Some("no-such-tenant")),
            row("staff", Role::Analyst, None),
        ],
    };
    let config = Config { oidc: Some(oidc), public_url: Some(SITE.to_owned()), ..data.config() };
    World::start_with(data, &config).await
}

/// A browser that follows redirections, and keeps each host's cookies.
struct Browser {
    stopleak: String,
    cookies: BTreeMap<(String, String), String>,
}

struct Page {
    status: u16,
    url: String,
    location: Option<String>,
    text: String,
}

impl Browser {
    fn new(world: &World) -> Self {
        Self { stopleak: format!("http://{}", world.addresses.http), cookies: BTreeMap::new() }
    }

    fn request(&mut self, url: &str, form: Option<&str>) -> Page {
        let host = url.parse::<Uri>().unwrap().authority().unwrap().to_string();
        let cookies: Vec<String> =
            self.cookies.iter().filter(|((of, _), _)| *of == host).map(|((_, name), value)| format!("{name}={value}")).collect();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(DEADLINE))
            .build()
            .into();
        let real = url.replacen(SITE, &self.stopleak, 1);
        let cookies = cookies.join("; ");
        let answer = match form {
            None => agent.get(&real).header("cookie", cookies).call(),
            Some(form) => {
                let post = agent.post(&real).header("cookie", cookies);
                post.header("content-type", "application/x-www-form-urlencoded").send(form)
            }
        };
        let mut answer = answer.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert((host.clone(), name.to_owned()), value.to_owned());
        }
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        let location = location.map(|to| if to.starts_with('/') { format!("http://{host}{to}") } else { to });
        let text = tokio::task::block_in_place(|| answer.body_mut().read_to_string().unwrap());
        Page { status: answer.status().as_u16(), url: url.to_owned(), location, text }
    }

    /// Follows redirections up to a page, or up to one that `stop` wants to see first.
    fn follow(&mut self, mut page: Page, stop: impl Fn(&str) -> bool) -> Page {
        while let Some(to) = page.location.clone() {
            if stop(&to) {
                return page;
            }
            page = self.request(&to, None);
        }
        page
    }

    /// Signs in at the provider; returns the URL with which it sends the browser back.
    fn vouched(&mut self, person: &str) -> String {
        let back = |url: &str| url.starts_with(SITE);
        let start = self.request(&format!("{SITE}/api/v1/sso"), None);
        assert_eq!(start.status, 303, "{}", start.text);
        let (name, groups) = person.split_once('+').unwrap();
        let provider = start.location.clone().unwrap();
        let provider = provider.get(..provider.find("/auth").unwrap()).unwrap();
        assert_eq!(self.request(&format!("{provider}/groups/{name}/{groups}"), None).status, 200);
        let login = self.follow(start, back);
        if let Some(url) = login.location {
            // The provider still knows who it is.
            return url;
        }
        assert!(login.url.contains("/interaction/"), "{} {}", login.url, login.text);
        let form = format!("prompt=login&login={name}&password=x");
        let page = self.request(&login.url, Some(&form));
        let consent = self.follow(page, back);
        if let Some(url) = consent.location {
            return url;
        }
        let page = self.request(&consent.url, Some("prompt=consent"));
        let last = self.follow(page, back);
        last.location.unwrap_or_else(|| panic!("not sent back: {}", last.text))
    }

    fn sign_in(&mut self, person: &str) -> Page {
        let url = self.vouched(person);
        let page = self.request(&url, None);
        let there = self.follow(page, |_| false);
        // The overview of their tenant; a problem is what there is to see otherwise.
        if there.status == 200 { self.request(&format!("{SITE}/api/v1/session"), None) } else { there }
    }
}

impl Page {
    fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let problem: serde_json::Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem["type"], format!("urn:stopleak:problem:{kind}"));
        problem["detail"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_by_the_provider_with_the_role_of_their_groups() {
    let provider = Provider::start();
    let world = world(&provider.issuer).await;
    let acme = world.tenant("acme").await;
    for (person, name, role, home) in [
        ("ada+security,staff", "ada", "global_administrator", "default"),
        ("bob+staff", "bob", "analyst", "default"),
        ("eve+other,acme", "eve", "administrator", "acme"),
        // Another role now, and another tenant.
        ("ada+staff", "ada", "analyst", "default"),
        ("bob+acme", "bob", "administrator", "acme"),
    ] {
        let page = Browser::new(&world).sign_in(person);
        assert_eq!(page.status, 200, "{person}: {}", page.text);
        let me: serde_json::Value = serde_json::from_str(&page.text).unwrap();
        assert_eq!((&me["name"], &me["role"], &me["home"]), (&json!(name), &json!(role), &json!(home)), "{person}");
        assert!(me["csrf_token"].is_string());
    }
    let users = world.api.get("/users").ok();
    assert_eq!(users["users"].as_array().unwrap().len(), 1, "bob has left for acme: {users}");
    assert_eq!((&users["users"][0]["issuer"], &users["users"][0]["has_password"]), (&json!(provider.issuer), &json!(false)));
    let api = world.api.with_token(&world.token_of(acme, Role::Analyst).await);
    assert_eq!(api.get("/users").ok()["users"].as_array().unwrap().len(), 2);

    for (person, expected) in [("kim+nobody", "groups"), ("kim+gone", "tenant")] {
        let detail = Browser::new(&world).sign_in(person).problem(403, "sso-refused");
        assert!(detail.contains(expected), "{detail}");
    }
    // An account of that name is somebody else's, and nobody has a password of whom the provider vouches for.
    world.api.post("/users", &json!({"name": "lee", "role": "analyst", "password": PASSWORD})).created();
    Browser::new(&world).sign_in("lee+staff").problem(409, "name-taken");
    let sign_in = world.api.with_token("").post("/session", &json!({"name": "ada", "password": PASSWORD}));
    sign_in.problem(401, "sign-in-failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_this_browser_did_not_ask_for_signs_nobody_in() {
    let provider = Provider::start();
    let world = world(&provider.issuer).await;
    let (mut ada, mut eve) = (Browser::new(&world), Browser::new(&world));
    let url = ada.vouched("ada+staff");
    // Eve's browser began another sign-in, or none.
    eve.request(&url, None).problem(403, "sso-refused");
    eve.vouched("eve+staff");
    eve.request(&url, None).problem(403, "sso-refused");
    for (from, to) in [("code=", "code=x"), ("state=", "state=x"), ("iss=http", "iss=https")] {
        assert!(url.contains(from), "{url}");
        ada.request(&url.replacen(from, to, 1), None).problem(403, "sso-refused");
    }
    ada.request(&format!("{SITE}/api/v1/sso/callback?error=access_denied"), None).problem(403, "sso-refused");
    assert_eq!(world.api.get("/users").ok()["users"], json!([]));
    // A code that was tried with a wrong one beside it is still good, and good once.
    let url = ada.vouched("ada+staff");
    assert_eq!(ada.request(&url, None).status, 303);
    ada.request(&url, None).problem(403, "sso-refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_or_lies_is_named_and_passwords_still_work() {
    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = liar.local_addr().unwrap();
    let lies = std::thread::spawn(move || {
        let paths = ["authorization_endpoint", "token_endpoint", "jwks_uri"];
        let mut metadata = json!({"issuer": "https://login.example", "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]});
        for path in paths {
            metadata[path] = json!(format!("https://login.example/{path}"));
        }
        for body in [metadata.to_string(), "<html>".to_owned()] {
            let (mut stream, _) = liar.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
            write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let world = world(&format!("http://{address}")).await;
    let begin = || Browser::new(&world).request(&format!("{SITE}/api/v1/sso"), None);
    let detail = begin().problem(502, "provider-failed");
    assert!(detail.contains("another issuer"), "{detail}");
    let detail = begin().problem(502, "provider-failed");
    assert!(detail.contains("understood"), "{detail}");
    lies.join().unwrap();
    let detail = begin().problem(502, "provider-failed");
    assert!(detail.contains("cannot be reached") && detail.contains("password"), "{detail}");
    world.api.post("/users", &json!({"name": "ada", "role": "analyst", "password": PASSWORD})).created();
    world.api.with_token("").post("/session", &json!({"name": "ada", "password": PASSWORD})).created();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_there_is_no_single_sign_on() {
    let world = World::start().await;
    world.api.get("/sso").problem(404, "not-found");
    world.api.get("/sso/callback?code=a&state=b").problem(404, "not-found");
}
