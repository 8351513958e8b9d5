//! The evasion corpus against the real Envoy: every request carries a patched token in some form, and is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde::Deserialize;
use serde_json::json;
use stopleak_tests::{Request, Setting, World, tokens};

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
    method: Option<String>,
    target: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Code points up to U+00FF stand for single bytes, here and in headers.
    body: Option<String>,
    /// What is done with the body's bytes, one after the other.
    #[serde(default, rename = "as")]
    forms: Vec<String>,
    #[serde(default)]
    trailers: Vec<(String, String)>,
    /// Bytes of a piece, where the body is sent in such.
    #[serde(default = "seven")]
    pieces: usize,
    /// A refusal has status 200 and says the rest in `grpc-status`.
    #[serde(default)]
    grpc: bool,
    #[serde(default = "yes")]
    http2: bool,
}

/// How a case is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Http1,
    /// The body in chunks.
    Http1Pieces,
    Http2,
}

#[test]
fn no_request_of_the_evasion_corpus_passes() -> Result<()> {
    for plugin in [json!({"body": {"hold_headers": true}}), json!({"body": {}})] {
        let world = World::with(Setting { plugin: plugin.clone(), ..Setting::default() })?;
        let tokens = tokens();
        let patched: Vec<&str> =
            tokens.iter().filter(|(name, _)| !OTHER_SPELLINGS.contains(name)).map(|(_, token)| token.as_str()).collect();
        world.patched_leak(&patched)?;

        let (mut sent, mut passed) = (0, Vec::new());
        for (file, case) in cases()? {
            for way in case.ways() {
                let reply = case.request(&world, &tokens, way)?.send().with_context(|| format!("{file}: {}", case.name))?;
                sent += 1;
                let is_refused = if case.grpc { reply.head.contains("grpc-status: 7") } else { reply.status == 403 };
                if !is_refused {
                    passed.push(format!("{file}: {} ({way:?}): {}; {}", case.name, reply.status, case.reason));
                }
            }
        }
        assert!(passed.is_empty(), "{plugin}: {} of {sent} passed:\n{}", passed.len(), passed.join("\n"));
        assert!(sent >= 550, "only {sent} requests");
        assert_eq!(world.upstream.completed(), 0, "a refused body or its end has reached the upstream");
        assert!(!world.envoy.log().contains("Wasm VM failed"), "{}", world.envoy.log());
    }
    Ok(())
}

/// Without the token, the same requests are nobody's business, and reach the upstream byte for byte.
#[test]
fn the_same_requests_pass_with_tokens_that_have_not_leaked() -> Result<()> {
    for plugin in [json!({"body": {"hold_headers": true}}), json!({"body": {}})] {
        let world = World::with(Setting { plugin, ..Setting::default() })?;
        world.patched_leak(&[&tokens::own(99)])?;
        let tokens = tokens();
        for (file, case) in cases()? {
            for way in case.ways() {
                let reply = case.request(&world, &tokens, way)?.send().with_context(|| format!("{file}: {}", case.name))?;
                assert_eq!(reply.status, 200, "{file}: {} ({way:?})", case.name);
                if let Some(mut expected) = case.body_bytes(&tokens)? {
                    for (name, value) in &case.trailers {
                        expected.extend_from_slice(format!("{name}: {}\n", expand(value, &tokens)?).as_bytes());
                    }
                    assert_eq!(reply.bytes, expected, "{file}: {} ({way:?})", case.name);
                }
            }
        }
        assert!(world.control_plane.attempts()?.is_empty());
    }
    Ok(())
}

impl Case {
    fn ways(&self) -> impl Iterator<Item = Way> {
        let in_pieces = self.body.is_some();
        let is_sent = move |way: &Way| match way {
            Way::Http1 => self.trailers.is_empty(),
            Way::Http1Pieces => in_pieces,
            Way::Http2 => self.http2,
        };
        [Way::Http1, Way::Http1Pieces, Way::Http2].into_iter().filter(is_sent)
    }

    fn request(&self, world: &World, tokens: &BTreeMap<&'static str, String>, way: Way) -> Result<Request> {
        let body = self.body_bytes(tokens)?;
        let usual = if body.is_some() { ("POST", "/echo") } else { ("GET", "/orders") };
        let target = expand(self.target.as_deref().unwrap_or(usual.1), tokens)?;
        let mut request = Request::get(world.envoy.listener(), &target).method(self.method.as_deref().unwrap_or(usual.0));
        for (name, value) in &self.headers {
            request = request.header(name, bytes(&expand(value, tokens)?));
        }
        if let Some(body) = body {
            request = request.body(body);
            if way != Way::Http1 {
                request = request.in_pieces(self.pieces);
            }
        }
        for (name, value) in &self.trailers {
            request = request.trailer(name, expand(value, tokens)?);
        }
        Ok(if way == Way::Http2 { request.over_http2() } else { request })
    }

