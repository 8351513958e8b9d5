//! What callers send: bodies, queries and numbers in paths. Whatever is wrong with them is told without repeating them.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use zeroize::Zeroize as _;

use super::Problem;
use crate::leaks::{LeakNumber, parse_leak_id};

/// A JSON body. Its buffer is overwritten when it has been read, for it may hold tokens.
pub struct Body<T>(pub T);

/// The query.
pub struct Asked<T>(pub T);

/// The leak that the path names, as `7` or `LK-7`.
pub struct LeakInPath(pub LeakNumber);

/// The number at the end of a path.
pub struct IdInPath(pub i64);

/// The version of an object that the caller has seen, when they say so with `If-Match`.
pub struct IfMatch(pub Option<i64>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let declared = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = declared.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Problem::NotJson);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unreadable(&rejection))?;
        let parsed = serde_json::from_slice(&bytes);
        // Shared only with nobody: the body came in pieces that were joined, or in one that nobody else holds.
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.zeroize();
        }
        parsed.map(Self).map_err(|error| Problem::Malformed(json_detail(&error)))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|rejection| Problem::Malformed(format!("query: {}", harmless(&rejection.body_text()))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LeakInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = in_path(parts, state).await;
        text.as_deref().and_then(parse_leak_id).map(Self).ok_or(Problem::NotFound { what: "leak" })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = in_path(parts, state).await;
        text.and_then(|text| text.parse().ok()).map(Self).ok_or(Problem::NotFound { what: "object" })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        if value == "*" {
            return Ok(Self(None));
        }
        let number = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok());
        let detail = "if-match: is not an ETag of this API, such as \"7\", with its quotes";
        number.map(|number| Self(Some(number))).ok_or_else(|| Problem::Malformed(detail.to_owned()))
    }
}

/// A text for people: trimmed, not empty, not too long, on one line.
pub fn line(field: &'static str, text: &str, max: usize) -> Result<String, Problem> {
    let refuse = |detail: String| Err(Problem::Invalid { field, detail });
    let text = text.trim();
    match text.chars().count() {
        0 => refuse("is empty".to_owned()),
        got if got > max => refuse(format!("has {got} characters; {max} are the most")),
        _ if text.chars().any(char::is_control) => refuse("has control characters; write it on one line".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// The same on several lines.
pub fn text(field: &'static str, text: &str, max: usize) -> Result<String, Problem> {
    let refuse = |detail: String| Err(Problem::Invalid { field, detail });
    let text = text.trim().replace("\r\n", "\n");
    match text.chars().count() {
        0 => refuse("is empty".to_owned()),
        got if got > max => refuse(format!("has {got} characters; {max} are the most")),
        _ if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) => refuse("has control characters".to_owned()),
        _ => Ok(text),
    }
}

/// Of how many days a caller asks for numbers.
pub fn days(asked: Option<u32>, default: u32) -> Result<u32, Problem> {
    const MAX: u32 = 366;
    match asked.unwrap_or(default) {
        days @ 1..=MAX => Ok(days),
        _ => Err(Problem::Invalid { field: "days", detail: format!("is not between 1 and {MAX}") }),
    }
}

/// How many entries a list has at most.
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    const DEFAULT: u32 = 100;
    const MAX: u32 = 1000;
    match asked.unwrap_or(DEFAULT) {
        0 => Err(Problem::Invalid { field: "limit", detail: "is 0; ask for one entry at least".to_owned() }),
        limit if limit > MAX => Err(Problem::Invalid { field: "limit", detail: format!("is over {MAX}; page with `next`") }),
        limit => Ok(limit),
    }
}

async fn in_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<String> {
    Path::<String>::from_request_parts(parts, state).await.ok().map(|Path(text)| text)
}

/// Why a body could not be had.
pub fn unreadable(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
        _ => Problem::Malformed("the body could not be read to its end".to_owned()),
    }
}

fn json_detail(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let mut message = error.to_string();
    message.truncate(message.trim_end_matches(&format!(" at line {line} column {column}")).len());
    match error.classify() {
        Category::Data => format!("body, line {line}, column {column}: {}", harmless(&message)),
        Category::Eof => format!("body, line {line}, column {column}: the JSON ends too early"),
        Category::Syntax | Category::Io => format!("body, line {line}, column {column}: this is not JSON"),
    }
}

/// The part of a message of serde's that cannot hold what was sent: it quotes values and unknown keys, but after the last
/// "expected" comes only what this program expects, and a missing or repeated field is one that it knows.
fn harmless(message: &str) -> String {
    for known in ["missing field `", "duplicate field `"] {
        if let Some(start) = message.rfind(known)
            && let Some(field) = message.get(start + known.len()..)
            && let Some((field, "")) = field.split_once('`')
        {
            return format!("{known}{field}`");
        }
    }
    match message.rfind(", expected ") {
        Some(at) => format!("unknown key or unexpected value{}", message.get(at..).unwrap_or_default()),
        None => "unexpected value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by nobody, only parsed")]
    struct Sample {
        title: String,
        risk: Option<stopleak_detector::Risk>,
        count: Option<u32>,
    }

    #[test]
    fn no_detail_repeats_what_was_sent() {
        for (json, expected) in [
            (r#"{"title": "t", "sec at line 1, expected ret": 1}"#, "expected one of `title`, `risk`, `count`"),
            (r#"{"title": "t", "count": "secret"}"#, "expected u32"),
            (r#"{"title": "t", "count": "secret, expected secret"}"#, "expected u32"),
            (r#"{"title": "t", "risk": "secret"}"#, "expected one of `low`, `medium`, `high`, `critical`"),
            (r#"{"title": "t", "risk": "missing field `secret`"}"#, "expected one of"),
            (r#"{"title": "t", "title": "secret"}"#, "duplicate field `title`"),
            (r#"{"risk": "low"}"#, "missing field `title`"),
            (r#"{"title": "t", secret}"#, "not JSON"),
            (r#"{"title": "secret"#, "ends too early"),
            (r#"["secret"]"#, ""),
            (r#""secret""#, "expected struct Sample"),
        ] {
            let detail = json_detail(&serde_json::from_str::<Sample>(json).unwrap_err());
            assert!(!detail.contains("secret") && !detail.contains("ret\""), "{json} → {detail}");
            assert!(detail.contains(expected), "{json} → {detail}");
        }
    }

    #[test]
    fn titles_are_one_line() {
        assert_eq!(line("title", "  a b ", 10).unwrap(), "a b");
        for bad in ["", " ", "a\nb", "abcdefghijk"] {
            assert!(line("title", bad, 10).is_err(), "{bad:?}");
        }
    }
}
