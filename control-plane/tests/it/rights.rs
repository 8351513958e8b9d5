//! Every route and every command, with every role and with none, against the table of rights.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use serde_json::{Value, json};
use stopleak::api::rights::{COMMANDS, Needs, Right, Route, pages, routes};
use stopleak::cli::Cli as Parser;
use stopleak::config::{Config, GithubConfig};
use stopleak::people::Role;

use crate::cli::Cli;
use crate::scans::token;
use crate::world::{Answer, Data, PASSWORD, World};

/// The path of an object that is not there: whether one may touch it at all is told first.
fn filled(path: &str) -> String {
    path.replace("{name}", "nobody")
        .replace("{tenant}", "default")
        .replace("{number}", "1000")
        .replace("{id}", "1000")
        .replace("{epoch}", "1000")
}

/// Whether the answer says that the role is not enough.
fn is_refused(answer: &Answer) -> bool {
    if answer.status != 403 {
        return false;
    }
    answer.problem(403, "forbidden");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_is_open_to_the_roles_of_the_table_and_to_no_others() {
    let data = Data::new();
    let github = Some(GithubConfig { tenants: vec!["default".to_owned()], keys_url: None });
    let config = Config { github, ..data.config() };
    let world = World::start_with(data, &config).await;
    for Route { method, path, right, .. } in routes().into_iter().chain(pages()) {
        let send = |token: &str| world.api.with_token(token).send(method.as_str(), &filled(path), &json!({}));
        if right == Right::Signed {
            // No role takes the signature's place.
            for token in ["", &world.token(Role::GlobalAdministrator).await] {
                send(token).problem(401, "signature-rejected");
            }
            continue;
        }
        for role in Role::ALL {
            let answer = send(&world.token(role).await);
            let may = right.roles().contains(&role);
            assert_eq!(!is_refused(&answer), may, "{method} {path} as {role:?}: {}", answer.text);
            assert_ne!(answer.status, 401, "{method} {path} as {role:?}");
        }
        let nobody = send("");
        assert_eq!(nobody.status != 401, right == Right::Open, "{method} {path}: {}", nobody.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_beside_the_table_are_refused_and_those_of_it_are_told() {
    let world = World::start().await;
    let routes: Vec<Route> = routes().into_iter().chain(pages()).collect();
    for Route { path, .. } in &routes {
        let is_there = |method: &str| routes.iter().any(|route| route.path == *path && route.method == method);
        for method in ["PUT", "OPTIONS", "TRACE"].into_iter().filter(|method| !is_there(method)) {
            world.api.send(method, &filled(path), &Value::Null).problem(405, "method-not-allowed");
        }
    }
}

/// The paths of all commands that do something.
fn leaves(command: &clap::Command, above: &str, found: &mut Vec<(String, clap::Command)>) {
    for child in command.get_subcommands() {
        let path = format!("{above} {}", child.get_name()).trim().to_owned();
        if child.has_subcommands() {
            leaves(child, &path, found);
        } else {
            found.push((path, child.clone()));
        }
    }
}

#[test]
fn the_table_has_every_command_and_no_other() {
    let mut commands = Vec::new();
    leaves(&Parser::command(), "", &mut commands);
    let there: BTreeSet<&str> = commands.iter().map(|(path, _)| path.as_str()).collect();
    let listed: BTreeSet<&str> = COMMANDS.iter().map(|(path, _)| *path).collect();
    assert_eq!(there, listed);
    for (path, command) in &commands {
        let has = |name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
        let (_, needs) = COMMANDS.iter().find(|(listed, _)| listed == path).unwrap();
        assert_eq!(has("server"), matches!(needs, Needs::Api(_)), "{path}: whether it calls the API");
        assert_eq!(has("data-dir"), *needs != Needs::Nothing, "{path}: whether it uses the data folder");
    }
}

/// Arguments with which each command comes to call the API.
fn arguments(command: &str) -> Option<&'static [&'static str]> {
    Some(match command {
        "try"
        | "leak list"
        | "leak pending"
        | "leak export"
        | "leak summary"
        | "attempts list"
        | "source list"
        | "webhook list"
        | "gateway list"
        | "tenant list"
        | "job list"
        | "policy list"
        | "guard-rails show"
        | "guard-rails want-second-approver"
        | "guard-rails waive-second-approver"
        | "pause show"
        | "pause end"
        | "response show"
        | "closed-leaks show"
        | "response reset"
        | "notification list"
        | "notification deliveries"
        | "user list"
        | "api-token list"
        | "audit list"
        | "audit export"
        | "audit verify" => &[],
        "leak show" | "leak patch" | "leak unpatch" | "leak false" | "leak close" | "leak reopen" | "leak impact" => &["LK-1"],
        "leak assign" => &["LK-1", "ann"],
        "leak comment" => &["LK-1", "seen"],
        "leak decide" => &["close", "LK-1"],
        "leak approve" | "leak reject" | "leak cancel" | "policy preview" | "policy enable" | "policy disable"
        | "policy remove" => &["1"],
        "policy add" => &["a policy", "close", "--age-days", "9"],
        "response set" => &["--status", "410"],
        "closed-leaks set" => &["--observe-days", "9"],
        "pause begin" => &["--for", "30m", "--reason", "a test"],
        "leak risk" => &["LK-1", "low"],
        "leak add" => &["--title", "a leak"],
        "source add" => &["https://git.example/team/api.git"],
        "source scan"
        | "job retry"
        | "notification remove"
        | "notification test"
        | "notification renew-secret"
        | "notification retry" => &["7"],
        "import" => &["-", "--name", "a report"],
        "webhook add" => &["another"],
        "webhook revoke" => &["ci"],
        "check" => &["-"],
        "gateway add" => &["other"],
        "gateway revoke" => &["edge"],
        "notification add" => &["soc", "slack", "--url", "https://stopleak.invalid/"],
        "notification change" => &["7", "--name", "siem"],
        "tenant add" => &["acme"],
        "user add" => &["eve", "--role", "analyst"],
        "user set" => &["ada", "--role", "analyst"],
        "user remove" | "user sign-out" => &["ada"],
        "api-token add" => &["ci", "--role", "analyst", "--days", "90"],
        "api-token revoke" => &["1000"],
        "tenant set" => &["default", "--title", "Default"],
        _ => return None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_is_open_to_the_roles_of_the_table_and_to_no_others() {
    let world = World::start().await;
    world.leak(&["fk_9aQ7zLm2Xw4RtB8v"]);
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    let unknown = world.data.path().join("unknown-token");
    std::fs::write(&unknown, "slk_unknown").unwrap();
    let mut tokens = Vec::new();
    for role in Role::ALL {
        let file = world.data.path().join(role.as_str());
        std::fs::write(&file, world.token(role).await).unwrap();
        tokens.push((role, file));
    }
    for (command, needs) in COMMANDS {
        let Needs::Api(right) = needs else { continue };
        let own = arguments(command).unwrap_or_else(|| panic!("give arguments for `stopleak {command}`"));
        let call = |file: &std::path::Path| {
            // For the commands that revoke them.
            world.api.post("/gateways", &json!({"name": "edge"}));
            world.api.post("/webhooks", &json!({"name": "ci"}));
            if command.starts_with("user") {
                world.api.post("/users", &json!({"name": "ada", "role": "analyst", "password": PASSWORD}));
            }
            let words: Vec<&str> = command.split(' ').collect();
            let arguments = [&words[..], own, &["--json", "--api-token-file", file.to_str().unwrap()]].concat();
            let output = cli.output(&arguments, &token(1));
            assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        for (role, file) in &tokens {
            let error = call(file);
            assert_eq!(!error.contains("this needs the role"), right.roles().contains(role), "{command} as {role:?}: {error}");
            assert!(!error.contains("not known here"), "{command} as {role:?}: {error}");
        }
        assert!(call(&unknown).contains("not known here"), "{command}");
    }
}
