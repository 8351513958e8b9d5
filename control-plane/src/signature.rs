//! How messages between servers are signed: `t=<unix time>,v1=<HMAC-SHA256 of "t.body" in hexadecimal>`.

use std::fmt::Write as _;

use ring::hmac;

/// The header that carries a signature.
pub const HEADER: &str = "stopleak-signature";

/// Signs a body, at this second since the Unix epoch.
#[must_use]
pub fn sign(secret: &str, seconds: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let mut signature = format!("t={seconds},v1=");
    for byte in context.sign().as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(signature, "{byte:02x}");
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac a-secret`.
    #[test]
    fn the_signature_is_what_other_tools_compute() {
        let expected = "18a1396a720cbf5a6d3abfce80973b6d360b24ca302dba672536bb9482887da2";
        assert_eq!(sign("a-secret", 1_700_000_000, br#"{"a":1}"#), format!("t=1700000000,v1={expected}"));
    }
}
