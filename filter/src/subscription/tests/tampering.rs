//! Byte by byte: whatever happens to a push on its way, what is in force afterwards is the old index or the one that was meant.

use super::*;

/// What is found of the tokens of a leader's index: the old one, and the one that the push brings.
fn found(leader: &Leader) -> [bool; 2] {
    let enforced = leader.enforced.as_ref().unwrap();
    let is_hit = |token: &[u8]| {
        let fingerprint = Fingerprint::of_canonical(&FingerprintKey::new(KEY), &Canonical::of(token));
        matches!(enforced.look_up(&fingerprint), LookUp::Hit(_))
    };
    [is_hit(TOKEN.as_bytes()), is_hit(b"another-fake-token-of-a-test")]
}

/// A push that adds another token.
fn growing(epoch: u64) -> Vec<Vec<u8>> {
    let entries = [TOKEN.as_bytes(), b"another-fake-token-of-a-test"].map(|token| {
        let canonical = Canonical::of(token);
        let fingerprint = Fingerprint::of_canonical(&FingerprintKey::new(KEY), &canonical);
        Entry { fingerprint, leak: 1, action: Action::Block, kind: canonical.kind() }
    });
    let built = build("acme", &FingerprintKey::new(KEY), epoch, 0, entries.to_vec()).unwrap();
    let header = signing_key().seal(built.header).to_wire();
    let mut messages = vec![wrap(to_gateway::Message::Header(header))];
    messages.extend(parts(epoch, 0, &built.shards[0]).map(|part| wrap(to_gateway::Message::Shard(part))));
    messages
}

/// The old index whole, or the new one whole.
fn assert_all_or_nothing(leader: &Leader, what: &str) {
    let expected = if leader.epoch() == 6 { [true, true] } else { [true, false] };
    assert!(matches!(leader.epoch(), 5 | 6), "{what}");
    assert_eq!(found(leader), expected, "{what}");
}

/// The stream that follows is as good as ever.
fn assert_goes_on(mut leader: Leader, what: &str) {
    leader.hello();
    leader.receive(&welcome("acme"));
    assert!(matches!(leader.receive_all(&growing(7)), Event::Complete), "{what}");
    assert_eq!((leader.epoch(), found(&leader)), (7, [true, true]), "{what}");
}

#[test]
fn no_changed_byte_of_a_push_changes_what_is_in_force() {
    let push = growing(6);
    for (message, bytes) in push.iter().enumerate() {
        for at in 0..bytes.len() {
            let mut leader = Leader::at_epoch(5);
            let mut tampered = push.clone();
            tampered[message][at] ^= 1 << (at % 8);
            for message in &tampered {
                leader.receive(message);
            }
            let what = format!("byte {at} of message {message}");
            assert_all_or_nothing(&leader, &what);
            // Takes longer than all else; what a changed byte could leave behind, its neighbours leave, too.
            if at % 8 == 0 {
                assert_goes_on(leader, &what);
            }
        }
    }
}

#[test]
fn messages_that_are_lost_repeated_or_out_of_order_change_nothing() {
    let push = growing(6);
    let orders: [&[usize]; 6] = [&[0], &[1], &[1, 0], &[0, 0, 1], &[0, 1, 1], &[1, 1, 0, 0]];
    for order in orders {
        let mut leader = Leader::at_epoch(5);
        for &message in order {
            leader.receive(&push[message]);
        }
        assert_all_or_nothing(&leader, &format!("{order:?}"));
        assert_goes_on(leader, &format!("{order:?}"));
    }
}
