//! A request's header map, as the host hands it over: any bytes at all.

use stopleak_contract::feed::wire;

use crate::header_map::Pairs;

/// A view of the header map, pseudo-headers included.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    headers: &'a [(&'a [u8], &'a [u8])],
}

/// What an attempt says of the request that carried the token: nothing that could contain it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// A known method, or `OTHER`.
    pub method: String,
    /// The authority, redacted.
    pub host: String,
    /// The path without its query, redacted.
    pub path: String,
}

/// Longer texts are cut: an attempt is a record for people, and its size has to be bounded.
const MAX_SHOWN: usize = 256;

/// From this length on, a text of letters and digits is taken for a secret and not shown.
const SECRET_LEN: usize = 16;

/// Shown instead of a secret.
pub const REDACTED: &str = "[redacted]";

impl Route {
    /// Method, host and path.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.method, &self.host, &self.path].map(String::as_bytes)
    }
}

impl<'a> Request<'a> {
    /// Wraps what the host handed over.
    #[must_use]
    pub fn new(headers: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self { headers }
    }

    /// Every header that a client can set freely, in the order of the request.
    pub fn headers(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let fixed = |name: &[u8]| {
            name.starts_with(b":") && matches!(name, b":method" | b":scheme" | b":path" | b":protocol" | b":status")
        };
        self.headers.iter().copied().filter(move |(name, _)| !fixed(name))
    }

    /// The path without its query.
    #[must_use]
    pub fn path(self) -> &'a [u8] {
        let target = self.get(b":path");
        target.iter().position(|&b| b == b'?').and_then(|at| target.get(..at)).unwrap_or(target)
    }

    /// What follows the first question mark of the path, fragment included.
    #[must_use]
    pub fn query(self) -> &'a [u8] {
        let target = self.get(b":path");
        target.iter().position(|&b| b == b'?').and_then(|at| target.get(at + 1..)).unwrap_or_default()
    }

    /// The host that the request is for.
    #[must_use]
    pub fn authority(self) -> &'a [u8] {
        self.get(b":authority")
    }

    /// All values of this name, with commas between them.
    #[must_use]
    pub fn all(self, name: &[u8]) -> Vec<u8> {
        let values: Vec<&[u8]> = self.headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect();
        values.join(&b',')
    }

    /// The headers with the smallest values, as many as have so many bytes in all: credentials are small, and what pads a request is large.
    #[must_use]
    pub fn smallest(self, most: usize) -> Pairs<'a> {
        let mut headers = self.headers.to_vec();
        headers.sort_unstable_by_key(|(_, value)| value.len());
        let mut left = Some(most);
        headers.retain(|(_, value)| {
            left = left.and_then(|left| left.checked_sub(value.len()));
            left.is_some()
        });
        headers
    }

    /// Bytes of all values.
    #[must_use]
    pub fn size(self) -> usize {
        self.headers.iter().map(|(_, value)| value.len()).sum()
    }

    /// The route, with everything redacted that is leaked or looks like a secret.
    #[must_use]
    pub fn route(self, is_leaked: &dyn Fn(&[u8]) -> bool) -> Route {
        Route {
            method: method(self.get(b":method")).to_owned(),
            host: redacted(self.authority(), b'.', is_leaked),
            path: redacted(self.path(), b'/', is_leaked),
        }
    }

    /// The first value of this name; empty when there is none.
    #[must_use]
    pub fn get(self, name: &[u8]) -> &'a [u8] {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value).unwrap_or_default()
    }
}

/// A client chooses its method; an unknown one may be a token.
fn method(method: &[u8]) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| known.as_bytes() == method).unwrap_or("OTHER")
}

