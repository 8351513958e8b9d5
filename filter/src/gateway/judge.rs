//! Judging requests: their headers, and what follows.

use super::Gateway;
use crate::body::Missed;
use crate::enforced::Enforced;
use crate::request::Request;
use crate::verdict::{Judgement, Policy, Verdict};

impl Gateway {
    /// What decides about requests.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Judges a request and counts it.
    pub fn judge(&mut self, request: Request<'_>) -> Judgement {
        let (judgement, ()) = self.readable(|policy, enforced| (policy.judge(request, enforced), ()));
        self.counted.judged(&judgement.verdict, judgement.over_budget);
        judgement
    }

    /// Judges the body of a request that has passed, or a part of it, and counts what that adds.
    pub fn judge_body(&mut self, bytes: &[u8], encoding: &[u8]) -> (Judgement, Missed) {
        let (judgement, missed) = self.readable(|policy, enforced| match enforced {
            Some(enforced) => policy.judge_body(bytes, encoding, enforced),
            None => (Judgement::of(Verdict::Pass), Missed::default()),
        });
        self.counted.judged_further(&judgement.verdict, judgement.over_budget);
        (judgement, missed)
    }

    /// Judges the trailers of a request that has passed, and counts what that adds.
    pub fn judge_trailers(&mut self, trailers: Request<'_>) -> Judgement {
        let (judgement, ()) = self.readable(|policy, enforced| match enforced {
            Some(enforced) => (policy.judge_trailers(trailers, enforced), ()),
            None => (Judgement::of(Verdict::Pass), ()),
        });
        self.counted.judged_further(&judgement.verdict, judgement.over_budget);
        judgement
    }

    /// Counts what of a request's body could not be looked at.
    pub fn body_missed(&mut self, missed: Missed) {
        self.counted.body_over_limit += u64::from(missed.over_limit);
        self.counted.body_unread += u64::from(missed.unread);
    }

    /// Judges again when a page is not what the header says: another VM may have put another index into force.
    fn readable<T>(&mut self, judge: impl Fn(&Policy, Option<&Enforced>) -> (Judgement, T)) -> (Judgement, T) {
        let mut judged = judge(&self.policy, self.enforced.as_ref());
        if judged.0.unreadable {
            if self.catch_up() {
                judged = judge(&self.policy, self.enforced.as_ref());
            }
            if judged.0.unreadable {
                self.counted.pages_unreadable += 1;
                self.page_is_damaged();
            }
        }
        judged
    }
}
