//! How often callers may call: each has a quota of their own, and hears what is left of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use super::cookie;
use super::peer::{Peer, network};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::people::limits::{Left, Limiter, Quota};
use crate::people::lockout::UnknownNames;
use crate::people::{Caller, Who};

/// The quotas.
pub struct Limits {
    /// Of signing in, for each address.
    pub(super) sign_in: Limiter<Option<IpAddr>>,
    /// Of requests that nobody known makes, for each address.
    pub(super) strangers: Limiter<Option<IpAddr>>,
    /// Of public checks, for each address or network.
    pub(super) public_checks: Limiter<Option<IpAddr>>,
    /// Names that nobody has.
    pub(super) unknown: UnknownNames,
    callers: Limiter<(&'static str, Option<i64>)>,
}

/// Somebody who is about to sign in: from one of our own pages, and not too often.
pub(crate) struct Visitor {
    pub(crate) headers: HeaderMap,
    pub(crate) address: Option<IpAddr>,
}

/// An office of people behind one address signs in that often; a guess in ten seconds finds no password.
const SIGN_IN: Quota = Quota { count: 30, window: Duration::from_mins(5) };
/// A program with an old token that does not give up.
const STRANGERS: Quota = Quota { count: 600, window: Duration::from_mins(1) };

/// A customer checks what they have at once; asking for all ranges takes twelve days.
const PUBLIC_CHECKS: Quota = Quota { count: 60, window: Duration::from_mins(1) };

impl Limits {
    /// With so many requests a minute for each caller.
    #[must_use]
    pub fn new(requests_per_minute: u32) -> Self {
        let quota = Quota { count: requests_per_minute, window: Duration::from_mins(1) };
        Self {
            sign_in: Limiter::new(SIGN_IN),
            strangers: Limiter::new(STRANGERS),
            public_checks: Limiter::new(PUBLIC_CHECKS),
            unknown: UnknownNames::default(),
            callers: Limiter::new(quota),
        }
    }

    /// Takes one request of a known caller.
    pub(super) fn take(&self, caller: &Caller) -> Answer<Left> {
        let key = match caller.who {
            Who::User { user, .. } => ("user", Some(user)),
            other => (other.kind(), other.id()),
        };
        self.callers.take(key, Instant::now()).map_err(|left| Problem::RateLimited { left })
    }

    /// Tells what is left, in the fields of the IETF's draft `httpapi-ratelimit-headers`.
    pub(super) fn tell(&self, headers: &mut HeaderMap, left: Left) {
        let quota = self.callers.quota();
        let policy = format!("\"caller\";q={};w={}", quota.count, quota.window.as_secs());
        let state = format!("\"caller\";r={};t={}", left.remaining, left.reset.as_secs());
        for (name, text) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let headers = parts.headers.clone();
        // Before the quota: other people's pages must not use it up.
        if !parts.method.is_safe() {
            cookie::same_site(&app.site, &headers)?;
        }
        let peer: Peer = parts.extensions.get().copied().unwrap_or_default();
        let address = app.proxies.client(&headers, peer);
        let taken = app.limits.sign_in.take(address.map(network), Instant::now());
        taken.map(|_| Self { headers, address }).map_err(|left| Problem::RateLimited { left })
    }
}
