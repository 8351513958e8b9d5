//! One request, and what the filter says of it.

use stopleak_contract::feed::Message as _;
use stopleak_contract::feed::wire::{self, to_control_plane};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::host::HeaderMap;
use crate::module::HostError;
use crate::vm::{Outcome, Vm};

/// A request as Envoy would show it to a filter. Overwritten when dropped.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Request {
    /// Names in lower case, the pseudo-headers first.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// What the filter says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The word for access logs: `pass`, `observe`, `block`, `not_ready` or `overflow`.
    pub verdict: String,
    /// The leak that decided, as access logs have it: `LK-7`.
    pub leak: Option<String>,
    /// The status of the filter's own answer; `None` when the request goes on.
    pub status: Option<u32>,
}

/// Ticks in which a VM that has just been started takes the lead, or learns who has it, and reports.
const TICKS: usize = 4;

impl Vm {
    /// Judges a request.
    pub fn judge(&mut self, mut request: Request) -> Result<Judged, HostError> {
        let Outcome { answered, .. } = self.request(std::mem::take(&mut request.headers), &request.body)?;
        let verdict = self.property("stopleak.verdict").unwrap_or_else(|| "pass".to_owned());
        let leak = self.property("stopleak.leak");
        Ok(Judged { verdict, leak, status: answered })
    }

    /// What it reports of the requests that it has judged. A VM without a stream of its own hands it to the one that has it.
    pub fn report(&mut self) -> Result<Vec<wire::Attempt>, HostError> {
        for _ in 0..TICKS {
            self.tick()?;
            let attempts = self.reported()?;
            if !attempts.is_empty() {
                return Ok(attempts);
            }
        }
        Ok(Vec::new())
    }

    fn reported(&mut self) -> Result<Vec<wire::Attempt>, HostError> {
        let mut attempts = Vec::new();
        for queued in std::mem::take(&mut self.store.data_mut().queued) {
            if let Ok(wire::Local { message: Some(wire::local::Message::Attempts(batch)) }) =
                wire::Local::decode(queued.as_slice())
            {
                attempts.extend(batch.attempts);
            }
        }
        for answer in self.answers()? {
            if let to_control_plane::Message::Attempts(batch) = answer {
                attempts.extend(batch.attempts);
            }
        }
        Ok(attempts)
    }
}
