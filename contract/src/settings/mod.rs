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
pub use response::{DEFAULT_BODY, MAX_BODY, Response, ResponseError};
pub use scope::{Scope, ScopeError, Target};

use prost::Message as _;

use crate::feed::wire;
use crate::index::LeakNumber;

/// What a blocked request is answered, as it lies in [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'s> {
    /// 400 to 599.
    pub status: u32,
    /// Names and values.
    pub headers: Vec<(&'s str, &'s str)>,
    /// Any bytes.
    pub body: &'s [u8],
}

/// How an index is enforced. Kept as it travels: a worker needs no other form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(wire::Settings);

/// Encoded settings have at most so many bytes: room for thousands of scoped virtual patches, and together with the hashes of all
/// shards they fit into one message of the feed.
pub const MAX_SETTINGS: usize = 256 * 1024;

impl Settings {
    /// Settings with what a blocked request is answered, when somebody has chosen, the end of a pause, 0 when blocks are blocks, and scopes,
    /// each with its leaks in order. A leak is in one of them at most; the virtual patches of all others apply everywhere.
    #[must_use]
    pub fn new(response: Option<&Response>, paused_until_ms: u64, scopes: Vec<(Scope, Vec<LeakNumber>)>) -> Self {
        let scopes = scopes.into_iter().map(|(scope, leaks)| wire::Scope { leaks, ..scope.into_wire() });
        let headers = response.map(|response| response.headers.as_slice()).unwrap_or_default();
        Self(wire::Settings {
            response_status: response.map_or(0, |response| response.status.into()),
            response_header_names: headers.iter().map(|(name, _)| name.clone()).collect(),
            response_header_values: headers.iter().map(|(_, value)| value.clone()).collect(),
            response_body: response.map(|response| response.body.clone()).unwrap_or_default(),
            paused_until_ms,
            scopes: scopes.collect(),
        })
    }

    /// Reads what a header brought. What cannot be understood in full is not believed in part: it could be a narrower scope than meant.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > MAX_SETTINGS {
            return Err("settings are too large");
        }
        let settings = wire::Settings::decode(bytes).map_err(|_| "settings cannot be decoded")?;
        if settings.response_status != 0 && !response::STATUSES.contains(&settings.response_status) {
            return Err("the response of the settings has a status that no refusal has");
        }
        if !settings.scopes.iter().all(scope::is_sound) {
            return Err("a scope of the settings is none");
        }
        Ok(Self(settings))
    }

    /// As a header carries them; empty when nothing is set.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    /// What a blocked request is answered; `None` when nobody has chosen: [`Response::default`].
    #[must_use]
    pub fn response(&self) -> Option<Answer<'_>> {
        let wire::Settings { response_status: status, response_header_names: names, response_header_values: values, .. } =
            &self.0;
        let headers = names.iter().zip(values).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (*status != 0).then_some(Answer { status: *status, headers, body: &self.0.response_body })
    }

    /// Until then, what would be blocked is observed. Milliseconds since the Unix epoch; 0 when blocks are blocks.
    #[must_use]
    pub fn paused_until_ms(&self) -> u64 {
        self.0.paused_until_ms
    }

    /// Where the virtual patch of the leak applies; `None`: everywhere.
    #[must_use]
    pub fn scope_of(&self, leak: LeakNumber) -> Option<&wire::Scope> {
        self.0.scopes.iter().find(|scope| scope.leaks.binary_search(&leak).is_ok())
    }

    /// Whether any virtual patch does not apply everywhere.
    #[must_use]
    pub fn has_scopes(&self) -> bool {
        !self.0.scopes.is_empty()
    }
}

#[cfg(test)]
mod tests;
