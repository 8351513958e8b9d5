//! How an index is enforced: where a virtual patch applies, what a blocked request is answered, and until when blocks are paused.
//!
//! The settings travel in the index's header, as bytes that its signature covers, and are in force together with its shards: nothing
//! unsigned can switch enforcement off. What they say is looked at only when a request carries a token that is to be blocked.

mod host;
mod network;
mod path;
mod response;
mod scope;

pub use network::Network;
pub use response::{MAX_BODY, Response, ResponseError};
pub use scope::{Scope, ScopeError, Target};

use prost::Message as _;

use crate::feed::wire;
use crate::index::LeakNumber;

/// How an index is enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What a blocked request is answered; [`Response::default`] when nobody has chosen.
    pub response: Option<Response>,
    /// Until then, what would be blocked is observed. Milliseconds since the Unix epoch; 0 when blocks are blocks.
    pub paused_until_ms: u64,
    /// Where the virtual patches of which leaks apply. The others apply everywhere.
    scopes: Vec<(Scope, Vec<LeakNumber>)>,
    /// The place in `scopes` of each leak that is there, in order.
    places: Vec<(LeakNumber, usize)>,
}

/// Encoded settings have at most so many bytes: room for thousands of scoped virtual patches, and together with the hashes of all
/// shards they fit into one message of the feed.
pub const MAX_SETTINGS: usize = 256 * 1024;

impl Settings {
    /// Settings with these scopes; a leak is in one of them at most.
    #[must_use]
    pub fn new(response: Option<Response>, paused_until_ms: u64, scopes: Vec<(Scope, Vec<LeakNumber>)>) -> Self {
        let mut places: Vec<_> =
            (0..).zip(&scopes).flat_map(|(place, (_, leaks))| leaks.iter().map(move |l| (*l, place))).collect();
        places.sort_unstable();
        Self { response, paused_until_ms, scopes, places }
    }

    /// Reads what a header brought. What cannot be understood in full is not believed in part: it could be a narrower scope than meant.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > MAX_SETTINGS {
            return Err("settings are too large");
        }
        let wire = wire::Settings::decode(bytes).map_err(|_| "settings cannot be decoded")?;
        let response = wire.response.map(Response::from_wire).transpose()?;
        let scope = |mut wire: wire::Scope| {
            let leaks = std::mem::take(&mut wire.leaks);
            Scope::from_wire(wire).map(|scope| (scope, leaks))
        };
        let scopes = wire.scopes.into_iter().map(scope).collect::<Result<_, _>>()?;
        Ok(Self::new(response, wire.paused_until_ms, scopes))
    }

    /// As a header carries them; empty when nothing is set.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let scope = |(scope, leaks): &(Scope, Vec<LeakNumber>)| wire::Scope { leaks: leaks.clone(), ..scope.to_wire() };
        let wire = wire::Settings {
            response: self.response.as_ref().map(Response::to_wire),
            paused_until_ms: self.paused_until_ms,
            scopes: self.scopes.iter().map(scope).collect(),
        };
        wire.encode_to_vec()
    }

    /// Where the virtual patch of the leak applies; `None`: everywhere.
    #[must_use]
    pub fn scope_of(&self, leak: LeakNumber) -> Option<&Scope> {
        let found = self.places.binary_search_by_key(&leak, |(leak, _)| *leak).ok()?;
        let (_, place) = self.places.get(found)?;
        self.scopes.get(*place).map(|(scope, _)| scope)
    }

    /// Whether any virtual patch does not apply everywhere.
    #[must_use]
    pub fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }
}

#[cfg(test)]
mod tests;
