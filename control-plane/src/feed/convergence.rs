//! How far a tenant's epochs have come on this server.

use std::collections::BTreeMap;

use crate::time::Time;

/// How many have which epoch in force: workers of a gateway, gateways of a tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs(BTreeMap<u64, usize>);

/// What is in force in a tenant's gateways that are connected here.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    gateways: Epochs,
    /// Since when any is connected.
    since: Option<Time>,
    /// Since when the lowest of their epochs is that.
    lowest_at: Option<Time>,
    /// What is not settled yet.
    rises: Vec<Rise>,
    /// All epochs up to this one are.
    settled: u64,
}

/// From then on, every gateway that is connected here had this epoch or a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rise {
    pub(super) epoch: u64,
    pub(super) at: Time,
}

/// More than come between two settlements, unless the database is gone; then the epochs beyond get the time of a later one.
const MAX_RISES: usize = 1_024;

impl Epochs {
    /// One's epoch changes; it comes when it had none, and goes when it has none afterwards.
    pub(super) fn swap(&mut self, before: Option<u64>, after: Option<u64>) {
        if let Some(before) = before
            && let Some(count) = self.0.get_mut(&before)
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&before);
            }
        }
        if let Some(after) = after {
            *self.0.entry(after).or_default() += 1;
        }
    }

    pub(super) fn lowest(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }

    /// Each epoch with how many have it, the newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (u64, usize)> {
        self.0.iter().rev().map(|(epoch, count)| (*epoch, *count))
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().sum()
    }
}

impl Convergence {
    /// The epoch in force in a gateway changes.
    pub(super) fn swap(&mut self, before: Option<u64>, after: Option<u64>, now: Time) {
        let lowest = self.gateways.lowest();
        self.gateways.swap(before, after);
        let Some(new) = self.gateways.lowest() else {
            (self.since, self.lowest_at) = (None, None);
            return;
        };
        self.since.get_or_insert(now);
        if lowest == Some(new) {
            return;
        }
        self.lowest_at = Some(now);
        if new > self.settled && lowest.is_none_or(|lowest| new > lowest) {
            if self.rises.len() >= MAX_RISES {
                self.rises.pop();
            }
            self.rises.push(Rise { epoch: new, at: now });
        }
    }

    pub(super) fn gateways(&self) -> &Epochs {
        &self.gateways
    }

    /// Since when any gateway is connected.
    pub(super) fn since(&self) -> Option<Time> {
        self.since
    }

    /// The lowest epoch of all, and since when it is that.
    pub(super) fn lowest(&self) -> Option<Rise> {
        Some(Rise { epoch: self.gateways.lowest()?, at: self.lowest_at? })
    }

    /// What is to be settled, the oldest first.
    pub(super) fn rises(&self) -> &[Rise] {
        &self.rises
    }

    /// Up to which epoch that is done.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// It is done up to an epoch.
    pub(super) fn settle(&mut self, epoch: u64) {
        self.settled = self.settled.max(epoch);
    }

    /// What came before a moment was looked at: what is left of it waits for others, who settle it when they have it, too.
    pub(super) fn looked_at(&mut self, rises: &[Rise]) {
        self.rises.retain(|rise| !rises.contains(rise));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn the_lowest_epoch_rises_with_the_last_gateway() {
        let mut tenant = Convergence::default();
        tenant.swap(None, Some(3), at(1));
        tenant.swap(None, Some(3), at(2));
        tenant.swap(Some(3), Some(4), at(3));
        assert_eq!(tenant.rises(), [Rise { epoch: 3, at: at(1) }]);
        tenant.swap(Some(3), Some(5), at(4));
        tenant.swap(Some(4), Some(5), at(5));
        let rises = tenant.rises().to_vec();
        assert_eq!(rises[1..], [Rise { epoch: 4, at: at(4) }, Rise { epoch: 5, at: at(5) }], "each has its own time");
        tenant.settle(5);
        tenant.looked_at(&rises);

        // One comes with an old index, and goes again.
        tenant.swap(None, Some(2), at(6));
        assert_eq!(tenant.lowest(), Some(Rise { epoch: 2, at: at(6) }));
        tenant.swap(Some(2), None, at(7));
        assert!(tenant.rises().is_empty(), "that was settled before");
        assert_eq!((tenant.since(), tenant.gateways().count()), (Some(at(1)), 2));

        tenant.swap(Some(5), None, at(8));
        tenant.swap(Some(5), None, at(9));
        assert_eq!((tenant.lowest(), tenant.since()), (None, None));
        assert!(tenant.rises().is_empty(), "nobody has it in force");
    }

    #[test]
    fn rises_have_a_limit_and_the_newest_stays() {
        let mut tenant = Convergence::default();
        tenant.swap(None, Some(0), at(0));
        let most = 2 * u64::try_from(MAX_RISES).unwrap();
        for epoch in 1..=most {
            tenant.swap(Some(epoch - 1), Some(epoch), at(epoch));
        }
        assert_eq!(tenant.rises().len(), MAX_RISES);
        assert_eq!(tenant.rises().last(), Some(&Rise { epoch: most, at: at(most) }));
    }
}
