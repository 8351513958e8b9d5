//! `/public/v1/{tenant}/checks`: for anybody, and off until a tenant switches it on.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use super::peer::Peer;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::public_checks::{self, Prefix};

pub(super) async fn range(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Path((tenant, prefix)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    // Before anything that costs something.
    let client = app.proxies.client(&headers, peer).map(network);
    app.limits.public_checks.take(client, Instant::now()).map_err(|left| Problem::RateLimited { left })?;
    let mut db = app.store.read().await?;
    // A tenant that is not there and one that has none look alike.
    let tenant = public_checks::tenant(&mut db, &tenant).await?.ok_or(Problem::NoSuchRoute)?;
    let detail = || "is not the first five hexadecimal digits of a SHA-256".to_owned();
    let prefix = Prefix::parse(&prefix).ok_or_else(|| Problem::Invalid { field: "prefix", detail: detail() })?;
    let lines = public_checks::lines(&mut db, &app.keys, tenant, prefix).await?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, lines).into_response())
}

/// Whoever has one address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
