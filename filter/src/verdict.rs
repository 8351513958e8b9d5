//! What becomes of a request.

use std::ops::ControlFlow;

use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::{Action, Index, LeakNumber};
use stopleak_contract::{Fingerprint, FingerprintKey, HeaderSelection, OnNotReady, PluginConfig, Token};

use crate::candidates;
use crate::request::{Request, shown_header};

/// What the filter says of one request, with the reason as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No token of the index.
    Pass,
    /// Carries the token of an open leak: passes, and is reported.
    Observe(Match),
    /// Carries the token of a leak with a virtual patch: refused, and reported.
    Block(Match),
    /// There is no index yet; the operator chose what then.
    NotReady(OnNotReady),
}

/// The token that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The leak it belongs to.
    pub leak: LeakNumber,
    /// What was presented.
    pub fingerprint: Fingerprint,
    /// Where in the request it was.
    pub place: Place,
    /// The header's name, when that is where it was.
    pub header: String,
}

/// A verdict, and whether it covers the whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// The request had more candidates than [`MAX_CANDIDATES`] or [`MAX_HASHED`] allow: the rest was not looked at.
    pub over_budget: bool,
}

/// The index in force, and the key that its fingerprints were made with.
#[derive(Debug)]
pub struct Enforced {
    /// The tenant's key.
    pub key: FingerprintKey,
    /// What is looked up.
    pub index: Index,
}

/// What of a plugin configuration decides about requests.
#[derive(Clone, Debug)]
pub struct Policy {
    on_not_ready: OnNotReady,
    enforce: bool,
    exempt_paths: Vec<String>,
    headers: Option<HeaderSelection>,
}

/// Candidates that are hashed for one request: a browser's request with many cookies has some hundred.
pub const MAX_CANDIDATES: usize = 4_096;

/// Bytes that are hashed for one request: several times Envoy's default limit of 60 KiB of headers.
pub const MAX_HASHED: usize = 512 * 1024;

impl Policy {
    /// Takes what it needs from a configuration.
    #[must_use]
    pub fn new(config: &PluginConfig) -> Self {
        Self {
            on_not_ready: config.on_not_ready,
            enforce: config.enforce,
            exempt_paths: config.exempt_paths.clone(),
            headers: config.headers.clone(),
        }
    }

    /// Judges a request. The strongest match wins: the first to block ends the search.
    #[must_use]
    pub fn judge(&self, request: Request<'_>, enforced: Option<&Enforced>) -> Judgement {
        if self.exempt_paths.iter().any(|prefix| request.path().starts_with(prefix.as_bytes())) {
            return Judgement { verdict: Verdict::Pass, over_budget: false };
        }
        let Some(enforced) = enforced else {
            return Judgement { verdict: Verdict::NotReady(self.on_not_ready), over_budget: false };
        };

        let mut verdict = Verdict::Pass;
        let (mut candidates_left, mut bytes_left, mut over_budget) = (MAX_CANDIDATES, MAX_HASHED, false);
        let _ = candidates::visit(request, self.headers.as_ref(), &mut |candidate| {
            let (Some(candidates), Some(bytes)) = (candidates_left.checked_sub(1), bytes_left.checked_sub(candidate.text.len()))
            else {
                over_budget = true;
                return ControlFlow::Break(());
            };
            (candidates_left, bytes_left) = (candidates, bytes);

            let Ok(token) = Token::parse(candidate.text) else { return ControlFlow::Continue(()) };
            let fingerprint = Fingerprint::of(&enforced.key, &token);
            let Some(hit) = enforced.index.look_up(&fingerprint) else { return ControlFlow::Continue(()) };
            let found = Match {
                leak: hit.leak,
                fingerprint,
                place: candidate.place,
                header: shown_header(candidate.place, candidate.header),
            };
            match hit.action {
                Action::Block if self.enforce => {
                    verdict = Verdict::Block(found);
                    ControlFlow::Break(())
                }
                Action::Block | Action::Observe => {
                    if verdict == Verdict::Pass {
                        verdict = Verdict::Observe(found);
                    }
                    ControlFlow::Continue(())
                }
            }
        });
        Judgement { verdict, over_budget }
    }
}

impl Verdict {
    /// The word for access logs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Observe(_) => "observe",
            Self::Block(_) => "block",
            Self::NotReady(_) => "not_ready",
        }
    }
}

#[cfg(test)]
mod tests;
