//! What beside a leaked token decides whether its virtual patch blocks a request: where to, from whom, and when.
//!
//! A request without a match pays nothing for that: it is looked at when one is to be refused.

use std::cell::OnceCell;
use std::net::IpAddr;

use stopleak_contract::index::LeakNumber;
use stopleak_contract::settings::{Settings, Target};

use crate::request::Request;
use crate::verdict::Verdict;

/// What the proxy knows of the request at hand.
pub trait Around {
    /// The address of the client whose request is being judged, without the port; empty when it has none.
    fn client(&self) -> String;

    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// Where a request goes: kept for its body and trailers, which other filters may meet with other headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    authority: Vec<u8>,
    path: Vec<u8>,
}

/// Those of one request.
pub struct Circumstances<'a> {
    place: Place<'a>,
    around: &'a dyn Around,
    /// Read once, however many leaked tokens the request has. In a box, since nearly all have none.
    read: OnceCell<Box<Read>>,
}

/// What was asked for.
struct Read {
    target: Target,
    client: OnceCell<Option<IpAddr>>,
}

/// Where to find the destination, when it is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In the headers, which are at hand.
    Headers(Request<'a>),
    /// What was kept of them. Where nobody knows where a request goes, every virtual patch applies.
    Kept(Option<&'a Destination>),
}

impl Destination {
    /// Of a request.
    #[must_use]
    pub fn of(request: Request<'_>) -> Self {
        Self { authority: request.authority().to_vec(), path: request.path().to_vec() }
    }
}

impl<'a> Circumstances<'a> {
    /// Of a request that goes there.
    #[must_use]
    pub fn new(place: Place<'a>, around: &'a dyn Around) -> Self {
        Self { place, around, read: OnceCell::new() }
    }

    /// Whether a verdict that knew nothing of them stands.
    #[must_use]
    pub fn bear_out(&self, verdict: &Verdict, settings: &Settings) -> bool {
        match verdict {
            Verdict::Block(found) => self.are_of(found.leak, settings),
            Verdict::Overflow => !self.are_paused(settings),
            Verdict::Pass | Verdict::Observe(_) | Verdict::NotReady(_) => true,
        }
    }

    /// Whether the virtual patch of the leak blocks here and now.
    #[must_use]
    pub fn are_of(&self, leak: LeakNumber, settings: &Settings) -> bool {
        if self.are_paused(settings) {
            return false;
        }
        let Some(scope) = settings.scope_of(leak) else { return true };
        let read = self.read.get_or_init(|| Box::new(Read { target: self.target(), client: OnceCell::new() }));
        let client = || *read.client.get_or_init(|| self.around.client().parse().ok());
        scope.covers(&read.target) && !(scope.has_exempt_clients() && client().is_some_and(|client| scope.exempts(client)))
    }

    /// Whether what would be refused passes: until the end of the pause, whether or not anybody can say so by then.
    #[must_use]
    pub fn are_paused(&self, settings: &Settings) -> bool {
        // Who does not know the time does not pause.
        settings.paused_until_ms() != 0 && (1..settings.paused_until_ms()).contains(&self.around.now_ms())
    }

    fn target(&self) -> Target {
        match self.place {
            Place::Headers(request) => Target::new(request.authority(), request.path()),
            Place::Kept(Some(kept)) => Target::new(&kept.authority, &kept.path),
            Place::Kept(None) => Target::new(b"", b""),
        }
    }
}

#[cfg(test)]
mod tests;
