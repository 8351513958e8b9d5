//! A request as Envoy would show it to the filter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use stopleak_filter_host::Request;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::locate::{MAX_HASHED, Needle};

/// A request that somebody wants to try. Overwritten when dropped.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct ParsedRequest {
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
    /// Names in lower case, `host` not among them.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// Why a text is no request. Says where, and repeats nothing that may be a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Headers of one request: Envoy takes a hundred.
const MAX_HEADERS: usize = 256;

impl ParsedRequest {
    /// Adds a header; `Host` is the authority.
    pub(super) fn header(&mut self, name: &str, value: &[u8]) -> Result<(), Unreadable> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(unreadable("has a header whose name is none; write it as Name: value"));
        }
        if value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            return Err(unreadable("has a header whose value has a line break"));
        }
        if self.headers.len() == MAX_HEADERS {
            return Err(unreadable(&format!("has over {MAX_HEADERS} headers")));
        }
        let name = name.to_ascii_lowercase();
        let value = value.trim_ascii();
        if name == "host" {
            self.authority = String::from_utf8_lossy(value).into_owned();
        } else {
            self.headers.push((name, value.to_vec()));
        }
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other == name)
    }

    /// Takes scheme, authority and target from a URL, or from a path; what stands before `@` is for Basic authentication.
    pub(super) fn url(&mut self, url: &str) -> Result<(), Unreadable> {
        let url = url.split('#').next().unwrap_or_default();
        if url.is_empty() || url.bytes().any(|b| b.is_ascii_control() || b == b' ') {
            return Err(unreadable("has a URL that is empty or has white space"));
        }
        if url.starts_with('/') || url == "*" {
            url.clone_into(&mut self.target);
            return Ok(());
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return Err(unreadable("has a URL that is not of http or https"));
        }
        self.scheme = scheme.to_ascii_lowercase();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        host.clone_into(&mut self.authority);
        self.target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if let Some(user) = user.filter(|_| !self.has("authorization")) {
            self.basic(&super::locate::percent_decoded(user.as_bytes()));
        }
        Ok(())
    }

    /// Basic authentication of `user:password`.
    pub(super) fn basic(&mut self, pair: &[u8]) {
        let value = format!("Basic {}", BASE64.encode(pair));
        self.headers.push(("authorization".to_owned(), value.into_bytes()));
    }

    /// What the filter sees.
    pub(super) fn for_filter(&self) -> Request {
        let header = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let mut headers = vec![
            header(":method", or(&self.method, "GET").as_bytes()),
            header(":scheme", or(&self.scheme, "http").as_bytes()),
            header(":authority", or(&self.authority, "localhost").as_bytes()),
            header(":path", or(&self.target, "/").as_bytes()),
        ];
        headers.extend(self.headers.iter().map(|(name, value)| header(name, value)));
        Request { headers, body: self.body.clone() }
    }

    /// Writes over the token wherever it stands as it is. Whether it was there.
    pub(super) fn blank(&mut self, needle: &Needle) -> bool {
        let (mut blanked, mut left) = (false, MAX_HASHED);
        let mut target = std::mem::take(&mut self.target).into_bytes();
        let values = self.headers.iter_mut().map(|(_, value)| value);
        for text in values.chain([&mut target, &mut self.body]) {
            blanked |= needle.blank(text, &mut left);
        }
        self.target = String::from_utf8_lossy(&target).into_owned();
        target.zeroize();
        blanked
    }
}

pub(super) fn unreadable(what: &str) -> Unreadable {
    Unreadable(what.to_owned())
}