    fn body_bytes(&self, tokens: &BTreeMap<&'static str, String>) -> Result<Option<Vec<u8>>> {
        let Some(body) = &self.body else { return Ok(None) };
        let mut body = bytes(&expand(body, tokens)?);
        for form in &self.forms {
            body = in_form(form, &body)?;
        }
        Ok(Some(body))
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().filter_map(|c| u8::try_from(c).ok()).collect()
}

/// What is done with the bytes of a body.
fn in_form(form: &str, body: &[u8]) -> Result<Vec<u8>> {
    let read = |reader: &mut dyn Read| -> Result<Vec<u8>> {
        let mut made = Vec::new();
        reader.read_to_end(&mut made)?;
        Ok(made)
    };
    let gzip = |body: &[u8]| read(&mut GzEncoder::new(body, Compression::best()));
    let message = |flag: u8, body: &[u8]| -> Result<Vec<u8>> {
        Ok([&[flag], &u32::try_from(body.len())?.to_be_bytes()[..], body].concat())
    };
    Ok(match form {
        "bom" => [b"\xef\xbb\xbf", body].concat(),
        "utf16le" => body.iter().flat_map(|&b| [b, 0]).collect(),
        "utf16be" => body.iter().flat_map(|&b| [0, b]).collect(),
        "utf32be" => body.iter().flat_map(|&b| [0, 0, 0, b]).collect(),
        "gzip" => gzip(body)?,
        "gzip2" => {
            let (first, second) = body.split_at(body.len() / 2);
            [gzip(first)?, gzip(second)?].concat()
        }
        "zlib" => read(&mut ZlibEncoder::new(body, Compression::best()))?,
        "deflate" => read(&mut DeflateEncoder::new(body, Compression::best()))?,
        "grpc" => message(0, body)?,
        "grpcz" => message(1, body)?,
        "grpc3" => [message(0, b"\x0a\x03abc")?, message(0, b"")?, message(0, body)?].concat(),
        _ => bail!("no form {form}"),
    })
}

/// Not tokens of the leak, but what they become.
const OTHER_SPELLINGS: [&str; 5] = ["plain_rest", "jwt_input", "pretty_jwt_input", "uuid_digits", "url_secret"];

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
        ("plain_rest", tokens::own(1).split_off(2)),
        ("punctuated", "fk/9aQ7=zL&m2?Rx,tB+8v==".to_owned()),
        ("long", format!("{}-{}_", tokens::own(7), tokens::own(8))),
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
    let call = regex::Regex::new(
        r"(b64nopad|b64url|b64|pctlower|pctsome|pct|oct|upper|lower|uni2|uni|entx|ent|qp|len|lines|repeat[0-9]*)<([^<>]*)>",
    )?;
    while let Some(found) = call.captures(&text) {
        let (whole, name, inner) = (&found[0], &found[1], &found[2]);
        let percent = |keep: fn(u8) -> bool| -> String {
            inner.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
        };
        let each = |escape: fn(u8) -> String| inner.bytes().map(escape).collect::<Vec<_>>().concat();
        let made = match name {
            "b64" => STANDARD.encode(inner),
            "b64nopad" => STANDARD_NO_PAD.encode(inner),
            "b64url" => URL_SAFE_NO_PAD.encode(inner),
            "pct" => percent(|_| false),
            "pctlower" => percent(|_| false).to_ascii_lowercase(),
            "pctsome" => percent(|b| b.is_ascii_alphanumeric()),
            "oct" => inner.bytes().map(|b| format!("\\{b:03o}")).collect::<Vec<_>>().concat(),
            "uni" => each(|b| format!("\\u{b:04X}")),
            "uni2" => each(|b| format!("\\\\u{b:04x}")),
            "ent" => each(|b| format!("&#{b};")),
            "entx" => each(|b| format!("&#x{b:x};")),
            "qp" => each(|b| format!("={b:02X}")),
            "len" => format!("{}{inner}", char::from(u8::try_from(inner.len())?)),
            "lines" => inner.as_bytes().chunks(20).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n"),
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

fn seven() -> usize {
    7
}

fn yes() -> bool {
    true
}
