//! How messages between servers are signed: `t=<Unix seconds>,v1=<hexadecimal HMAC-SHA256 of "t.body">`.
//!
//! The time is signed too, so that what somebody overheard is of no use five minutes later.

use std::time::Duration;

use ring::hmac;
use zeroize::Zeroizing;

use crate::time::Time;

/// A signature as it came, not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Unix seconds.
    seconds: u64,
    mac: [u8; 32],
}

/// The header that carries a signature.
pub const HEADER: &str = "stopleak-signature";
/// How far the sender's clock may be from ours, either way.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// Signs a body at this second since the Unix epoch: what the header says.
#[must_use]
pub fn sign(secret: &str, seconds: u64, body: &[u8]) -> String {
    let mut mac = [0; 32];
    mac.copy_from_slice(hmac::sign(&key(secret), &signed(seconds, body)).as_ref());
    format!("t={seconds},v1={}", blake3::Hash::from_bytes(mac).to_hex())
}

impl Signature {
    /// Reads the header.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, mac) = text.trim().strip_prefix("t=")?.split_once(",v1=")?;
        // `parse` alone would take a sign, and then another text would be signed than the one that was sent.
        let plain = seconds.bytes().all(|b| b.is_ascii_digit()) && !seconds.starts_with('0');
        let seconds = plain.then(|| seconds.parse().ok())??;
        Some(Self { seconds, mac: *blake3::Hash::from_hex(mac).ok()?.as_bytes() })
    }

    /// Whether it was made at about this time.
    #[must_use]
    pub fn is_timely(&self, now: Time) -> bool {
        let signed = Time::from_millis(self.seconds.saturating_mul(1000));
        signed.age(now).max(now.age(signed)) <= TOLERANCE
    }

    /// Whether it is by this secret and over this body; takes the same time wherever it differs.
    #[must_use]
    pub fn is_by(&self, secret: &str, body: &[u8]) -> bool {
        hmac::verify(&key(secret), &signed(self.seconds, body), &self.mac).is_ok()
    }

    /// What tells it from others.
    #[must_use]
    pub fn mac(&self) -> &[u8; 32] {
        &self.mac
    }

    /// When it is too old to be taken.
    #[must_use]
    pub fn expires_at(&self) -> Time {
        Time::from_millis(self.seconds.saturating_mul(1000)).plus(TOLERANCE)
    }
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

/// What is signed; bodies may hold tokens.
fn signed(seconds: u64, body: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([seconds.to_string().as_bytes(), b".", body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(secret: &str, seconds: u64, body: &[u8]) -> Signature {
        Signature::parse(&sign(secret, seconds, body)).unwrap()
    }

    #[test]
    fn a_signature_is_of_one_secret_time_and_body() {
        let signature = read("slw_test", 1_700_000_000, b"body");
        assert!(signature.is_by("slw_test", b"body"));
        assert!(!signature.is_by("slw_test", b"bodz"));
        assert!(!signature.is_by("slw_other", b"body"));
        let later = Signature { seconds: 1_700_000_001, ..signature };
        assert!(!later.is_by("slw_test", b"body"), "the time is signed");
    }

    /// By `printf '%s' '1700000000.body' | openssl dgst -sha256 -hmac slw_test`.
    #[test]
    fn others_sign_the_same() {
        let signature = sign("slw_test", 1_700_000_000, b"body");
        assert_eq!(signature, "t=1700000000,v1=eaeea3e2e06f08dca6e1dbb2b6fa23e3c25e77a75d04aac91732a6368e635b3a");
    }

    #[test]
    fn times_outside_of_the_tolerance_are_refused() {
        let signature = read("s", 1_700_000_000, b"");
        for (millis, expected) in [
            (1_700_000_000_000, true),
            (1_700_000_300_000, true),
            (1_700_000_300_001, false),
            (1_699_999_700_000, true),
            (1_699_999_699_999, false),
        ] {
            assert_eq!(signature.is_timely(Time::from_millis(millis)), expected, "{millis}");
        }
        let endless = Signature { seconds: u64::MAX, ..signature };
        assert!(!endless.is_timely(Time::from_millis(1_700_000_000_000)));
    }

    #[test]
    fn only_the_one_form_is_read() {
        let mac = "0".repeat(64);
        for text in ["", "t=1", "v1=00", "t=1,v1=00", "t=,v1=", "t=+1,v1=", "t=01,v1=", "t=-1,v1=", "t=1;v1="] {
            let text = if text.ends_with("v1=") { format!("{text}{mac}") } else { text.to_owned() };
            assert_eq!(Signature::parse(&text), None, "{text}");
        }
        assert!(Signature::parse(&format!("t=1,v1={mac}")).is_some());
    }
}
