//! What callers send: bodies, queries and numbers in paths. Whatever is wrong with them is told without repeating them.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, Error as _, Unexpected};
use serde::{Deserialize as _, Deserializer};
use serde_json::error::Category;
use zeroize::Zeroize as _;

use super::Problem;
use crate::leaks::{LeakNumber, parse_leak_id};

/// How leaks are called where callers name one.
pub const LEAK_ID: &str = "^(LK-|lk-)?[0-9]{1,9}$";
/// Most entries of a list.
pub const MAX_LIMIT: u32 = 1000;
/// For all of a body: at the limit, 70 kB a second. Whoever takes longer gives their connection to others.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Most days that numbers are of.
pub const MAX_DAYS: u32 = 366;

/// A JSON body. Its buffer is overwritten when it has been read, for it may hold tokens.
pub struct Body<T>(pub T);

/// The query.
pub struct Asked<T>(pub T);

/// The leak that the path names, as `7` or `LK-7`.
pub struct LeakInPath(pub LeakNumber);

/// The tenant's name at the end of a path.
pub struct NameInPath(pub String);

/// The number at the end of a path.
pub struct IdInPath(pub i64);

/// The version of an object that the caller has seen, when they say so with `If-Match`.
pub struct IfMatch(pub Option<i64>);

/// The tag of an object that the caller has seen, when they say so with `If-Match`.
pub struct IfMatchTag(Option<String>);

impl IfMatchTag {
    /// Of a caller who has not said what they have seen.
    pub(crate) fn any() -> Self {
        Self(None)
    }

    /// Whether the object still has the tag that the caller has seen.
    pub fn holds(&self, current: &str) -> Result<(), Problem> {
        if self.0.as_ref().is_none_or(|seen| seen == current) { Ok(()) } else { Err(Problem::Stale) }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let declared = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = declared.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Problem::NotJson);
        }
        let bytes = all_of_it(request, state).await?;
        let parsed = parse(&bytes);
        // Shared only with nobody: the body came in pieces that were joined, or in one that nobody else holds.
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.zeroize();
        }
        parsed.map(Self)
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

impl<S: Send + Sync> FromRequestParts<S> for NameInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        in_path(parts, state).await.map(Self).ok_or(Problem::NotFound { what: "tenant" })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let seen = if_match(&parts.headers)?;
        let number = seen.map(|text| text.parse().map_err(|_| Problem::Malformed(NO_ETAG.to_owned()))).transpose()?;
        Ok(Self(number))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatchTag {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(if_match(&parts.headers)?.map(str::to_owned)))
    }
}

const NO_ETAG: &str = "if-match: is not an ETag of this API, such as \"7\", with its quotes";

/// What stands between the quotes; `*` asks for any version.
fn if_match(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    if value == "*" {
        return Ok(None);
    }
    let tag = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'));
    let tag = tag.filter(|tag| !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_hexdigit()));
    tag.map(Some).ok_or_else(|| Problem::Malformed(NO_ETAG.to_owned()))
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
    match asked.unwrap_or(default) {
        days @ 1..=MAX_DAYS => Ok(days),
        _ => Err(Problem::Invalid { field: "days", detail: format!("is not between 1 and {MAX_DAYS}") }),
    }
}

/// How many entries a list has at most.
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    const DEFAULT: u32 = 100;
    match asked.unwrap_or(DEFAULT) {
        0 => Err(Problem::Invalid { field: "limit", detail: "is 0; ask for one entry at least".to_owned() }),
        limit if limit > MAX_LIMIT => {
            Err(Problem::Invalid { field: "limit", detail: format!("is over {MAX_LIMIT}; page with `next`") })
        }
        limit => Ok(limit),
    }
}

/// The last variable of the path: those before it say whose it is.
async fn in_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<String> {
    let variables = RawPathParams::from_request_parts(parts, state).await.ok()?;
    variables.iter().last().map(|(_, text)| text.to_owned())
}

/// All of a body, within the limits of its length and time.
pub async fn all_of_it<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let late = |_| Problem::Malformed(format!("the body did not come to its end within {} s", BODY_TIMEOUT.as_secs()));
    let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await.map_err(late)?;
    read.map_err(|rejection| unreadable(&rejection))
}

/// Why a body could not be had.
fn unreadable(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
        _ => Problem::Malformed("the body could not be read to its end".to_owned()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list of an object's values, without their names, would do as well otherwise.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::Malformed("body: is a list; an object is expected".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| Problem::Malformed(json_detail(&error)))
}

/// A whole number, or none. In JSON, 7.0 is one.
pub fn whole<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let number = number.as_i64().or_else(|| number.as_f64().and_then(exact));
    let number = number.and_then(|number| N::try_from(number).ok());
    number.map(Some).ok_or_else(|| D::Error::invalid_value(Unexpected::Other("a number"), &"a whole number within its bounds"))
}

/// A whole number that has to be there.
pub fn whole_needed<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<N, D::Error> {
    whole(deserializer)?.ok_or_else(|| D::Error::invalid_type(Unexpected::Unit, &"a whole number"))
}

/// Above 2^53, the next floating-point number is more than one away.
fn exact(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and not too large")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
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
    fn whole_numbers_may_be_written_with_a_point_and_lists_are_no_objects() {
        #[derive(Debug, Deserialize)]
        struct Days {
            #[serde(default, deserialize_with = "whole")]
            days: Option<u32>,
        }
        for (json, days) in
            [(r#"{"days": 7}"#, Some(7)), (r#"{"days": 7.0}"#, Some(7)), (r#"{"days": null}"#, None), ("{}", None)]
        {
            assert_eq!(parse::<Days>(json.as_bytes()).unwrap().days, days, "{json}");
        }
        for json in [r#"{"days": 7.5}"#, r#"{"days": -1}"#, r#"{"days": 1e300}"#, r#"{"days": "7"}"#, "[7]", " [7]"] {
            assert!(parse::<Days>(json.as_bytes()).is_err(), "{json}");
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