/// Replaces each part that is leaked or looks like a secret, and all that is not plain text.
fn redacted(text: &[u8], separator: u8, is_leaked: &dyn Fn(&[u8]) -> bool) -> String {
    let mut shown = String::new();
    for (i, part) in text.split(|&b| b == separator).enumerate() {
        if shown.len() + part.len() > MAX_SHOWN {
            shown.push('…');
            break;
        }
        if i > 0 {
            shown.push(char::from(separator));
        }
        match std::str::from_utf8(part) {
            Ok(part) if is_harmless(part) && !is_leaked(part.as_bytes()) => shown.push_str(part),
            _ => shown.push_str(REDACTED),
        }
    }
    // A token may span several parts, none of which is one.
    if !shown.contains(REDACTED) && is_leaked(text) {
        return REDACTED.to_owned();
    }
    shown
}

/// Words, versions and short numbers are harmless; percent-encoding may hide anything.
fn is_harmless(part: &str) -> bool {
    let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~:[]".contains(&b));
    let has_digit = part.bytes().any(|b| b.is_ascii_digit());
    let has_upper = part.bytes().any(|b| b.is_ascii_uppercase());
    plain && (part.len() < SECRET_LEN || !(has_digit || has_upper))
}

/// The header's name, when the place is a header: names are as free as values, so an odd one is not shown.
#[must_use]
pub fn shown_header(place: wire::Place, name: &[u8], is_leaked: &dyn Fn(&[u8]) -> bool) -> String {
    if !matches!(place, wire::Place::Header | wire::Place::Authorization | wire::Place::Trailer) {
        return String::new();
    }
    match std::str::from_utf8(name) {
        Ok(shown) if name.len() <= 64 && is_harmless(shown) && !is_leaked(name) => shown.to_owned(),
        _ => REDACTED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, authority: &str, path: &str) -> Route {
        let headers = [(":method", method), (":authority", authority), (":path", path)]
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        Request::new(&headers).route(&|part| part == b"hunter2" || part == b"/a/b/c")
    }

    #[test]
    fn a_route_shows_words_and_no_secrets() {
        let shown = route("GET", "api.example.com:8443", "/v2/users/42/orders?token=abc");
        assert_eq!(shown.host, "api.example.com:8443");
        assert_eq!((shown.method.as_str(), shown.path.as_str()), ("GET", "/v2/users/42/orders"));

        for secret in ["fk_9aQ7zLm2Xw4RtB8v", "ABCDEFGHIJKLMNOPQR", "0123456789abcdef", "a%62c", "h\u{e9}llo"] {
            let shown = route(secret, &format!("{secret}.example.com"), &format!("/bot/{secret}/send"));
            assert_eq!(shown.method, "OTHER", "{secret}");
            assert_eq!(shown.host, "[redacted].example.com", "{secret}");
            assert_eq!(shown.path, "/bot/[redacted]/send", "{secret}");
        }
    }

    #[test]
    fn a_route_shows_nothing_that_is_leaked() {
        assert_eq!(route("GET", "hunter2.example.com", "/x/hunter2").path, "/x/[redacted]");
        assert_eq!(route("GET", "hunter2.example.com", "/x/hunter2").host, "[redacted].example.com");
        assert_eq!(route("GET", "h", "/a/b/c").path, "[redacted]");
    }

    #[test]
    fn a_route_is_bounded() {
        let long = "/abc".repeat(10_000);
        assert!(route("GET", "h", &long).path.len() <= MAX_SHOWN + 4);
    }

    #[test]
    fn a_header_name_that_looks_like_a_secret_is_not_shown() {
        assert_eq!(shown_header(wire::Place::Header, b"x-api-key", &|_| false), "x-api-key");
        assert_eq!(shown_header(wire::Place::Header, b"fk_9aq7zlm2xw4rtb8v", &|_| false), REDACTED);
        assert_eq!(shown_header(wire::Place::Header, b"hunter2", &|text| text == b"hunter2"), REDACTED);
        assert_eq!(shown_header(wire::Place::Header, b"x-\xff", &|_| false), REDACTED);
        assert_eq!(shown_header(wire::Place::Query, b"x-api-key", &|_| false), "");
    }
}
