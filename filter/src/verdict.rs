//! What becomes of a request.

use std::mem;
use std::ops::ControlFlow;

use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::{Action, Hit, LeakNumber};
use stopleak_contract::{BodySetting, Canonical, Fingerprint, HeaderSelection, OnNotReady, OnOverflow, PluginConfig};

use crate::body::{self, Body, Hold, Missed};
use crate::candidates::{self, Candidate};
use crate::circumstances::Circumstances;
use crate::enforced::{Enforced, LookUp};
use crate::request::{Request, shown_header};

/// What the filter says of one request, with the reason as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No token of the index.
    Pass,
    /// Carries the token of an open leak, or of one whose virtual patch does not block here and now: passes, and is reported.
    Observe(Match),
    /// Carries the token of a leak with a virtual patch: refused, and reported.
    Block(Match),
    /// There is no index yet; the operator chose what then.
    NotReady(OnNotReady),
    /// Too large to be looked at in full, and the operator has not chosen to let such requests pass.
    Overflow,
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
    /// The request was larger than [`MAX_SIZE`] or [`MAX_HASHED`] allow: the rest was not looked at.
    pub over_budget: bool,
    /// A part of the index could not be read, so that nobody knows of some texts.
    pub unreadable: bool,
}

/// What of a plugin configuration decides about requests.
#[derive(Clone, Debug)]
pub struct Policy {
    on_not_ready: OnNotReady,
    on_overflow: OnOverflow,
    enforce: bool,
    exempt_paths: Vec<String>,
    headers: Option<HeaderSelection>,
    body: Option<BodySetting>,
}

/// Bytes of a header map that are looked at: seventeen times Envoy's default limit. The work grows no faster than the size.
pub const MAX_SIZE: usize = 1024 * 1024;

/// Bytes that are hashed for one request, those of candidates whose length some token has; a shorter one counts as a block. Only a
/// request that is made for it gets there within Envoy's default limit of 60 KiB of headers.
pub const MAX_HASHED: usize = 1024 * 1024;

/// Bytes that are hashed for each byte of a body's limit, counted in the same way: a token of 40 characters between two others of
/// that length is a block and two thirds, and is offered a few times. Only a body that is made for it needs more.
const HASHED_PER_BYTE: usize = 16;

/// BLAKE3 works on blocks.
const BLOCK: usize = 64;

impl Policy {
    /// Takes what it needs from a configuration.
    #[must_use]
    pub fn new(config: &PluginConfig) -> Self {
        Self {
            on_not_ready: config.on_not_ready,
            on_overflow: config.on_overflow,
            enforce: config.enforce,
            exempt_paths: config.exempt_paths.clone(),
            headers: config.headers.clone(),
            body: config.body,
        }
    }

    /// Judges a request. The strongest match wins: the first to block ends the search. Without circumstances, every virtual patch blocks.
    #[must_use]
    pub fn judge(
        &self,
        request: Request<'_>,
        enforced: Option<&Enforced>,
        circumstances: Option<&Circumstances<'_>>,
    ) -> Judgement {
        if self.is_exempt(request) {
            return Judgement::of(Verdict::Pass);
        }
        let Some(enforced) = enforced else {
            return Judgement::of(Verdict::NotReady(self.on_not_ready));
        };

        let mut search = Search::new(enforced, self.enforce, circumstances, MAX_HASHED);
        let kinds = &enforced.header().kinds;
        let mut look = |request| candidates::visit(request, self.headers.as_ref(), kinds, &mut |c| search.look_at(c));
        if request.size() <= MAX_SIZE {
            let _ = look(request);
        } else {
            let _ = look(Request::new(&request.smallest(MAX_SIZE)));
            search.over_budget = true;
        }
        self.conclude(&mut search)
    }

    /// Whether the operator has taken the request's path out.
    #[must_use]
    pub fn is_exempt(&self, request: Request<'_>) -> bool {
        self.exempt_paths.iter().any(|exempt| covers(exempt.as_bytes(), request.path()))
    }

    /// How much of the body of a request that has passed so far is waited for; `None` when bodies are not looked at.
    #[must_use]
    pub fn hold(&self, request: Request<'_>) -> Option<Hold> {
        let body = self.body?;
        Hold::new(request, body.limit, body.hold_headers)
    }

    /// Whether the headers wait for the verdict on the body.
    #[must_use]
    pub fn holds_headers(&self) -> bool {
        self.body.is_some_and(|body| body.hold_headers)
    }

    /// Judges a body, or a message of it.
    #[must_use]
    pub fn judge_body(
        &self,
        bytes: &[u8],
        encoding: &[u8],
        enforced: &Enforced,
        circumstances: Option<&Circumstances<'_>>,
    ) -> (Judgement, Missed) {
        let limit = self.body.map_or(0, |body| body.limit);
        let budget = limit.saturating_mul(HASHED_PER_BYTE).max(MAX_HASHED);
        let mut search = Search::new(enforced, self.enforce, circumstances, budget);
        let (_, missed) =
            body::visit(Body { bytes, encoding, limit }, &enforced.header().kinds, &mut |candidate| search.look_at(candidate));
        search.over_budget |= missed.over_budget;
        (self.conclude(&mut search), missed)
    }

