//! What the index says of one fingerprint, and how that is packed into an `fst` value.

use crate::Fingerprint;
use crate::token::Kind;

/// A leak's number within its tenant, as in `LK-42`.
pub type LeakNumber = u32;

/// What a gateway does about a request that carries the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it pass and report it: the leak is open.
    Observe,
    /// Refuse it and report it: the leak has a virtual patch.
    Block,
}

/// One fingerprint of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The token's fingerprint.
    pub fingerprint: Fingerprint,
    /// The leak it belongs to.
    pub leak: LeakNumber,
    /// What to do.
    pub action: Action,
    /// Length and classes of the canonical token.
    pub kind: Kind,
}

/// The control plane keeps millions of them.
const _: () = assert!(size_of::<Entry>() == 40);

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The leak that the token belongs to.
    pub leak: LeakNumber,
    /// What to do.
    pub action: Action,
}

/// The largest leak number that fits: 4,194,303.
pub const MAX_LEAK: LeakNumber = (1 << LEAK_BITS) - 1;

/// Bits of the fingerprint that are compared beside the path through the map.
pub(super) const CHECK_BITS: u32 = 41;
const ACTION_BITS: u32 = 1;
const LEAK_BITS: u32 = 22;
const _: () = assert!(CHECK_BITS + ACTION_BITS + LEAK_BITS == 64);

/// Layout from the top: 41 bits of check, 1 of action, 22 of leak number.
pub(super) fn pack(entry: &Entry) -> u64 {
    let action: u64 = match entry.action {
        Action::Observe => 0,
        Action::Block => 1,
    };
    check(&entry.fingerprint) << (ACTION_BITS + LEAK_BITS) | action << LEAK_BITS | u64::from(entry.leak & MAX_LEAK)
}

/// `None` when the value belongs to another fingerprint with the same path.
pub(super) fn unpack(value: u64, fingerprint: &Fingerprint) -> Option<Hit> {
    if value >> (ACTION_BITS + LEAK_BITS) != check(fingerprint) {
        return None;
    }
    let action = if (value >> LEAK_BITS) & 1 == 1 { Action::Block } else { Action::Observe };
    let leak = LeakNumber::try_from(value & u64::from(MAX_LEAK)).ok()?;
    Some(Hit { leak, action })
}

/// The last bits: a path from the front never gets that far.
fn check(fingerprint: &Fingerprint) -> u64 {
    let [.., last] = fingerprint.words();
    last & ((1 << CHECK_BITS) - 1)
}
