//! One public key of GitHub's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::intake::NotGenuine;

/// A point of P-256, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; POINT]);

const POINT: usize = 65;
/// What stands before the point in the one form that is taken (`SubjectPublicKeyInfo`): an elliptic curve's key, of P-256, and the
/// length of what follows. Another curve or form begins otherwise.
const BEFORE: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
const UNCOMPRESSED: u8 = 4;

impl PublicKey {
    /// Reads PEM; `None` when it is no key of P-256.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let inner = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
        let base64: String = inner.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).ok()?;
        let point: [u8; POINT] = der.strip_prefix(&BEFORE)?.try_into().ok()?;
        (point[0] == UNCOMPRESSED).then_some(Self(point))
    }

    /// Whether the key's owner signed the message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NotGenuine> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0);
        key.verify(message, signature).map_err(|_| NotGenuine::Signature)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;

    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    #[test]
    fn only_keys_of_p_256_are_read() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = PublicKey::from_pem(&pair.public_key_pem()).unwrap();
        let der = pair.subject_public_key_info();
        assert_eq!(key.0, der[BEFORE.len()..]);

        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let mut compressed = der.clone();
        compressed[BEFORE.len()] = 2;
        let (longer, shorter) = ([der.as_slice(), &[0]].concat(), &der[..der.len() - 1]);
        for refused in [other.public_key_pem(), pem(&compressed), pem(&longer), pem(shorter), pem(&[]), String::new()] {
            assert_eq!(PublicKey::from_pem(&refused), None, "{refused}");
        }
        assert!(PublicKey::from_pem(&pem(&der).replace("PUBLIC", "PRIVATE")).is_none());
    }

    /// The signed request that GitHub's documentation of the programme shows, and the key that it names.
    #[test]
    fn what_github_itself_signed_is_genuine() {
        let der = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n\
                   AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==";
        let key = PublicKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")).unwrap();
        let signature = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==";
        let signature = STANDARD.decode(signature).unwrap();
        let body = br#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#;
        assert_eq!(key.verify(body, &signature), Ok(()));
        assert_eq!(key.verify(&body[..body.len() - 1], &signature), Err(NotGenuine::Signature));
    }

    #[test]
    fn a_point_off_the_curve_verifies_nothing() {
        let key = PublicKey([UNCOMPRESSED; POINT]);
        assert_eq!(key.verify(b"message", b"signature"), Err(NotGenuine::Signature));
    }
}