    /// Judges the trailers of a request like its headers.
    #[must_use]
    pub fn judge_trailers(
        &self,
        trailers: Request<'_>,
        enforced: &Enforced,
        circumstances: Option<&Circumstances<'_>>,
    ) -> Judgement {
        let mut search = Search::new(enforced, self.enforce, circumstances, MAX_HASHED);
        let kinds = &enforced.header().kinds;
        let _ = candidates::visit(trailers, self.headers.as_ref(), kinds, &mut |candidate| {
            search.look_at(Candidate { place: Place::Trailer, ..candidate })
        });
        self.conclude(&mut search)
    }

    /// What was found decides; when nothing was and not all was looked at, the operator has.
    fn conclude(&self, search: &mut Search<'_>) -> Judgement {
        let Search { over_budget, unreadable, .. } = *search;
        let verdict = mem::replace(&mut search.verdict, Verdict::Pass);
        let mut judgement = Judgement { verdict, over_budget, unreadable };
        if over_budget || unreadable {
            self.limit(&mut judgement, search);
        }
        judgement
    }

    /// Out of the way of the others.
    #[cold]
    fn limit(&self, judgement: &mut Judgement, search: &Search<'_>) {
        let Judgement { verdict, over_budget, unreadable } = judgement;
        let denies_overflow = *over_budget && self.on_overflow == OnOverflow::Deny && !search.is_paused();
        *verdict = match verdict {
            Verdict::Pass | Verdict::Observe(_) if denies_overflow => Verdict::Overflow,
            Verdict::Pass if *unreadable => Verdict::NotReady(self.on_not_ready),
            // Beside an observed token, one that is to be blocked may be in what could not be read.
            Verdict::Observe(_) if *unreadable && self.on_not_ready == OnNotReady::Deny => Verdict::NotReady(OnNotReady::Deny),
            _ => return,
        };
    }
}

impl Judgement {
    /// One that nothing of the request has limited.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        Self { verdict, over_budget: false, unreadable: false }
    }
}

/// `/a` covers itself and what is below it, and not `/ab`.
fn covers(exempt: &[u8], path: &[u8]) -> bool {
    match path.strip_prefix(exempt) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/") || exempt.ends_with(b"/"),
        None => false,
    }
}

/// The search for the strongest match, and what is left of its budget.
struct Search<'e> {
    enforced: &'e Enforced,
    /// Whether anything is to be blocked.
    enforce: bool,
    circumstances: Option<&'e Circumstances<'e>>,
    verdict: Verdict,
    bytes_left: usize,
    over_budget: bool,
    unreadable: bool,
}

impl<'e> Search<'e> {
    fn new(enforced: &'e Enforced, enforce: bool, circumstances: Option<&'e Circumstances<'e>>, budget: usize) -> Self {
        Self {
            enforced,
            enforce,
            circumstances,
            verdict: Verdict::Pass,
            bytes_left: budget,
            over_budget: false,
            unreadable: false,
        }
    }

    fn look_at(&mut self, candidate: Candidate<'_>) -> ControlFlow<()> {
        let text = Canonical::of(candidate.text);
        if !text.is_token() || !self.enforced.header().kinds.hold_text(&text) {
            return ControlFlow::Continue(());
        }
        self.bytes_left = match self.bytes_left.checked_sub(text.length().max(BLOCK)) {
            Some(left) => left,
            None => return self.give_up(),
        };
        let (fingerprint, found) = self.enforced.find(&text);
        match found {
            LookUp::Hit(hit) => self.hit(hit, fingerprint, candidate),
            LookUp::Miss => ControlFlow::Continue(()),
            LookUp::Unreadable => {
                self.unreadable = true;
                ControlFlow::Continue(())
            }
        }
    }

    fn hit(&mut self, hit: Hit, fingerprint: Fingerprint, candidate: Candidate<'_>) -> ControlFlow<()> {
        let header = shown_header(candidate.place, candidate.header, &|text| self.enforced.knows(text));
        let found = Match { leak: hit.leak, fingerprint, place: candidate.place, header };
        match hit.action {
            Action::Block if self.enforce && self.blocks(hit.leak) => {
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

    fn blocks(&self, leak: LeakNumber) -> bool {
        self.circumstances.is_none_or(|circumstances| circumstances.are_of(leak, self.enforced.settings()))
    }

    /// Nothing is blocked then, so that nothing would be missed by what was not looked at.
    fn is_paused(&self) -> bool {
        self.circumstances.is_some_and(|circumstances| circumstances.are_paused(self.enforced.settings()))
    }

    fn give_up(&mut self) -> ControlFlow<()> {
        self.over_budget = true;
        ControlFlow::Break(())
    }
}

impl Verdict {
    /// Whether what the request is or carries is refused.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Block(_) | Self::Overflow)
    }

    /// The word for access logs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Observe(_) => "observe",
            Self::Block(_) => "block",
            Self::NotReady(_) => "not_ready",
            Self::Overflow => "overflow",
        }
    }
}

#[cfg(test)]
mod tests;
