//! What follows a request's headers: its body, while Envoy holds it back, and its trailers.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};
use stopleak_contract::feed::wire::Outcome;

use super::{BLOCKED, BODY_TOO_LARGE, Filter, TOO_LARGE, answer, describe, used};
use crate::body::{Arrived, Hold, Missed, Part};
use crate::request::Request;
use crate::verdict::{Judgement, Verdict};

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
        let policy = &self.gateway.policy;
        if policy.is_exempt(request) {
            return Action::Continue;
        }
        self.is_covered = true;
        let Some(hold) = policy.hold(request) else { return Action::Continue };
        let action = if policy.holds_headers() && !hold.is_stream() { Action::Pause } else { Action::Continue };
        self.waiting = Some(Waiting {
            hold,
            encoding: request.all("content-encoding"),
            message_encoding: request.get("grpc-encoding").to_vec(),
            missed: Missed::default(),
        });
        action
    }

    /// `size` bytes are held back, or come just now.
    pub fn body_arrived(&mut self, size: usize, is_end: bool) -> Action {
        let Some(waiting) = &mut self.waiting else { return Action::Continue };
        let read = |count| hostcalls::get_buffer(BufferType::HttpRequestBody, 0, count).ok().flatten().unwrap_or_default();
        match waiting.hold.arrived(size, is_end) {
            Arrived::Wait => Action::Pause,
            Arrived::Pass => Action::Continue,
            Arrived::Read(count) => {
                let bytes = read(count);
                let Some(parts) = waiting.hold.read(&bytes, size, is_end) else { return Action::Pause };
                self.judge(&parts)
            }
            Arrived::Keep(count) => match waiting.hold.keep(&read(count), size, is_end) {
                Some(kept) => self.judge(&[Part::body(&kept)]),
                None => Action::Continue,
            },
        }
    }

    /// The body is complete. What has passed already cannot be called back, but without its end the upstream has no request.
    pub fn trailers_arrived(&mut self) -> Action {
        // What is held is at most what may still be looked at: more would have been judged.
        let held = self.waiting.as_ref().map(|waiting| waiting.hold.left());
        if let Some(held) = held
            && let size = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, held).ok().flatten().map_or(0, |held| held.len())
            && self.body_arrived(size, true) == Action::Pause
        {
            return Action::Pause;
        }
        if !self.is_covered {
            return Action::Continue;
        }
        let Ok(trailers) = hostcalls::get_map_bytes(MapType::HttpRequestTrailers) else { return Action::Continue };
        let state = self.gateway.state.borrow();
        let Some(enforced) = state.subscription.enforced() else { return Action::Continue };
        let judgement = self.gateway.policy.judge_trailers(Request::new(&trailers), enforced);
        drop(state);
        self.act(&judgement, (431, TOO_LARGE))
    }

    fn judge(&mut self, parts: &[Part<'_>]) -> Action {
        for part in parts {
            let Some(waiting) = &mut self.waiting else { break };
            let encoding = match (part.is_message, part.is_compressed) {
                (false, _) => waiting.encoding.as_slice(),
                (true, true) => waiting.message_encoding.as_slice(),
                (true, false) => b"",
            };
            let state = self.gateway.state.borrow();
            let Some(enforced) = state.subscription.enforced() else { break };
            let (judgement, missed) = self.gateway.policy.judge_body(part.bytes, encoding, enforced);
            drop(state);
            waiting.missed.over_limit |= missed.over_limit;
            waiting.missed.unread |= missed.unread;
            if self.act(&judgement, (413, BODY_TOO_LARGE)) == Action::Pause {
                self.body_done();
                return Action::Pause;
            }
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.hold.is_done()) {
            self.body_done();
        }
        Action::Continue
    }

    fn body_done(&mut self) {
        if let Some(Waiting { hold, missed, .. }) = self.waiting.take() {
            let counted = &mut self.gateway.state.borrow_mut().counted;
            counted.body_over_limit += u64::from(missed.over_limit || hold.is_over_limit());
            counted.body_unread += u64::from(missed.unread);
        }
    }

    /// What becomes of a request whose headers have passed: it goes on, or `Pause` and an answer of our own.
    fn act(&mut self, judgement: &Judgement, (status, too_large): (u32, &str)) -> Action {
        let mut state = self.gateway.state.borrow_mut();
        state.counted.judged_further(&judgement.verdict, judgement.over_budget);
        let found = match &judgement.verdict {
            Verdict::Pass | Verdict::NotReady(_) => return Action::Continue,
            Verdict::Overflow => {
                describe(&judgement.verdict);
                return answer(status, too_large);
            }
            // One attempt for each request: the first that was observed.
            Verdict::Observe(_) if self.observed.is_some() => return Action::Continue,
            Verdict::Observe(found) | Verdict::Block(found) => found.clone(),
        };
        describe(&judgement.verdict);
        let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        let Some(enforced) = state.subscription.enforced() else { return Action::Continue };
        let route = enforced.route(Request::new(&headers), &found);
        if let Verdict::Observe(_) = judgement.verdict {
            self.observed = Some((route, found));
            return Action::Continue;
        }
        self.observed = None;
        state.attempts.record(used(found, Outcome::Blocked, route, 0));
        answer(403, BLOCKED)
    }
}
