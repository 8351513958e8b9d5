//! Checks: whoever has hashed their tokens is told which are leaked.

use serde_json::{Value, json};
use stopleak::people::Role;
use stopleak::tenants::TenantId;
use stopleak_contract::{Fingerprint, Token};

use crate::cli::Cli;
use crate::scans::token;
use crate::world::World;

fn fingerprint(world: &World, tenant: TenantId, text: &str) -> String {
    let token = Token::parse(text.as_bytes()).unwrap();
    let fingerprint = Fingerprint::of(&world.app.keys.fingerprint(tenant).all().first, &token);
    blake3::Hash::from_bytes(*fingerprint.as_bytes()).to_hex().to_string()
}

fn made_up(n: usize) -> String {
    format!("made-up-secret-number-{n:06}")
}

#[tokio::test(flavor = "multi_thread")]
async fn fingerprints_are_checked_in_bulk() {
    let world = World::start().await;
    let leaked: Vec<String> = (0..1_200).map(made_up).collect();
    world.leak(&leaked.iter().map(String::as_str).collect::<Vec<_>>());
    world.leak(&["another-secret-1"]);
    world.api.post("/leaks/1/decisions", &json!({"action": "apply_virtual_patch", "confirm": true})).created();
    world.api.post("/leaks/2/decisions", &json!({"action": "mark_false"})).created();

    let analyst = world.api.with_token(&world.token(Role::Analyst).await);
    let asked: Vec<String> = (0..2_400).map(|n| fingerprint(&world, TenantId(1), &made_up(n))).collect();
    let answer = analyst.post("/checks", &json!({"fingerprints": asked})).ok();
    let checks = answer["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 2_400);
    for (n, (check, asked)) in checks.iter().zip(&asked).enumerate() {
        assert_eq!((&check["fingerprint"], &check["leaked"]), (&json!(asked), &json!(n < 1_200)), "{n}");
    }
    let one = json!({
        "fingerprint": asked[0], "leaked": true, "leak": "LK-1", "status": "open", "virtual_patch": true,
        "first_seen_at": checks[0]["first_seen_at"],
    });
    assert_eq!(checks[0], one);
    assert_eq!(checks[2_000]["leak"], Value::Null);

    let of_false = fingerprint(&world, TenantId(1), "another-secret-1");
    let check = &analyst.post("/checks", &json!({"fingerprints": [of_false.to_uppercase()]})).ok()["checks"][0];
    assert_eq!((&check["leaked"], &check["status"]), (&json!(false), &json!("false_positive")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_fingerprint_is_refused_without_repeating_it() {
    let world = World::start().await;
    let good = fingerprint(&world, TenantId(1), "made-up-secret");
    for fingerprints in [json!([]), json!([good, "hunter22-hunter22"]), json!([&good[1..]]), json!(vec![&good; 10_001])] {
        let detail = world.api.post("/checks", &json!({"fingerprints": fingerprints})).problem(422, "invalid");
        assert!(!detail.contains("hunter22"), "{detail}");
    }
    world.api.post("/checks", &json!({"fingerprints": good})).problem(400, "malformed");
    assert_eq!(world.api.post("/checks", &json!({"fingerprints": vec![good; 10_000]})).ok()["checks"][9_999]["leaked"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_is_not_told_of_the_leaks_of_another() {
    let world = World::start().await;
    world.leak(&["made-up-secret-1"]);
    let acme = world.tenant("acme").await;
    let api = world.api.with_token(&world.token_of(acme, Role::Analyst).await);
    let asked = [TenantId(1), acme].map(|tenant| fingerprint(&world, tenant, "made-up-secret-1"));
    let checks = api.post("/checks", &json!({"fingerprints": asked})).ok();
    assert_eq!((&checks["checks"][0]["leaked"], &checks["checks"][1]["leaked"]), (&json!(false), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_no_token_and_shows_none() {
    let world = World::start().await;
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    world.leak(&[&token(1)]);
    let clean = cli.output(&["check"], &format!("\n{}\n", token(2)));
    assert_eq!((clean.status.code(), clean.stdout.as_slice()), (Some(0), [].as_slice()));

    let input = format!("{}\n\n \"{}\" \n", token(2), token(1));
    let output = cli.output(&["check", "-"], &input);
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.contains("LK-1") && shown.lines().any(|line| line.starts_with("3 ")) && !shown.contains(&token(1)), "{shown}");

    let file = world.data.path().join("tokens");
    std::fs::write(&file, &input).unwrap();
    let output = cli.output(&["check", file.to_str().unwrap(), "--json"], "");
    assert_eq!(output.status.code(), Some(3));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [first, second] = [0, 1].map(|n| answer["checks"][n].clone());
    assert_eq!((&first["line"], &first["leaked"]), (&json!(1), &json!(false)));
    assert_eq!((&second["line"], &second["leaked"], &answer["leaked"]), (&json!(3), &json!(true), &json!(1)));

    let error = cli.fault(&["check"], "abc\n", 2);
    assert!(error.contains("line 1") && !error.contains("abc"), "{error}");
    assert!(cli.fault(&["check"], &"x".repeat(70_000), 2).contains("too long"));
    cli.fault(&["check", "/no/such/file"], "", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_key_nothing_is_said_to_be_clean() {
    let world = World::start().await;
    world.leak(&[&token(1)]);
    let key = world.data.path().join("keys/fingerprint.key");
    let right = std::fs::read_to_string(&key).unwrap();
    let cli = Cli { data: world.data.path().to_owned(), proxy: None };
    std::fs::write(&key, format!("{:064x}\n", 7)).unwrap();
    assert!(cli.fault(&["check"], &token(1), 1).contains("is not the server's"));
    std::fs::write(&key, right).unwrap();
    cli.fault(&["check"], &token(1), 3);
}
