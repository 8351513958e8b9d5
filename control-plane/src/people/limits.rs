//! How often somebody may try: by the monotonic clock, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many in a time, spread evenly, with the whole of them at once after a pause (the "generic cell rate algorithm").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: u32,
    /// In what time.
    pub window: Duration,
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Requests that may come at once now.
    pub remaining: u32,
    /// Until the whole quota is there again, or, with none left, until the next request is let in.
    pub reset: Duration,
}

/// Who has used how much of a quota.
#[derive(Debug)]
pub struct Limiter<K> {
    quota: Quota,
    /// Until when each one's requests are paid for.
    paid: Mutex<HashMap<K, Instant>>,
}

/// Callers that are remembered at once; 10,000 take less than a megabyte.
const MAX_CALLERS: usize = 10_000;

impl<K: Eq + Hash> Limiter<K> {
    /// Nobody has used anything.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self { quota, paid: Mutex::default() }
    }

    /// The quota that everybody has.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one; an error when nothing is left.
    pub fn take(&self, caller: K, now: Instant) -> Result<Left, Left> {
        let step = self.quota.window / self.quota.count.max(1);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MAX_CALLERS && !paid.contains_key(&caller) {
            make_room(&mut paid, now);
        }
        let until = paid.entry(caller).or_insert(now);
        let used = until.saturating_duration_since(now);
        if used + step > self.quota.window {
            return Err(Left { remaining: 0, reset: (used + step).saturating_sub(self.quota.window) });
        }
        *until = now.max(*until) + step;
        let used = used + step;
        let remaining = self.quota.window.saturating_sub(used).as_nanos() / step.as_nanos().max(1);
        Ok(Left { remaining: u32::try_from(remaining).unwrap_or(u32::MAX), reset: used })
    }
}

/// Forgets those who have their whole quota again; when that is nobody, those who are nearest to it.
fn make_room<K>(paid: &mut HashMap<K, Instant>, now: Instant) {
    paid.retain(|_, until| *until > now);
    if paid.len() >= MAX_CALLERS {
        let mut ends: Vec<Instant> = paid.values().copied().collect();
        let (_, median, _) = ends.select_nth_unstable(MAX_CALLERS / 2);
        let median = *median;
        paid.retain(|_, until| *until > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_and_comes_back() {
        let limiter = Limiter::new(Quota { count: 3, window: Duration::from_secs(30) });
        let start = Instant::now();
        assert_eq!(limiter.take("a", start), Ok(Left { remaining: 2, reset: Duration::from_secs(10) }));
        assert!(limiter.take("a", start).is_ok() && limiter.take("a", start).is_ok());
        assert_eq!(limiter.take("a", start), Err(Left { remaining: 0, reset: Duration::from_secs(10) }));
        assert!(limiter.take("b", start).is_ok(), "everybody has their own");
        assert!(limiter.take("a", start + Duration::from_secs(10)).is_ok());
        assert!(limiter.take("a", start + Duration::from_secs(10)).is_err());
        assert_eq!(limiter.take("a", start + Duration::from_secs(99)).unwrap().remaining, 2);
    }

    #[test]
    fn memory_is_bounded_and_those_who_use_most_are_kept() {
        let limiter = Limiter::new(Quota { count: 10, window: Duration::from_secs(10) });
        let now = Instant::now();
        for _ in 0..10 {
            limiter.take(usize::MAX, now).unwrap();
        }
        for caller in 0..3 * MAX_CALLERS {
            limiter.take(caller, now).unwrap();
        }
        assert!(limiter.paid.lock().unwrap().len() <= MAX_CALLERS);
        assert!(limiter.take(usize::MAX, now).is_err(), "a flood of others does not help");
    }
}
