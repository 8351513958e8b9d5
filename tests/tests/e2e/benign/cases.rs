//! Reads the corpus and makes requests of it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::{Captures, Regex};
use serde::Deserialize;
use stopleak_detector::Rules;
use stopleak_tests::Message;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Header lines that several cases share, by name.
    #[serde(default)]
    clients: BTreeMap<String, String>,
    case: Vec<Case>,
}

/// A request, or one for each value of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    what: String,
    #[serde(rename = "as", default)]
    client: Option<String>,
    request: String,
    #[serde(default)]
    each: Vec<String>,
    #[serde(default)]
    gzip: bool,
    /// `false` where a library or the protocol cannot say it.
    #[serde(default = "yes")]
    pub http2: bool,
    #[serde(skip)]
    file: String,
    #[serde(skip)]
    shared: String,
}

/// Every case of the corpus.
pub fn cases() -> Result<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/benign");
    let mut paths: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let name = path.file_stem().context("a name")?.to_string_lossy().into_owned();
        let file: File = toml::from_str(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
        for mut case in file.case {
            if let Some(client) = &case.client {
                let lines = file.clients.get(client).with_context(|| format!("{name}: no client {client}"))?;
                case.shared.clone_from(lines);
            }
            case.file.clone_from(&name);
            cases.push(case);
        }
    }
    Ok(cases)
}

impl Case {
    /// File and case.
    pub fn name(&self) -> String {
        format!("{}: {}", self.file, self.what)
    }

    /// The requests that it stands for.
    pub fn requests(&self) -> Result<Vec<Message>> {
        if self.each.is_empty() {
            return Ok(vec![self.request("")?]);
        }
        self.each.iter().map(|each| self.request(each)).collect()
    }

    fn request(&self, each: &str) -> Result<Message> {
        let filled = |text: &str| fill(&text.replace("{each}", each), &format!("{}{each}", self.name()));
        let request = filled(self.request.trim_start_matches('\n'))?;
        let (head, body) = request.split_once("\n\n").unwrap_or((request.trim_end(), ""));
        let mut lines = head.lines();
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).context("no request line")?;
        let mut headers = Vec::new();
        for line in lines {
            headers.push(header(line).with_context(|| format!("{}: {line}", self.name()))?);
        }
        let own: Vec<_> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        for line in filled(&self.shared)?.lines().filter(|line| !line.is_empty()) {
            headers.extend(header(line).filter(|(name, _)| !own.contains(&name.to_ascii_lowercase())));
        }
        let mut message = Message { method: method.to_owned(), target: target.to_owned(), headers, body: bytes(body) };
        if message.header("content-type").is_some_and(|kind| kind.starts_with(b"multipart/")) {
            message.body = bytes(&body.replace('\n', "\r\n"));
        }
        if self.gzip {
            message.body = gzip(&message.body)?;
        }
        Ok(message)
    }
}

fn header(line: &str) -> Option<(String, Vec<u8>)> {
    let at = line.get(1..)?.find(':')? + 1;
    Some((line[..at].to_owned(), bytes(line[at + 1..].trim_start())))
}

/// What makes a request different from others, whatever its values: method, path without ids, names, and what the body is made of.
pub fn shape(message: &Message) -> String {
    static VALUE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[0-9a-zA-Z+_%-]*[0-9][0-9a-zA-Z+_%-]*").expect("a pattern"));
    static QUERY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"=[^&;]*").expect("a pattern"));
    static KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"[A-Za-z_.\-]+("? *[:=]|>|\()"#).expect("a pattern"));
    let target = VALUE.replace_all(&QUERY.replace_all(&message.target, "="), "#").into_owned();
    let value = |(name, value): &(String, Vec<u8>)| {
        let value = String::from_utf8_lossy(value).into_owned();
        let shown = match name.to_ascii_lowercase().as_str() {
            "cookie" => value.split(';').map(|pair| pair.split('=').next().unwrap_or(pair).trim().to_owned() + ";").collect(),
            "user-agent" | "content-type" | "authorization" => {
                VALUE.replace_all(value.split(['/', ' ', ';']).next().unwrap_or(""), "#").into_owned()
            }
            _ => String::new(),
        };
        format!("{}: {shown}", name.to_ascii_lowercase())
    };
    let mut headers: Vec<_> = message.headers.iter().map(value).collect();
    headers.sort();
    let body = String::from_utf8_lossy(&message.body).into_owned();
    let keys: Vec<_> = KEY.find_iter(&body).map(|key| key.as_str().to_owned()).collect();
    format!("{} {target}\n{}\n{}", message.method, headers.join("\n"), keys.join(" "))
}

