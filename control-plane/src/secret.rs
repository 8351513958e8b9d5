//! Secrets that Stopleak itself hands out, API tokens, gateways' credentials and webhooks' secrets, and texts that may be tokens of others.

use serde::Deserialize;
use stopleak_detector::crc32_base62;
use zeroize::Zeroizing;

/// A secret of 256 random bits, with a prefix and a checksum by which scanners recognise it.
///
/// It is shown once, to whoever asked for it; what is kept is its [`Secret::hash`], or the nonce that it was derived of.
pub struct Secret(Zeroizing<String>);

/// What a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `slk_`: an API token.
    ApiToken,
    /// `slg_`: a gateway's credential.
    Gateway,
    /// `slw_`: opens nothing; it signs what a webhook delivers, to us or from us.
    Webhook,
    /// `sls_`: a person's session.
    Session,
}

/// A text that may be a token: overwritten when dropped, and never shown.
#[derive(Deserialize)]
#[serde(from = "String")]
pub struct SecretText(pub Zeroizing<String>);

/// 43 digits of base 62 carry 256 bits.
const DIGITS: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Random bytes below this are spread evenly over the 62 digits; the others are drawn again.
const FAIR: u8 = 248;

impl Purpose {
    /// What its secrets begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiToken => "slk_",
            Self::Gateway => "slg_",
            Self::Webhook => "slw_",
            Self::Session => "sls_",
        }
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Secret {
    /// Draws a new one from the system's source of randomness.
    pub fn generate(purpose: Purpose) -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self::derived(purpose, &seed))
    }

    /// The one of a seed of 256 random bits, which has to be as secret.
    #[must_use]
    pub fn derived(purpose: Purpose, seed: &[u8; 32]) -> Self {
        let mut bytes = blake3::Hasher::new_keyed(seed).finalize_xof();
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(purpose.prefix());
        while text.len() < purpose.prefix().len() + DIGITS {
            let mut byte = [0];
            bytes.fill(&mut byte);
            if byte[0] < FAIR {
                text.push(char::from(BASE62[usize::from(byte[0]) % BASE62.len()]));
            }
        }
        let checksum = crc32_base62(&text.as_bytes()[purpose.prefix().len()..]);
        text.push_str(&checksum);
        Self(text)
    }

    /// Takes what a caller presents.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.trim().to_owned()))
    }

    /// What is stored: 256 random bits need no slow hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(self.0.as_bytes()).as_bytes()
    }

    /// The secret itself, for the one who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the text claims to open, for messages that help.
    #[must_use]
    pub fn purpose(&self) -> Option<Purpose> {
        [Purpose::ApiToken, Purpose::Gateway, Purpose::Webhook, Purpose::Session]
            .into_iter()
            .find(|purpose| self.0.starts_with(purpose.prefix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_scanner_finds_what_we_hand_out() {
        let detector = stopleak_detector::Detector::new(&stopleak_detector::Rules::built_in());
        for (purpose, rule) in [(Purpose::ApiToken, "stopleak-api-token"), (Purpose::Gateway, "stopleak-gateway-credential")] {
            let secret = Secret::generate(purpose).unwrap();
            let found = |text: &str| {
                let mut is_found = false;
                detector.scan(text.as_bytes(), |found| is_found |= found.rule.id() == rule);
                is_found
            };
            assert!(found(&format!("TOKEN={}\n", secret.expose())), "{rule}");
            let swapped: String = secret.expose().chars().rev().collect();
            assert!(!found(&format!("TOKEN={}{}\n", purpose.prefix(), &swapped[..49])), "{rule}: its checksum is not checked");
        }
    }

    #[test]
    fn a_secret_has_prefix_entropy_and_checksum() {
        let (one, other) = (Secret::generate(Purpose::ApiToken).unwrap(), Secret::generate(Purpose::ApiToken).unwrap());
        assert_ne!(one.expose(), other.expose());
        let body = one.expose().strip_prefix("slk_").unwrap();
        let (digits, checksum) = body.split_at(DIGITS);
        assert_eq!(checksum, crc32_base62(digits.as_bytes()));
        assert_eq!(Secret::presented(&format!(" {}\n", one.expose())).hash(), one.hash());
        assert_eq!(Secret::generate(Purpose::Gateway).unwrap().purpose(), Some(Purpose::Gateway));
        let derived = |seed| Secret::derived(Purpose::Webhook, &[seed; 32]).expose().to_owned();
        assert!(derived(1) == derived(1) && derived(1) != derived(2), "a derived secret is its seed's");
    }
}
