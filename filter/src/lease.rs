//! Which VM of an Envoy holds the stream, and which VMs there are. Nobody decides that: each looks at two records.

use stopleak_contract::feed::wire;

/// A lease that is not renewed for that long is void: its VM has trapped, or belongs to a configuration that is gone.
const LEASE_MS: u64 = 2_000;

/// How often it is renewed.
const RENEW_MS: u64 = 500;

/// A worker that does not show itself for that long is not there any more.
const ABSENT_MS: u64 = 3_000;

/// How often it shows itself.
const SHOW_MS: u64 = 1_000;

/// Whether anybody may take it. A lease from the future is void too: the clock was set back.
#[must_use]
pub fn is_void(lease: &wire::Lease, now_ms: u64) -> bool {
    lease.worker.is_empty() || now_ms.abs_diff(lease.renewed_ms) > LEASE_MS
}

/// Whether its holder should renew it.
#[must_use]
pub fn is_due(lease: &wire::Lease, now_ms: u64) -> bool {
    now_ms.abs_diff(lease.renewed_ms) >= RENEW_MS
}

/// Puts a worker's entry into the list, unless it says nothing new and is not due. Whether the list has changed.
pub fn show(workers: &mut wire::Workers, entry: &wire::Worker) -> bool {
    let Some(known) = workers.workers.iter_mut().find(|worker| worker.id == entry.id) else {
        workers.workers.push(entry.clone());
        return true;
    };
    let is_news = (known.epoch, known.tokens, known.queue) != (entry.epoch, entry.tokens, entry.queue);
    let changed = is_news || entry.seen_ms.abs_diff(known.seen_ms) >= SHOW_MS;
    if changed {
        known.clone_from(entry);
    }
    changed
}

/// Removes who is not there any more. Whether the list has changed.
pub fn remove_absent(workers: &mut wire::Workers, now_ms: u64) -> bool {
    let before = workers.workers.len();
    workers.workers.retain(|worker| now_ms.abs_diff(worker.seen_ms) <= ABSENT_MS);
    workers.workers.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_void_when_it_is_nobodys_old_or_from_the_future() {
        let lease = |renewed_ms| wire::Lease { worker: vec![1], renewed_ms, ..Default::default() };
        assert!(is_void(&wire::Lease::default(), 0));
        assert!(!is_void(&lease(10_000), 10_000 + LEASE_MS));
        assert!(is_void(&lease(10_000), 10_001 + LEASE_MS));
        assert!(is_void(&lease(10_001 + LEASE_MS), 10_000));
        assert!(!is_due(&lease(10_000), 10_000 + RENEW_MS - 1));
        assert!(is_due(&lease(10_000), 10_000 + RENEW_MS));
    }

    #[test]
    fn the_list_changes_with_news_and_once_a_second() {
        let mut workers = wire::Workers::default();
        let entry = |epoch, seen_ms| wire::Worker { id: vec![1], epoch, seen_ms, ..Default::default() };
        assert!(show(&mut workers, &entry(1, 0)));
        assert!(!show(&mut workers, &entry(1, SHOW_MS - 1)));
        assert!(show(&mut workers, &entry(1, SHOW_MS)));
        assert!(show(&mut workers, &entry(2, SHOW_MS)));
        assert!(show(&mut workers, &wire::Worker { id: vec![2], ..Default::default() }));
        assert_eq!(workers.workers.len(), 2);
        assert!(!remove_absent(&mut workers, ABSENT_MS));
        assert!(remove_absent(&mut workers, ABSENT_MS + 1));
        assert_eq!(workers.workers.len(), 1);
    }
}
