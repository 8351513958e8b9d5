//! Lock-out: after some wrong passwords, each further try has to wait longer than the one before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Time;

/// Wrong passwords that have no consequence: people mistype.
const FREE: i64 = 5;
/// The first wait; it doubles with each further try.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait: who knows a name can keep its owner out that long, and not for ever.
const LONGEST: Duration = Duration::from_mins(15);
/// Clocks of two servers may differ by that much: a try that the other has just counted lies ahead, and counts.
const SKEW: Duration = Duration::from_mins(1);
/// The free tries and as many as the wait may still double.
const MAX_DOUBLINGS: u32 = 12;

/// How long an account with so many failures has to wait before its password is looked at again.
#[must_use]
pub fn wait(failures: i64, failed_at: Option<Time>, now: Time) -> Option<Duration> {
    let over = u32::try_from((failures - FREE).min(i64::from(MAX_DOUBLINGS))).ok()?;
    let failed_at = failed_at?;
    // A clock that was set back would keep an account locked until it has caught up.
    if now.age(failed_at) > SKEW {
        return None;
    }
    let wait = FIRST.saturating_mul(1 << over).min(LONGEST);
    wait.checked_sub(failed_at.age(now)).filter(|left| !left.is_zero())
}

/// Names that nobody has: they are locked like accounts, in memory, so that a lock does not tell which names there are.
#[derive(Debug, Default)]
pub struct UnknownNames(Mutex<HashMap<[u8; 32], (i64, Time)>>);

/// Names that are remembered. Whoever tries more than that has long met the limit of their address.
const MAX_NAMES: usize = 10_000;

impl UnknownNames {
    /// Counts a try; how long the next has to wait when it came too early.
    pub fn try_again(&self, name: &str, now: Time) -> Option<Duration> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // By its hash: a name that nobody has may be as long as a request.
        let name = *blake3::hash(name.as_bytes()).as_bytes();
        if names.len() >= MAX_NAMES && !names.contains_key(&name) {
            names.retain(|_, (failures, at)| wait(*failures, Some(*at), now).is_some());
            if names.len() >= MAX_NAMES {
                return None;
            }
        }
        let (failures, failed_at) = names.entry(name).or_insert((0, now));
        let left = wait(*failures, Some(*failed_at), now);
        if left.is_none() {
            (*failures, *failed_at) = (*failures + 1, now);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_ends() {
        let at = |seconds: u64| Time::from_millis(1_000_000 + seconds * 1000);
        for (failures, after, left) in
            [(0, 0, None), (4, 0, None), (5, 0, Some(2)), (5, 2, None), (6, 1, Some(3)), (8, 0, Some(16))]
        {
            assert_eq!(wait(failures, Some(at(0)), at(after)), left.map(Duration::from_secs), "{failures} after {after}");
        }
        assert_eq!(wait(i64::MAX, Some(at(0)), at(0)), Some(LONGEST));
        assert_eq!(wait(5, Some(at(1)), at(0)), Some(FIRST), "counted by another server, whose clock is ahead");
        assert_eq!(wait(9, Some(at(3600)), at(0)), None, "the clock was set back");
        assert_eq!(wait(9, Some(at(0)), at(99_999_999)), None, "the clock was set forward");
    }

    #[test]
    fn a_name_of_any_length_takes_the_same_room() {
        let (names, long) = (UnknownNames::default(), "x".repeat(1024 * 1024));
        let at = Time::from_millis(1_000_000);
        for _ in 0..FREE {
            assert_eq!(names.try_again(&long, at), None);
        }
        assert!(names.try_again(&long, at).is_some() && names.try_again("x", at).is_none());
        assert!(format!("{names:?}").len() < 1024);
    }
}
