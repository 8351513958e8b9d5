//! Coalescing, bounds, and delivery at least once.

use stopleak_contract::feed::wire::Place;
use stopleak_contract::{Fingerprint, FingerprintKey, Token};

use super::*;

/// Late enough for everything that waits.
const NOW: u64 = 200_000;

fn used(path: &str, at_ms: u64) -> Use {
    let token = Token::parse(b"fk_9aQ7zLm2Xw4RtB8v").unwrap();
    Use {
        found: Match {
            leak: 42,
            fingerprint: Fingerprint::of(&FingerprintKey::new([7; 32]), &token),
            place: Place::Header,
            header: "x-api-key".to_owned(),
        },
        outcome: Outcome::Observed,
        client: "192.0.2.7".to_owned(),
        route: Route { method: "GET".to_owned(), host: "api".to_owned(), path: path.to_owned() },
        status: 200,
        at_ms,
    }
}

fn buffer() -> AttemptBuffer {
    AttemptBuffer::new([9; 8])
}

#[test]
fn uses_that_agree_are_one_attempt() {
    let mut buffer = buffer();
    for at_ms in [60_000, 60_500, 119_999] {
        buffer.record(used("/a", at_ms));
    }
    buffer.record(used("/a", 120_000));
    buffer.record(used("/b", 60_000));
    buffer.record(Use { client: "192.0.2.8".to_owned(), ..used("/a", 60_000) });
    buffer.record(Use { status: 401, ..used("/a", 60_000) });
    buffer.record(Use { outcome: Outcome::Blocked, ..used("/a", 60_000) });
    let found = used("/a", 60_000).found;
    buffer.record(Use { found: Match { place: Place::Query, ..found.clone() }, ..used("/a", 60_000) });
    buffer.record(Use { found: Match { header: "x-other".to_owned(), ..found.clone() }, ..used("/a", 60_000) });
    buffer.record(Use { found: Match { leak: 43, ..found }, ..used("/a", 60_000) });

    let attempts = &buffer.next_batch(NOW).unwrap().attempts;
    assert_eq!(attempts.len(), 9);
    let coalesced = attempts.iter().find(|attempt| attempt.count > 1).unwrap();
    assert_eq!((coalesced.count, coalesced.first_seen_ms, coalesced.last_seen_ms), (3, 60_000, 119_999));
}

#[test]
fn where_a_part_ends_matters() {
    assert_ne!(key("a", &[b"b", b"c"]), key("a", &[b"bc"]));
    assert_ne!(key("a", &[b"bc", b""]), key("a", &[b"", b"bc"]));
    assert_ne!(key("a", &[b"b"]), key("b", &[b"b"]));
}

#[test]
fn ids_are_unique() {
    let mut buffer = buffer();
    for n in 0..100 {
        buffer.record(Use { client: format!("192.0.2.{n}"), ..used("/a", 0) });
    }
    let mut ids: Vec<_> = buffer.next_batch(NOW).unwrap().attempts.iter().map(|attempt| attempt.id.clone()).collect();
    assert!(ids.iter().all(|id| id.len() == 16));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[test]
fn a_batch_is_kept_until_it_is_stored_and_only_one_is_on_its_way() {
    let mut buffer = buffer();
    assert!(buffer.next_batch(NOW).is_none());
    buffer.record(used("/a", 0));
    let first = buffer.next_batch(NOW).unwrap().clone();
    buffer.record(used("/a", 0));
    assert!(buffer.next_batch(NOW).is_none(), "the first is not acknowledged");
    assert_eq!(buffer.unacknowledged(), Some(&first), "to be sent again with the same ids");

    buffer.acknowledge(first.batch + 1);
    assert!(buffer.unacknowledged().is_some(), "an acknowledgement of another batch changes nothing");
    buffer.acknowledge(first.batch);
    let second = buffer.next_batch(NOW).unwrap();
    assert_ne!(second.attempts[0].id, first.attempts[0].id, "what came later is another attempt");
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut buffer = buffer();
    let from = |client: usize| Use { client: client.to_string(), route: used("/a", 0).route, status: 200, ..used("/a", 0) };
    for client in 0..MAX_WAITING {
        buffer.record(from(client));
    }
    for status in 0..5 {
        buffer.record(Use { status, ..from(0) });
    }
    buffer.record(from(0));
    assert_eq!(buffer.dropped(), 5, "a use of a known attempt needs no room");

    let mut sent = 0;
    while let Some(batch) = buffer.next_batch(NOW).cloned() {
        assert!(batch.attempts.len() <= MAX_BATCH);
        sent += batch.attempts.len();
        buffer.acknowledge(batch.batch);
    }
    assert_eq!(sent, MAX_WAITING);
}

#[test]
fn whoever_holds_a_token_does_not_choose_how_much_is_stored() {
    let mut buffer = buffer();
    for n in 0..10_000 {
        buffer.record(used(&format!("/{n}"), 0));
    }
    let attempts = &buffer.next_batch(0).unwrap().attempts;
    assert_eq!(attempts.len(), MAX_WAYS + 1);
    let rest = attempts.iter().find(|attempt| attempt.path == OTHER).unwrap();
    assert_eq!(rest.header, OTHER);
    assert_eq!((rest.count, buffer.dropped()), (10_000 - u32::try_from(MAX_WAYS).unwrap(), 0), "each use is counted");
}

#[test]
fn nor_by_the_header_that_carries_it() {
    let mut buffer = buffer();
    for n in 0..1_000 {
        let used = used("/a", 0);
        buffer.record(Use { found: Match { header: format!("x-{n}"), ..used.found }, ..used });
    }
    assert_eq!(buffer.next_batch(0).unwrap().attempts.len(), MAX_WAYS + 1);
}

#[test]
fn the_first_use_is_sent_at_once_and_further_ones_together() {
    let mut buffer = buffer();
    let mut sent = 0;
    for at_ms in (0..60_000).step_by(100) {
        buffer.record(used("/a", at_ms));
        if let Some(batch) = buffer.next_batch(at_ms).map(|batch| batch.batch) {
            assert!(sent > 0 || at_ms == 0);
            sent += 1;
            buffer.acknowledge(batch);
        }
    }
    assert!((2..=13).contains(&sent), "{sent} attempts in a minute of 600 uses");
}
