//! What becomes of a request.

use std::ops::ControlFlow;

use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::{Action, Hit, Index, LeakNumber};
use stopleak_contract::{Fingerprint, FingerprintKey, HeaderSelection, OnNotReady, PluginConfig, Token};

use crate::candidates::{self, Candidate};
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

/// Candidates that are looked at for one request: four times what a request at Envoy's default limit of 60 KiB of headers offers when
/// it is made for that, and a hundred times a browser's with many cookies.
pub const MAX_CANDIDATES: usize = 32_768;

/// Bytes that are hashed for one request, those of candidates whose length some token has; a shorter one counts as a block. Only a
/// request that is made for it gets there within Envoy's default limit.
pub const MAX_HASHED: usize = 512 * 1024;

/// BLAKE3 works on blocks.
const BLOCK: usize = 64;

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

        let mut search = Search::new(enforced, self.enforce);
        let _ = candidates::visit(request, self.headers.as_ref(), &mut |candidate| search.look_at(candidate));
        Judgement { verdict: search.verdict, over_budget: search.over_budget }
    }
}

/// The search for the strongest match, and what is left of its budget.
struct Search<'e> {
    enforced: &'e Enforced,
    enforce: bool,
    verdict: Verdict,
    candidates_left: usize,
    bytes_left: usize,
    over_budget: bool,
}

impl<'e> Search<'e> {
    fn new(enforced: &'e Enforced, enforce: bool) -> Self {
        Self {
            enforced,
            enforce,
            verdict: Verdict::Pass,
            candidates_left: MAX_CANDIDATES,
            bytes_left: MAX_HASHED,
            over_budget: false,
        }
    }

    fn look_at(&mut self, candidate: Candidate<'_>) -> ControlFlow<()> {
        self.candidates_left = match self.candidates_left.checked_sub(1) {
            Some(left) => left,
            None => return self.give_up(),
        };
        let length = Token::canonical_length(candidate.text);
        if !self.enforced.index.header().lengths.hold(length) {
            return ControlFlow::Continue(());
        }
        self.bytes_left = match self.bytes_left.checked_sub(length.max(BLOCK)) {
            Some(left) => left,
            None => return self.give_up(),
        };
        let Ok(token) = Token::parse(candidate.text) else { return ControlFlow::Continue(()) };
        let fingerprint = Fingerprint::of(&self.enforced.key, &token);
        match self.enforced.index.look_up(&fingerprint) {
            Some(hit) => self.hit(hit, fingerprint, candidate),
            None => ControlFlow::Continue(()),
        }
    }

    fn hit(&mut self, hit: Hit, fingerprint: Fingerprint, candidate: Candidate<'_>) -> ControlFlow<()> {
        let header = shown_header(candidate.place, candidate.header);
        let found = Match { leak: hit.leak, fingerprint, place: candidate.place, header };
        match hit.action {
            Action::Block if self.enforce => {
                self.verdict = Verdict::Block(found);
                ControlFlow::Break(())
            }
            Action::Block | Action::Observe => {
                if self.verdict == Verdict::Pass {
                    self.verdict = Verdict::Observe(found);
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn give_up(&mut self) -> ControlFlow<()> {
        self.over_budget = true;
        ControlFlow::Break(())
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
