//! Where a request comes from: the other end of the connection, or what a proxy that the operator trusts says of it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::HeaderMap;

/// The other end of a connection; the server puts it beside every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer(pub(super) Option<SocketAddr>);

/// The proxies whose `x-forwarded-for` is believed. Anybody may send that header, so nobody else's is.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpAddr>);

/// Longest list of addresses that is read: more proxies than that in a row there are not.
const MAX_HOPS: usize = 16;

impl Peer {
    pub(super) fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or_default()
    }
}

/// What one client has: an IPv4 address, or the 64 bits by which providers hand out networks.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::from((u128::from(address) & !u128::from(u64::MAX)).to_be_bytes()),
    }
}

impl Proxies {
    /// These.
    #[must_use]
    pub fn new(proxies: Vec<IpAddr>) -> Self {
        Self(proxies)
    }

    /// The client's address: the last one of the way that is no proxy of ours.
    pub(super) fn client(&self, headers: &HeaderMap, Peer(peer): Peer) -> Option<IpAddr> {
        let peer = peer.map(|peer| peer.ip().to_canonical())?;
        if !self.is_ours(peer) {
            return Some(peer);
        }
        let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        let way = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS);
        let addresses = way.map_while(|hop| hop.trim().parse::<IpAddr>().ok()).map(|address| address.to_canonical());
        let mut nearest = peer;
        for address in addresses {
            nearest = address;
            if !self.is_ours(address) {
                break;
            }
        }
        Some(nearest)
    }

    fn is_ours(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = Proxies::new(vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]);
        for (peer, forwarded, expected) in [
            ("192.0.2.9:1", "198.51.100.1", "192.0.2.9"),
            ("10.0.0.1:1", "", "10.0.0.1"),
            ("10.0.0.1:1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1:1", "203.0.113.5, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("[::ffff:10.0.0.1]:1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1:1", "198.51.100.1, nonsense", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            let client = proxies.client(&headers, Peer(peer.parse().ok()));
            assert_eq!(client, expected.parse().ok(), "{peer} {forwarded}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
