//! Signatures of webhooks' deliveries: `t=<Unix seconds>,v1=<hexadecimal HMAC-SHA256 of "t.body">`.
//!
//! The time is signed too, so that what somebody overheard is of no use five minutes later.

use std::time::Duration;

use ring::hmac;
use zeroize::Zeroizing;

use super::NotGenuine;
use crate::secret::Secret;
use crate::time::Time;

/// A signature as it was sent, not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Unix seconds.
    seconds: u64,
    mac: [u8; 32],
}

/// The header that holds it.
pub const HEADER: &str = "stopleak-signature";
/// How far the sender's clock may be from ours, either way.
pub const TOLERANCE: Duration = Duration::from_mins(5);

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

    /// Signs, as senders do.
    #[must_use]
    pub fn of(secret: &Secret, seconds: u64, body: &[u8]) -> Self {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&key(secret), &signed(seconds, body)).as_ref());
        Self { seconds, mac }
    }

    /// Whether it was made at about this time.
    pub fn check_time(&self, now: Time) -> Result<(), NotGenuine> {
        let signed = Time::from_millis(self.seconds.saturating_mul(1000));
        if signed.age(now).max(now.age(signed)) <= TOLERANCE { Ok(()) } else { Err(NotGenuine::Untimely) }
    }

    /// Whether it is of this secret and body; takes the same time wherever it differs.
    pub fn verify(&self, secret: &Secret, body: &[u8]) -> Result<(), NotGenuine> {
        hmac::verify(&key(secret), &signed(self.seconds, body), &self.mac).map_err(|_| NotGenuine::Signature)
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

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "t={},v1={}", self.seconds, blake3::Hash::from_bytes(self.mac).to_hex())
    }
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())
}

/// What is signed; bodies hold tokens.
fn signed(seconds: u64, body: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([seconds.to_string().as_bytes(), b".", body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_secret_time_and_body() {
        let secret = Secret::presented("slw_test");
        let signature = Signature::of(&secret, 1_700_000_000, b"body");
        let read = Signature::parse(&signature.to_string()).unwrap();
        assert_eq!(read, signature);
        assert_eq!(read.verify(&secret, b"body"), Ok(()));
        assert_eq!(read.verify(&secret, b"bodz"), Err(NotGenuine::Signature));
        assert_eq!(read.verify(&Secret::presented("slw_other"), b"body"), Err(NotGenuine::Signature));
        let later = Signature { seconds: 1_700_000_001, ..signature };
        assert_eq!(later.verify(&secret, b"body"), Err(NotGenuine::Signature), "the time is signed");
    }

    /// By `printf '%s' '1700000000.body' | openssl dgst -sha256 -hmac slw_test`.
    #[test]
    fn others_sign_the_same() {
        let signature = Signature::of(&Secret::presented("slw_test"), 1_700_000_000, b"body").to_string();
        assert_eq!(signature, "t=1700000000,v1=eaeea3e2e06f08dca6e1dbb2b6fa23e3c25e77a75d04aac91732a6368e635b3a");
    }

    #[test]
    fn times_outside_of_the_tolerance_are_refused() {
        let signature = Signature::of(&Secret::presented("s"), 1_700_000_000, b"");
        for (millis, expected) in [
            (1_700_000_000_000, true),
            (1_700_000_300_000, true),
            (1_700_000_300_001, false),
            (1_699_999_700_000, true),
            (1_699_999_699_999, false),
        ] {
            assert_eq!(signature.check_time(Time::from_millis(millis)).is_ok(), expected, "{millis}");
        }
        let endless = Signature { seconds: u64::MAX, ..signature };
        assert_eq!(endless.check_time(Time::from_millis(1_700_000_000_000)), Err(NotGenuine::Untimely));
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
