//! How often one address may ask: a bucket for each, in bounded memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often each address may ask.
pub struct RateLimit {
    /// One more is allowed each time that so much has passed.
    step: Duration,
    /// How far ahead of that somebody may be who has not asked for a while.
    ahead: Duration,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    /// When each will have made up for what it has asked. One for which that is past is as good as none.
    even_at: HashMap<Whose, Instant>,
    swept_at: Option<Instant>,
}

/// Whose a bucket is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Address(IpAddr),
    /// Everybody's for whom there was no room.
    Others,
}

/// More addresses than that at a time share one bucket. Some 64 bytes each.
const MAX_BUCKETS: usize = 20_000;
/// Sweeping looks at all of them, so it is not done at every request.
const SWEEP_STEP: Duration = Duration::from_secs(1);

impl RateLimit {
    /// So many at once, and one more each time that `step` has passed.
    #[must_use]
    pub fn new(at_once: u32, step: Duration) -> Self {
        Self { step, ahead: step * at_once.saturating_sub(1), buckets: Mutex::default() }
    }

    /// Counts a request, or says how long to wait before the next.
    pub fn admit(&self, client: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = buckets.room_for(client.map_or(Whose::Others, |address| Whose::Address(network(address))), now);
        let even_at = buckets.even_at.entry(whose).or_insert(now);
        let owed = even_at.saturating_duration_since(now);
        if owed > self.ahead {
            return Err(owed.saturating_sub(self.ahead));
        }
        *even_at = now + owed + self.step;
        Ok(())
    }
}

impl Buckets {
    fn room_for(&mut self, whose: Whose, now: Instant) -> Whose {
        if self.even_at.len() < MAX_BUCKETS || self.even_at.contains_key(&whose) {
            return whose;
        }
        if self.swept_at.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_STEP) {
            self.swept_at = Some(now);
            self.even_at.retain(|_, even_at| *even_at > now);
        }
        if self.even_at.len() < MAX_BUCKETS { whose } else { Whose::Others }
    }
}

/// Whoever has one address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn so_many_at_once_and_then_one_each_step() {
        let (limit, start) = (RateLimit::new(3, SECOND), Instant::now());
        let one = address("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(limit.admit(one, start), Ok(()));
        }
        assert_eq!(limit.admit(one, start), Err(SECOND));
        assert_eq!(limit.admit(address("192.0.2.2"), start), Ok(()), "nobody pays for another");
        assert_eq!(limit.admit(one, start + SECOND / 2), Err(SECOND / 2), "a refusal costs nothing");
        assert_eq!(limit.admit(one, start + SECOND), Ok(()));
        assert_eq!(limit.admit(one, start + SECOND), Err(SECOND));
        let later = start + 60 * SECOND;
        assert_eq!([0; 4].map(|_| limit.admit(one, later).is_ok()), [true, true, true, false], "nothing is saved up");
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let (limit, now) = (RateLimit::new(1, SECOND), Instant::now());
        assert_eq!(limit.admit(address("2001:db8::1"), now), Ok(()));
        assert!(limit.admit(address("2001:db8::ffff:2"), now).is_err());
        assert_eq!(limit.admit(address("2001:db8:0:1::1"), now), Ok(()));
        assert_eq!(limit.admit(address("::ffff:192.0.2.1"), now), Ok(()));
        assert!(limit.admit(address("192.0.2.1"), now).is_err());
    }

    #[test]
    fn memory_is_bounded_and_made_free() {
        let (limit, start) = (RateLimit::new(1, SECOND), Instant::now());
        let nth = |n: usize| Some(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()));
        for n in 0..MAX_BUCKETS {
            assert_eq!(limit.admit(nth(n), start), Ok(()));
        }
        assert_eq!(limit.admit(nth(MAX_BUCKETS), start), Ok(()), "the others share one");
        assert!(limit.admit(nth(MAX_BUCKETS + 1), start).is_err());
        assert!(limit.admit(nth(0), start).is_err(), "who had one keeps it");
        assert_eq!(limit.buckets.lock().unwrap().even_at.len(), MAX_BUCKETS + 1);
        assert_eq!(limit.admit(nth(MAX_BUCKETS + 2), start + 2 * SECOND), Ok(()));
        assert_eq!(limit.buckets.lock().unwrap().even_at.len(), 1);
    }
}
