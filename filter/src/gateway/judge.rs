//! Judging requests: their headers, and what follows.

use stopleak_contract::settings::Answer;

use super::Gateway;
use crate::body::Missed;
use crate::circumstances::{Circumstances, Destination, Place};
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
        let judge = |policy: &Policy, enforced: Option<&Enforced>, circumstances: Option<&Circumstances<'_>>| {
            (policy.judge(request, enforced, circumstances), ())
        };
        let (judgement, ()) = self.readable(Place::Headers(request), judge);
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
        let (judgement, missed) = self.readable(Place::Kept(destination), |policy, enforced, circumstances| match enforced {
            Some(enforced) => policy.judge_body(bytes, encoding, enforced, circumstances),
            None => (Judgement::of(Verdict::Pass), Missed::default()),
        });
        self.counted.judged_further(&judgement.verdict, judgement.over_budget);
        (judgement, missed)
    }

    /// Judges the trailers of a request that has passed, and counts what that adds.
    pub fn judge_trailers(&mut self, trailers: Request<'_>, destination: Option<&Destination>) -> Judgement {
        let (judgement, ()) = self.readable(Place::Kept(destination), |policy, enforced, circumstances| match enforced {
            Some(enforced) => (policy.judge_trailers(trailers, enforced, circumstances), ()),
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
    fn readable<T>(&mut self, place: Place<'_>, judge: impl Judge<T>) -> (Judgement, T) {
        let mut judged = judge(&self.policy, self.enforced.as_ref(), None);
        if judged.0.verdict.is_refusal() {
            self.reconsider(&mut judged, place, &judge);
        }
        if judged.0.unreadable {
            if self.catch_up() {
                judged = judge(&self.policy, self.enforced.as_ref(), None);
                self.reconsider(&mut judged, place, &judge);
            }
            if judged.0.unreadable {
                self.counted.pages_unreadable += 1;
                self.page_is_damaged();
            }
        }
        judged
    }

    /// Judges again when a patch does not block here and now: there may be another token, whose patch does. All others are judged once,
    /// and without a thought of where they go.
    #[cold]
    fn reconsider<T>(&self, judged: &mut (Judgement, T), place: Place<'_>, judge: &impl Judge<T>) {
        let Some(enforced) = &self.enforced else { return };
        let circumstances = Circumstances::new(place, &*self.proxy);
        if !circumstances.bear_out(&judged.0.verdict, enforced.settings()) {
            *judged = judge(&self.policy, Some(enforced), Some(&circumstances));
        }
    }
}

/// Judges what it has taken along.
trait Judge<T>: Fn(&Policy, Option<&Enforced>, Option<&Circumstances<'_>>) -> (Judgement, T) {}

impl<T, F: Fn(&Policy, Option<&Enforced>, Option<&Circumstances<'_>>) -> (Judgement, T)> Judge<T> for F {}
