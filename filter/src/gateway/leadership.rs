//! How a VM comes to hold the stream, and how it comes to hold it no longer.

use std::rc::Rc;

use stopleak_contract::feed::wire;

use super::Gateway;
use super::leader::Leader;
use crate::lease;

/// For that long after it had no luck, a VM does not take the lease: three ticks of the others.
const YIELD_MS: u64 = 300;

impl Gateway {
    /// Takes the lease when nobody has it, renews it, or gives it up.
    pub(super) fn lead_or_follow(&mut self) {
        let now_ms = self.proxy.now_ms();
        self.lease = self.records.lease();
        if self.lease.worker != self.id {
            self.give_way();
            let may_claim = lease::is_void(&self.lease, now_ms) && now_ms.abs_diff(self.yielded_ms) > YIELD_MS;
            let Some(queue) = self.queue.filter(|_| may_claim) else { return };
            let claim = wire::Lease { worker: self.id.to_vec(), queue, renewed_ms: now_ms, stream_since_ms: 0 };
            self.lease = self.records.change_lease(|lease| {
                let free = lease.worker == self.id || lease::is_void(lease, now_ms);
                if free {
                    lease.clone_from(&claim);
                }
                free
            });
        } else if lease::is_due(&self.lease, now_ms) {
            self.hold(self.lease.stream_since_ms);
        }
        if self.lease.worker == self.id {
            self.lead(now_ms);
        }
    }

    /// Leads no longer, and another VM need not wait until the lease is void.
    pub(super) fn give_back(&mut self) {
        let id = self.id;
        if let Some(leader) = self.leader.take() {
            leader.cancel();
            self.lease = self.records.change_lease(|lease| {
                let mine = lease.worker == id;
                if mine {
                    *lease = wire::Lease::default();
                }
                mine
            });
        }
    }

    /// Leads no longer when another VM has the lease: it may have taken it while this one was held up, and what comes over this VM's
    /// stream is then older than what lies in shared data.
    pub(super) fn give_way(&mut self) {
        if self.leader.is_some() && self.records.lease().worker != self.id {
            self.leader.take().iter().for_each(Leader::cancel);
        }
    }

    fn lead(&mut self, now_ms: u64) {
        let (proxy, records) = (&self.proxy, &self.records);
        let leader = self.leader.get_or_insert_with(|| Leader::new(Rc::clone(proxy), records.clone(), self.settings.clone()));
        if leader.connect(self.enforced.as_ref()) {
            self.hold(now_ms);
        } else if leader.is_unlucky() && self.records.workers().workers.len() > 1 {
            // Perhaps one of another configuration reaches it: each has its turn.
            self.give_back();
            self.yielded_ms = now_ms;
        }
    }

    /// Renews the lease and says since when its stream is open.
    pub(super) fn hold(&mut self, stream_since_ms: u64) {
        let (id, renewed_ms) = (self.id, self.proxy.now_ms());
        self.lease = self.records.change_lease(|lease| {
            let mine = lease.worker == id;
            if mine {
                (lease.renewed_ms, lease.stream_since_ms) = (renewed_ms, stream_since_ms);
            }
            mine
        });
    }
}
