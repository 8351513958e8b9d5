//! What a blocked request is answered.

use std::ops::RangeInclusive;

/// The answer to a blocked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 400 to 599.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Any bytes.
    pub body: Vec<u8>,
}

/// Why something is not a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {what}")]
pub struct ResponseError {
    /// The part.
    pub field: &'static str,
    /// What is wrong.
    pub what: String,
}

/// Largest body: it is in the memory of every worker, and clients send as many requests as they like.
pub const MAX_BODY: usize = 16 * 1024;
/// More than any answer needs.
const MAX_HEADERS: usize = 32;
/// Longest name and longest value of a header: proxies and clients refuse much longer ones.
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 1024;

/// A blocked request has failed.
pub(super) const STATUSES: RangeInclusive<u32> = 400..=599;

/// What is answered when nobody has chosen: a problem document (RFC 9457), without a word about the leak or the token.
pub const DEFAULT_BODY: &str = r#"{"type":"urn:stopleak:problem:leaked-credential","title":"Forbidden","status":403,"detail":"A credential in this request is known to have leaked and is no longer accepted. Ask the operator of this API for a new one."}"#;

/// What the connection, the proxy or the body's length decide, and no operator.
const NOT_CHOSEN: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl Default for Response {
    fn default() -> Self {
        let headers = [("content-type", "application/problem+json"), ("cache-control", "no-store")];
        Self { status: 403, headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(), body: DEFAULT_BODY.into() }
    }
}

impl Response {
    /// Takes a response as a person has written it. No cache keeps it unless they say so.
    pub fn checked(mut self) -> Result<Self, ResponseError> {
        let refuse = |field, what: String| ResponseError { field, what };
        if !STATUSES.contains(&self.status.into()) {
            return Err(refuse("status", "is not from 400 to 599; a blocked request has failed".to_owned()));
        }
        if self.body.len() > MAX_BODY {
            return Err(refuse("body", format!("has {} bytes; {MAX_BODY} are the most", self.body.len())));
        }
        if self.headers.len() > MAX_HEADERS {
            return Err(refuse("headers", format!("has {} entries; {MAX_HEADERS} are the most", self.headers.len())));
        }
        for (position, (name, value)) in (1..).zip(&mut self.headers) {
            name.make_ascii_lowercase();
            check_header(name, value).map_err(|what| refuse("headers", format!("entry {position} {what}")))?;
        }
        if !self.headers.iter().any(|(name, _)| name == "cache-control") {
            self.headers.push(("cache-control".to_owned(), "no-store".to_owned()));
        }
        Ok(self)
    }
}

fn check_header(name: &str, value: &str) -> Result<(), &'static str> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_token) {
        return Err("has a name that no header can have");
    }
    if NOT_CHOSEN.contains(&name) {
        return Err("is a header that the connection or the proxy decides on");
    }
    // A line break would end the header and begin another.
    if value.len() > MAX_VALUE || !value.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t')) || value != value.trim() {
        return Err("has a value that is too long, has spaces around it or other than printable ASCII characters");
    }
    Ok(())
}
