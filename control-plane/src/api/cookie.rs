//! The cookie of a session, and what protects from other sites that make a browser send it.

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::problem::{Answer, Problem};
use crate::people::sessions::ABSOLUTE;
use crate::secret::Secret;

/// The header that a page sends with everything that changes something. A page of another site cannot know its value.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// Makes the token of the session's secret, and nothing else.
const CSRF_CONTEXT: &str = "stopleak csrf token v1";

/// Where people reach the API with their browsers.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Such as `https://stopleak.example`; without it, whatever the browser calls it.
    origin: Option<String>,
}

impl Site {
    /// Reached at this URL, or wherever the browser says.
    #[must_use]
    pub fn new(public_url: Option<&str>) -> Self {
        Self { origin: public_url.map(|url| url.trim_end_matches('/').to_ascii_lowercase()) }
    }

    /// The URL of a path there.
    #[must_use]
    pub fn url(&self, path: &str) -> Option<String> {
        self.origin.as_ref().map(|origin| format!("{origin}{path}"))
    }

    /// The session's secret, when the browser has one.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Secret> {
        read(headers, self.name()).map(Secret::presented)
    }

    /// With this prefix, a browser takes the cookie only over TLS, only from this host, and sends it nowhere else.
    fn name(&self) -> &'static str {
        if self.is_secure() { "__Host-stopleak" } else { "stopleak" }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.starts_with("https://"))
    }

    pub(super) fn cookie(&self, secret: &Secret) -> HeaderValue {
        self.set(self.name(), secret.expose(), ABSOLUTE.as_secs())
    }

    pub(super) fn no_cookie(&self) -> HeaderValue {
        self.set(self.name(), "", 0)
    }

    /// `Lax`: a link from elsewhere arrives signed in, a form or a script from elsewhere does not.
    pub(super) fn set(&self, name: &str, value: &str, seconds: u64) -> HeaderValue {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

/// One cookie.
pub(super) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// What a page has to send beside the cookie.
pub(crate) fn csrf_token(session: &Secret) -> String {
    let token = blake3::derive_key(CSRF_CONTEXT, session.expose().as_bytes());
    blake3::Hash::from(token).to_hex().to_string()
}

/// Of a request that comes with a session's cookie: it comes from our own pages, or changes nothing.
pub(super) fn is_ours(site: &Site, method: &Method, headers: &HeaderMap, session: &Secret) -> Answer<()> {
    if method.is_safe() {
        return Ok(());
    }
    same_site(site, headers)?;
    let sent = headers.get(CSRF_HEADER).and_then(|sent| sent.to_str().ok());
    let is_right = |sent: &str| blake3::Hash::from_hex(sent).ok() == blake3::Hash::from_hex(csrf_token(session)).ok();
    // Hashes are compared in constant time.
    if sent.is_some_and(is_right) { Ok(()) } else { Err(Problem::CrossSite) }
}

/// Whether the browser says that a page of ours made the request. A program says nothing.
pub(super) fn same_site(site: &Site, headers: &HeaderMap) -> Answer<()> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let same = match (text("sec-fetch-site"), text("origin")) {
        (Some(from), _) => from == "same-origin",
        (None, Some(origin)) => match &site.origin {
            Some(own) => origin.eq_ignore_ascii_case(own),
            None => authority(origin).is_some_and(|authority| Some(authority.as_str()) == text("host")),
        },
        (None, None) => true,
    };
    if same { Ok(()) } else { Err(Problem::CrossSite) }
}

fn authority(origin: &str) -> Option<String> {
    origin.parse::<Uri>().ok()?.authority().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse::<header::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_pages_change_something() {
        let secret = Secret::presented("sls_x");
        let token = csrf_token(&secret);
        let (here, public) = (Site::default(), Site::new(Some("https://stopleak.example/")));
        for (site, pairs, ours) in [
            (&here, vec![("sec-fetch-site", "same-origin")], true),
            (&here, vec![("sec-fetch-site", "same-site")], false),
            (&here, vec![("sec-fetch-site", "cross-site")], false),
            (&here, vec![("host", "a.example:1"), ("origin", "http://a.example:1")], true),
            (&here, vec![("host", "a.example:1"), ("origin", "http://b.example:1")], false),
            (&here, vec![("host", "a.example"), ("origin", "null")], false),
            (&public, vec![("host", "inner"), ("origin", "https://stopleak.example")], true),
            (&public, vec![("host", "inner"), ("origin", "http://inner")], false),
            (&here, vec![], true),
        ] {
            let mut headers = headers(&pairs);
            assert!(is_ours(site, &Method::POST, &headers, &secret).is_err(), "without the token: {pairs:?}");
            headers.insert(CSRF_HEADER, token.parse().unwrap());
            assert_eq!(is_ours(site, &Method::POST, &headers, &secret).is_ok(), ours, "{pairs:?}");
            assert!(is_ours(site, &Method::POST, &headers, &Secret::presented("sls_y")).is_err(), "another session's token");
            assert!(is_ours(site, &Method::GET, &HeaderMap::new(), &secret).is_ok());
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_and_no_script() {
        let secret = Secret::presented("sls_x");
        let text = |site: &Site| site.cookie(&secret).to_str().unwrap().to_owned();
        let secure = text(&Site::new(Some("https://stopleak.example")));
        assert!(secure.starts_with("__Host-stopleak=sls_x; Path=/;") && secure.contains("; Secure"), "{secure}");
        let plain = text(&Site::default());
        assert!(plain.starts_with("stopleak=sls_x;") && plain.contains("HttpOnly; SameSite=Lax"), "{plain}");
        let sent = headers(&[("cookie", "a=b; stopleak=sls_x")]);
        assert_eq!(Site::default().session(&sent).unwrap().hash(), secret.hash());
        assert!(Site::new(Some("https://x")).session(&sent).is_none(), "the weaker name is not taken where TLS is");
    }
}
