//! Judging requests: their headers, and what follows.

use stopleak_contract::settings::Answer;

use super::Gateway;
use crate::body::Missed;
use crate::circumstances::{Around, Circumstances, Destination};
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
        let (judgement, ()) =
            self.readable(|policy, enforced, around| (policy.judge(request, enforced, &Circumstances::of(request, around)), ()));
        self.counted.judged(&judgement.verdict, judgement.over_budget);
        judgement
    }

    /// What has to be kept of a request for what follows its headers; nothing when no virtual patch depends on it.
    #[must_use]
    pub fn destination(&self, request: Request<'_>) -> Option<Destination> {
        self.enforced.as_ref().filter(|enforced| enforced.settings().has_scopes()).map(|_| Destination::of(request))
    }

    /// Judges the body of a request that has passed, or a part of it, and counts what that adds.
    pub fn judge_body(&mut self, bytes: &[u8], encoding: &[u8], destination: Option<&Destination>) -> (Judgement, Missed) {
        let (judgement, missed) = self.readable(|policy, enforced, around| match enforced {
            Some(enforced) => policy.judge_body(bytes, encoding, enforced, &Circumstances::later(destination, around)),
            None => (Judgement::of(Verdict::Pass), Missed::default()),
        });
        self.counted.judged_further(&judgement.verdict, judgement.over_budget);
        (judgement, missed)
    }

    /// Judges the trailers of a request that has passed, and counts what that adds.
    pub fn judge_trailers(&mut self, trailers: Request<'_>, destination: Option<&Destination>) -> Judgement {
        let (judgement, ()) = self.readable(|policy, enforced, around| match enforced {
            Some(enforced) => (policy.judge_trailers(trailers, enforced, &Circumstances::later(destination, around)), ()),
            None => (Judgement::of(Verdict::Pass), ()),
        });
        self.counted.judged_further(&judgement.verdict, judgement.over_budget);
        judgement
    }

    /// What a blocked request is answered, when somebody has chosen.
    #[must_use]
    pub fn response(&self) -> Option<Answer<'_>> {
        self.enforced.as_ref().and_then(|enforced| enforced.settings().response())
    }

    /// Counts what of a request's body could not be looked at.
    pub fn body_missed(&mut self, missed: Missed) {
        self.counted.body_over_limit += u64::from(missed.over_limit);
        self.counted.body_unread += u64::from(missed.unread);
    }

    /// Judges again when a page is not what the header says: another VM may have put another index into force.
    fn readable<T>(&mut self, judge: impl Fn(&Policy, Option<&Enforced>, &dyn Around) -> (Judgement, T)) -> (Judgement, T) {
        let mut judged = judge(&self.policy, self.enforced.as_ref(), &*self.proxy);
        if judged.0.unreadable {
            if self.catch_up() {
                judged = judge(&self.policy, self.enforced.as_ref(), &*self.proxy);
            }
            if judged.0.unreadable {
                self.counted.pages_unreadable += 1;
                self.page_is_damaged();
            }
        }
        judged
    }
}
