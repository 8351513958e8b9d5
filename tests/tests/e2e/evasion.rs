//! The evasion corpus against the real Envoy: every request carries a patched token in some form, and is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use stopleak_tests::{Request, World, tokens};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    reason: String,
    #[serde(default = "orders")]
    target: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default = "yes")]
    http2: bool,
}

#[test]
fn no_request_of_the_evasion_corpus_passes() -> Result<()> {
    let world = World::start()?;
    let tokens = tokens();
    let patched: Vec<&str> =
        tokens.iter().filter(|(name, _)| !OTHER_SPELLINGS.contains(name)).map(|(_, token)| token.as_str()).collect();
    world.patched_leak(&patched)?;

    let (mut sent, mut passed) = (0, Vec::new());
    for (file, case) in cases()? {
        for http2 in [false, true] {
            if http2 && !case.http2 {
                continue;
            }
            let mut request = Request::get(world.envoy.listener(), &expand(&case.target, &tokens)?);
            for (name, value) in &case.headers {
                // Code points up to U+00FF stand for single bytes.
                let value: Vec<u8> = expand(value, &tokens)?.chars().filter_map(|c| u8::try_from(c).ok()).collect();
                request = request.header(name, value);
            }
            if http2 {
                request = request.over_http2();
            }
            let status = request.status().with_context(|| format!("{file}: {}", case.name))?;
            sent += 1;
            if status != 403 {
                passed.push(format!("{file}: {} (HTTP/2: {http2}): {status}; {}", case.name, case.reason));
            }
        }
    }
    assert!(passed.is_empty(), "{} of {sent} passed:\n{}", passed.len(), passed.join("\n"));
    assert!(sent >= 300, "only {sent} requests");
    assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    Ok(())
}

/// Without the token, the same requests are nobody's business.
#[test]
fn the_same_requests_pass_with_tokens_that_have_not_leaked() -> Result<()> {
    let world = World::start()?;
    world.patched_leak(&[&tokens::own(99)])?;
    let tokens = tokens();
    for (file, case) in cases()? {
        let mut request = Request::get(world.envoy.listener(), &expand(&case.target, &tokens)?);
        for (name, value) in &case.headers {
            request =
                request.header(name, expand(value, &tokens)?.chars().filter_map(|c| u8::try_from(c).ok()).collect::<Vec<_>>());
        }
        assert_eq!(request.status()?, 200, "{file}: {}", case.name);
    }
    assert!(world.control_plane.attempts()?.is_empty());
    Ok(())
}

/// Not tokens of the leak, but what they become.
const OTHER_SPELLINGS: [&str; 4] = ["jwt_input", "pretty_jwt_input", "uuid_digits", "url_secret"];

/// Tokens of different make, by the name that the corpus uses.
fn tokens() -> BTreeMap<&'static str, String> {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let input = format!("{}.{}", part(r#"{"alg":"ES256","typ":"JWT"}"#), part(r#"{"sub":"fake-user","n":12345}"#));
    let pretty = format!("{}.{}", part("{\n  \"alg\": \"ES256\"\n}"), part(r#"{"sub":"other-user","n":6789}"#));
    BTreeMap::from([
        ("plain", tokens::own(1)),
        ("jwt", format!("{input}.{}", part("signature"))),
        ("jwt_input", input),
        ("pretty_jwt", format!("{pretty}.{}", part("another"))),
        ("pretty_jwt_input", pretty),
        ("uuid_digits", "0f4a17c29b3d4e5f8a617c2d3e4f5a6b".to_owned()),
        ("url", "https://hooks.test/hook/s3cr3t-1".to_owned()),
        ("url_secret", "s3cr3t-1".to_owned()),
        ("uuid", "0F4a17c2-9B3d-4e5F-8a61-7C2d3E4f5A6b".to_owned()),
        ("hex", "9f86D081884c7d659A2feaa0c55AD015".to_owned()),
        ("colon", "5501234567:fk-Zm9vYmFyYmF6cXV4_1".to_owned()),
        ("base64", "fk+Q2hlY2s/VGhpcw+a/b3V0b3V0=".to_owned()),
        ("dots", "fk.s8Yd7Qw2Rk.p0Lm3Nb6Vc9Xz".to_owned()),
        ("slashes", "T0FAKE12/B0FAKE34/fk9aQ7zLm2Xw4RtB8v".to_owned()),
        ("aws_key", tokens::of("aws-access-key-id", 5)),
    ])
}

fn cases() -> Result<Vec<(String, Case)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/evasion");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().context("a name")?.to_string_lossy().into_owned();
        let file: File = toml::from_str(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
        cases.extend(file.case.into_iter().map(|case| (name.clone(), case)));
    }
    Ok(cases)
}

/// Fills in tokens, then applies the transformations from the innermost outwards.
fn expand(template: &str, tokens: &BTreeMap<&'static str, String>) -> Result<String> {
    let mut text = template.to_owned();
    for (name, token) in tokens {
        text = text.replace(&format!("{{{name}}}"), token);
    }
    let call = regex::Regex::new(r"(b64nopad|b64url|b64|pctlower|pctsome|pct|oct|upper|lower|repeat[0-9]*)<([^<>]*)>")?;
    while let Some(found) = call.captures(&text) {
        let (whole, name, inner) = (&found[0], &found[1], &found[2]);
        let percent = |keep: fn(u8) -> bool| -> String {
            inner.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
        };
        let made = match name {
            "b64" => STANDARD.encode(inner),
            "b64nopad" => STANDARD_NO_PAD.encode(inner),
            "b64url" => URL_SAFE_NO_PAD.encode(inner),
            "pct" => percent(|_| false),
            "pctlower" => percent(|_| false).to_ascii_lowercase(),
            "pctsome" => percent(|b| b.is_ascii_alphanumeric()),
            "oct" => inner.bytes().map(|b| format!("\\{b:03o}")).collect::<Vec<_>>().concat(),
            "upper" => inner.to_ascii_uppercase(),
            "lower" => inner.to_ascii_lowercase(),
            repeat => match repeat.strip_prefix("repeat") {
                Some("") => inner.repeat(1_000),
                Some(times) => inner.repeat(times.parse()?),
                None => bail!("no transformation {repeat}"),
            },
        };
        text = text.replacen(whole, &made, 1);
    }
    Ok(text)
}

fn orders() -> String {
    "/orders".to_owned()
}

fn yes() -> bool {
    true
}