/// Fills in values of a kind, then applies the transformations from the innermost outwards. The same template gives the same text, and
/// a value with a label is the same wherever the label stands.
fn fill(template: &str, case: &str) -> Result<String> {
    static FIELD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{(uuid|UUID|jwt|hex|HEX|alnum|lower|upper|digits|b64|b64url|rule)(?::([a-z0-9-]+))?(?:@([a-z]+))?\}")
            .expect("a pattern")
    });
    static CALL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(b64nopad|b64url|b64|pct|repeat[0-9]+)<([^<>]*)>").expect("a pattern"));
    let mut count = 0;
    let mut text = FIELD
        .replace_all(template, |found: &Captures<'_>| {
            count += 1;
            let label = found.get(3).map_or_else(|| count.to_string(), |label| label.as_str().to_owned());
            value(&found[1], found.get(2).map_or("", |argument| argument.as_str()), &mut Random::of(&format!("{case}@{label}")))
        })
        .into_owned();
    while let Some(found) = CALL.captures(&text) {
        let inner = &found[2];
        let made = match &found[1] {
            "b64" => STANDARD.encode(bytes(inner)),
            "b64nopad" => STANDARD_NO_PAD.encode(bytes(inner)),
            "b64url" => URL_SAFE_NO_PAD.encode(bytes(inner)),
            "pct" => percent(inner),
            repeat => inner.repeat(repeat.trim_start_matches("repeat").parse()?),
        };
        text = text.replacen(&found[0], &made, 1);
    }
    if let Some(at) = text.find("{rule:").or_else(|| text.find("{hex")) {
        bail!("{case}: an unknown field: {}", &text[at..]);
    }
    Ok(text)
}

fn value(kind: &str, argument: &str, random: &mut Random) -> String {
    static RULES: LazyLock<Rules> = LazyLock::new(Rules::built_in);
    const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let length: usize = argument.parse().unwrap_or(32);
    match kind {
        "uuid" => [8, 4, 4, 4, 12].map(|length| random.text("0123456789abcdef", length)).join("-"),
        "UUID" => [8, 4, 4, 4, 12].map(|length| random.text("0123456789ABCDEF", length)).join("-"),
        "hex" => random.text("0123456789abcdef", length),
        "HEX" => random.text("0123456789ABCDEF", length),
        "lower" => random.text(&ALNUM[36..], length),
        "upper" => random.text(&ALNUM[..36], length),
        "digits" => random.text("123456789", length),
        "b64" => STANDARD.encode(random.bytes(length)),
        "b64url" => URL_SAFE_NO_PAD.encode(random.bytes(length)),
        "jwt" => {
            let claims = format!(
                r#"{{"iss":"https://id.test/","sub":"{}","aud":"web","iat":1760000000,"exp":1760003600}}"#,
                random.text(ALNUM, 20)
            );
            let input = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#),
                URL_SAFE_NO_PAD.encode(claims)
            );
            format!("{input}.{}", URL_SAFE_NO_PAD.encode(random.bytes(256)))
        }
        // Tokens that have not leaked: the index holds others of the same rule.
        "rule" => {
            let rule = RULES.get(argument).unwrap_or_else(|| panic!("no rule {argument}"));
            rule.example(1_000_000 + random.next() % 1_000_000).token().to_owned()
        }
        _ => random.text(ALNUM, length),
    }
}

/// `\xNN` is a byte; all else is UTF-8.
fn bytes(text: &str) -> Vec<u8> {
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\x([0-9a-f]{2})").expect("a pattern"));
    let mut bytes = Vec::new();
    let mut end = 0;
    for found in ESCAPE.captures_iter(text) {
        let (Some(whole), Ok(byte)) = (found.get(0), u8::from_str_radix(&found[1], 16)) else { continue };
        bytes.extend_from_slice(&text.as_bytes()[end..whole.start()]);
        bytes.push(byte);
        end = whole.end();
    }
    bytes.extend_from_slice(&text.as_bytes()[end..]);
    bytes
}

/// As a browser writes a component of a URL.
pub fn percent(text: &str) -> String {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(b);
    bytes(text).iter().map(|b| if keep(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Random enough to look so, and the same for the same name.
struct Random(u64);

impl Random {
    fn of(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }

    fn next(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        self.0 = hasher.finish();
        self.0 >> 16
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        self.bytes(length).iter().map(|b| char::from(alphabet.as_bytes()[usize::from(*b) % alphabet.len()])).collect()
    }
}

fn yes() -> bool {
    true
}
