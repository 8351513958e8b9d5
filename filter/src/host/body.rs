//! What follows a request's headers: its body, while Envoy holds it back, and its trailers.

use stopleak_contract::OnNotReady;
use stopleak_contract::feed::wire::Outcome;

use super::abi::{self, Action, Buffer, Map};
use super::{BODY_TOO_LARGE, Filter, NOT_READY, TOO_LARGE, answer, block, describe, used};
use crate::body::{Arrived, Hold, Missed, Part};
use crate::circumstances::Destination;
use crate::header_map::read;
use crate::request::{Request, Route};
use crate::verdict::{Judgement, Match, Verdict};

/// A body that is still to be judged.
pub struct Waiting {
    hold: Hold,
    /// Of the body.
    encoding: Vec<u8>,
    /// Of those messages of a gRPC stream that are compressed.
    message_encoding: Vec<u8>,
    missed: Missed,
}

impl Filter {
    /// The headers have passed, and a body or trailers follow.
    pub fn expect_more(&mut self, request: Request<'_>) -> Action {
        let gateway = self.gateway.borrow();
        let policy = gateway.policy();
        if policy.is_exempt(request) {
            return Action::Continue;
        }
        self.is_covered = true;
        if let Some(destination) = gateway.destination(request) {
            self.kept.get_or_insert_default().destination = Some(destination);
        }
        let Some(hold) = policy.hold(request) else { return Action::Continue };
        let action = if policy.holds_headers() && !hold.is_stream() { Action::Pause } else { Action::Continue };
        self.waiting = Some(Box::new(Waiting {
            hold,
            encoding: request.all(b"content-encoding"),
            message_encoding: request.get(b"grpc-encoding").to_vec(),
            missed: Missed::default(),
        }));
        action
    }

    /// `size` bytes are held back, or come just now.
    pub fn body_arrived(&mut self, size: usize, is_end: bool) -> Action {
        let Some(waiting) = &mut self.waiting else { return Action::Continue };
        match waiting.hold.arrived(size, is_end) {
            Arrived::Wait => Action::Pause,
            Arrived::Pass => Action::Continue,
            Arrived::Read(count) => {
                let bytes = held(count);
                let Some(parts) = waiting.hold.read(&bytes, size, is_end) else { return Action::Pause };
                self.judge(&parts)
            }
            Arrived::Keep(count) => match waiting.hold.keep(&held(count), size, is_end) {
                Some(kept) => self.judge(&[Part::body(&kept)]),
                None => Action::Continue,
            },
        }
    }

    /// The body is complete. What has passed already cannot be called back, but without its end the upstream has no request.
    pub fn trailers_arrived(&mut self) -> Action {
        // What is held is at most what may still be looked at: more would have been judged.
        if let Some(most) = self.waiting.as_ref().map(|waiting| waiting.hold.left())
            && self.body_arrived(held(most).len(), true) == Action::Pause
        {
            return Action::Pause;
        }
        if !self.is_covered {
            return Action::Continue;
        }
        let Ok(trailers) = abi::header_map(Map::RequestTrailers) else { return Action::Continue };
        let judgement = self.gateway.borrow_mut().judge_trailers(Request::new(&read(&trailers)), self.destination());
        self.act(judgement, (431, TOO_LARGE))
    }

    fn judge(&mut self, parts: &[Part<'_>]) -> Action {
        for part in parts {
            let Some(waiting) = &mut self.waiting else { break };
            let encoding = match (part.is_message, part.is_compressed) {
                (false, _) => waiting.encoding.as_slice(),
                (true, true) => waiting.message_encoding.as_slice(),
                (true, false) => b"",
            };
            let destination = self.kept.as_ref().and_then(|kept| kept.destination.as_ref());
            let (judgement, missed) = self.gateway.borrow_mut().judge_body(part.bytes, encoding, destination);
            waiting.missed.over_limit |= missed.over_limit;
            waiting.missed.unread |= missed.unread;
            if self.act(judgement, (413, BODY_TOO_LARGE)) == Action::Pause {
                self.body_done();
                return Action::Pause;
            }
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.hold.is_done()) {
            self.body_done();
        }
        Action::Continue
    }

    fn observed(&self) -> Option<&(Route, Match)> {
        self.kept.as_ref()?.observed.as_ref()
    }

    fn destination(&self) -> Option<&Destination> {
        self.kept.as_ref()?.destination.as_ref()
    }

    fn body_done(&mut self) {
        if let Some(Waiting { hold, mut missed, .. }) = self.waiting.take().map(|waiting| *waiting) {
            missed.over_limit |= hold.is_over_limit();
            self.gateway.borrow_mut().body_missed(missed);
        }
    }

    /// What becomes of a request whose headers have passed: it goes on, or `Pause` and an answer of our own.
    fn act(&mut self, judgement: Judgement, (status, too_large): (u32, &str)) -> Action {
        let verdict = judgement.verdict;
        // One attempt for each request: the first that was observed, unless something is refused.
        if verdict == Verdict::Pass || (self.observed().is_some() && matches!(verdict, Verdict::Observe(_))) {
            return Action::Continue;
        }
        describe(&verdict);
        let route = |found| {
            let headers = abi::header_map(Map::RequestHeaders).unwrap_or_default();
            self.gateway.borrow().route(Request::new(&read(&headers)), found)
        };
        match verdict {
            Verdict::Pass | Verdict::NotReady(OnNotReady::Allow) => Action::Continue,
            Verdict::NotReady(OnNotReady::Deny) => answer(503, NOT_READY),
            Verdict::Overflow => answer(status, too_large),
            Verdict::Observe(found) => {
                let observed = route(&found).map(|route| (route, found));
                self.kept.get_or_insert_default().observed = observed;
                Action::Continue
            }
            Verdict::Block(found) => {
                if let Some(route) = route(&found) {
                    self.gateway.borrow_mut().record(used(found, Outcome::Blocked, route, 0));
                }
                if let Some(kept) = &mut self.kept {
                    kept.observed = None;
                }
                block(self.gateway.borrow().response())
            }
        }
    }
}

/// Up to this many bytes from the start of what Envoy has of the body.
fn held(most: usize) -> Vec<u8> {
    abi::buffer(Buffer::RequestBody, most).unwrap_or_default()
}
