//! What one VM has counted since its start. The set is fixed: nothing of a request ever becomes part of a metric's name.

use crate::verdict::Verdict;

/// Totals; each is a counter of the same name with the prefix `stopleak.`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that were judged.
    pub requests: u64,
    /// Of these, observed.
    pub observed: u64,
    /// Of these, blocked.
    pub blocked: u64,
    /// Of these, met without an index.
    pub not_ready: u64,
    /// Of these, too large to be looked at in full.
    pub over_budget: u64,
    /// Of these, with a body that is larger than what of it was looked at.
    pub body_over_limit: u64,
    /// Of these, with a body whose encoding could not be read.
    pub body_unread: u64,
    /// Attempts that found no room in the buffer.
    pub attempts_dropped: u64,
    /// Pushes that came into force.
    pub pushes_accepted: u64,
    /// Pushes that could not be verified.
    pub pushes_refused: u64,
    /// Requests of which some part could not be looked up: a page in shared data was damaged.
    pub pages_unreadable: u64,
}

/// Number of counters.
pub const COUNTERS: usize = 11;

impl Counted {
    /// The counters' names, in the order of [`Counted::values`].
    pub const NAMES: [&'static str; COUNTERS] = [
        "stopleak.requests",
        "stopleak.requests_observed",
        "stopleak.requests_blocked",
        "stopleak.requests_not_ready",
        "stopleak.requests_over_budget",
        "stopleak.requests_body_over_limit",
        "stopleak.requests_body_unread",
        "stopleak.attempts_dropped",
        "stopleak.pushes_accepted",
        "stopleak.pushes_refused",
        "stopleak.pages_unreadable",
    ];

    /// The totals, in the order of [`Counted::NAMES`].
    #[must_use]
    pub fn values(&self) -> [u64; COUNTERS] {
        let Self { requests, observed, blocked, not_ready, over_budget, body_over_limit, body_unread, .. } = *self;
        let Self { attempts_dropped, pushes_accepted, pushes_refused, pages_unreadable, .. } = *self;
        [
            requests,
            observed,
            blocked,
            not_ready,
            over_budget,
            body_over_limit,
            body_unread,
            attempts_dropped,
            pushes_accepted,
            pushes_refused,
            pages_unreadable,
        ]
    }

    /// Counts a request.
    pub fn judged(&mut self, verdict: &Verdict, over_budget: bool) {
        self.requests += 1;
        self.judged_further(verdict, over_budget);
    }

    /// Counts what the body or the trailers of a request add.
    pub fn judged_further(&mut self, verdict: &Verdict, over_budget: bool) {
        self.over_budget += u64::from(over_budget);
        match verdict {
            // An overflow is counted as over budget.
            Verdict::Pass | Verdict::Overflow => {}
            Verdict::Observe(_) => self.observed += 1,
            Verdict::Block(_) => self.blocked += 1,
            Verdict::NotReady(_) => self.not_ready += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use stopleak_contract::OnNotReady;

    use super::*;

    #[test]
    fn each_verdict_has_its_counter() {
        let mut counted = Counted::default();
        counted.judged(&Verdict::Pass, true);
        counted.judged(&Verdict::NotReady(OnNotReady::Deny), false);
        assert_eq!(counted.values(), [2, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
    }
}
