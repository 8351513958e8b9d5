//! Requests to addresses that people of a tenant give: they reach the public Internet and nothing else.
//!
//! Whoever may name an address could otherwise make the server ask its own network: a cloud's metadata service, a database, this
//! very API. The check is made on the addresses that a name resolves to, each time, and the connection goes to those and no other,
//! so that a name cannot resolve to something else afterwards. Redirects are not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Where requests may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// Public addresses, over TLS.
    Public,
    /// Any, also without TLS: the operator allows it.
    Any,
}

/// Why an address is refused before it is ever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL.
    #[error("is not a URL such as https://host.example/path, of at most {MAX_URL} characters")]
    Malformed,
    /// Another scheme.
    #[error("does not begin with https://")]
    NotHttps,
    /// A part that would be sent to whoever looks at it.
    #[error("has a user name or a password in it; take it out")]
    Credentials,
    /// An address within the server's own network.
    #[error("names an address that is not public; the operator allows those with allow_private_destinations")]
    Private,
}

/// Longest URL.
pub const MAX_URL: usize = 2_000;
/// For all of it, from the name's look-up to the end of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Who makes such requests.
#[must_use]
pub fn agent(destinations: Destinations) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(TIMEOUT))
        .max_response_header_size(MAX_HEAD)
        .user_agent(concat!("stopleak/", env!("CARGO_PKG_VERSION")))
        // It would look the name up itself, and could reach what this must not.
        .proxy(None)
        // Kept connections would go to addresses that were checked long ago.
        .max_idle_connections(0);
    let config = config.https_only(destinations == Destinations::Public).build();
    Agent::with_parts(config, DefaultConnector::default(), Checked { destinations, inner: DefaultResolver::default() })
}

/// Reads a URL that somebody gives, and returns it with its host.
pub fn check(url: &str, destinations: Destinations) -> Result<(Uri, String), UrlError> {
    let uri: Uri = url.parse().map_err(|_| UrlError::Malformed)?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if destinations == Destinations::Any => {}
        Some(_) => return Err(UrlError::NotHttps),
        None => return Err(UrlError::Malformed),
    }
    let authority = uri.authority().ok_or(UrlError::Malformed)?;
    if authority.as_str().contains('@') {
        return Err(UrlError::Credentials);
    }
    let host = authority.host().to_owned();
    if host.is_empty() || url.len() > MAX_URL {
        return Err(UrlError::Malformed);
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
    if destinations == Destinations::Public && literal.is_ok_and(|address| !is_public(address)) {
        return Err(UrlError::Private);
    }
    Ok((uri, host))
}

/// What went wrong, in words that do not repeat the address: it may be a secret.
#[must_use]
pub fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host's name has no address".to_owned(),
        ureq::Error::Timeout(_) => format!("no answer within {} seconds", TIMEOUT.as_secs()),
        _ if is_refused(error) => NotPublic.to_string(),
        // The system's own words for a name that it cannot look up are many.
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            "TLS failed: the certificate is not valid for the host, or is not known".to_owned()
        }
        ureq::Error::RequireHttpsOnly(_) => "the address is not https://".to_owned(),
        ureq::Error::ConnectionFailed => "the connection failed".to_owned(),
        _ => "the answer is not HTTP as it should be".to_owned(),
    }
}

/// Looks names up, and refuses those of the inside.
#[derive(Debug)]
struct Checked {
    destinations: Destinations,
    inner: DefaultResolver,
}

#[derive(Debug, thiserror::Error)]
#[error("the host has an address that is not public; the operator allows those with allow_private_destinations")]
struct NotPublic;

fn is_refused(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<NotPublic>))
}

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        // One such address is enough: a name that has both kinds is made to deceive.
        if self.destinations == Destinations::Public && addresses.iter().any(|address| !is_public(address.ip())) {
            return Err(std::io::Error::other(NotPublic).into());
        }
        Ok(addresses)
    }
}

/// Whether the address is one of the public Internet's: the registries of special addresses of IANA say which are not.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // "This" network, private, loopback; multicast and reserved.
        (0 | 10 | 127 | 224.., _, _)
            // Shared by a provider's customers; link-local, where clouds have their metadata; private.
            | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _)
            // Protocols, examples, relays, measurements.
            | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, high, low] = address.segments();
    match (a, b) {
        // Translated to IPv4 on the way: the address within counts.
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocols and tunnels, examples, 6to4.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff) => false,
        // Everything else that is public is within 2000::/3: not ::1, ::ffff:0:0/96 with IPv4 in it, fc00::/7, fe80::/10, ff00::/8.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const PRIVATE: [&str; 31] = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "ff02::1",
    ];
    const PUBLIC: [&str; 8] =
        ["1.1.1.1", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.1.2.3", "2606:4700::1111", "64:ff9b::808:808"];

    #[test]
    fn addresses_of_the_inside_are_known() {
        for address in PRIVATE {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in PUBLIC {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn urls_are_checked_when_they_are_given() {
        for (url, expected) in [
            ("https://hooks.example/x", None),
            ("https://1.1.1.1:8443/x?y=z", None),
            ("http://hooks.example/x", Some(UrlError::NotHttps)),
            ("file:///etc/passwd", Some(UrlError::Malformed)),
            ("ftp://hooks.example/", Some(UrlError::NotHttps)),
            ("hooks.example", Some(UrlError::Malformed)),
            ("/x", Some(UrlError::Malformed)),
            ("https://me:pw@hooks.example/", Some(UrlError::Credentials)),
            ("https://127.0.0.1/", Some(UrlError::Private)),
            ("https://[::ffff:10.0.0.1]/", Some(UrlError::Private)),
            ("https://169.254.169.254/latest", Some(UrlError::Private)),
        ] {
            assert_eq!(check(url, Destinations::Public).err(), expected, "{url}");
        }
        assert_eq!(
            check(&format!("https://h.example/{}", "x".repeat(MAX_URL)), Destinations::Public).err(),
            Some(UrlError::Malformed)
        );
        assert_eq!(check("http://127.0.0.1:8080/x", Destinations::Any).unwrap().1, "127.0.0.1");
    }

    /// Every spelling of this machine that a resolver understands; nothing connects, or the listener would know.
    #[test]
    fn no_name_leads_inside() {
        let (v4, v6) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").ok());
        let port = v4.local_addr().unwrap().port();
        let mut hosts = vec![
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "0",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
        ];
        if v6.is_some() {
            hosts.push("[::1]");
        }
        let public = agent(Destinations::Public);
        for host in hosts {
            let error = public.post(format!("https://{host}:{port}/")).send("x").unwrap_err();
            let told = explain(&error);
            // A system without those spellings takes them for names that do not exist.
            let unknown = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"].contains(&host) && !is_refused(&error);
            assert!(unknown || told.contains("not public"), "{host}: {error}");
        }
        v4.set_nonblocking(true).unwrap();
        assert_eq!(v4.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody connected");
        let plain = public.post(format!("http://127.0.0.1:{port}/")).send("x").unwrap_err();
        assert!(explain(&plain).contains("https"), "{plain}");
    }
}
