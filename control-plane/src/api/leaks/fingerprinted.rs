//! Tokens that the caller has fingerprinted: they stayed where they were, and what is said of them is taken only as far as it fits together.

use schemars::JsonSchema;
use serde::Deserialize;
use stopleak_contract::index::Classes;
use stopleak_contract::{Fingerprint, FingerprintKey, Token};

use super::MAX_TOKENS;
use crate::api::input::{line, whole_needed};
use crate::api::problem::{Answer, Problem};
use crate::keys::TenantKeys;
use crate::leaks::NewToken;
use crate::public_checks::PublicHash;

/// Tokens of which the server gets fingerprints and previews.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprinted {
    /// By which `GET /checks` tells the key that the fingerprints are under: when it is another one by now, nothing is added.
    #[schemars(regex(pattern = HEX))]
    pub(crate) key_check: String,
    /// The same of the second key, while the fingerprint key is being changed.
    #[schemars(regex(pattern = HEX))]
    pub(crate) second_key_check: Option<String>,
    #[schemars(length(min = 1, max = MAX_TOKENS))]
    pub(crate) tokens: Vec<FingerprintedToken>,
}

/// What is told of one token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FingerprintedToken {
    #[schemars(regex(pattern = HEX))]
    pub(crate) fingerprint: String,
    /// Under the second key.
    #[schemars(regex(pattern = HEX))]
    pub(crate) second_fingerprint: Option<String>,
    /// Bytes of its canonical form.
    #[serde(deserialize_with = "whole_needed")]
    #[schemars(range(min = Token::MIN_LEN, max = Token::MAX_LEN))]
    pub(crate) length: usize,
    /// Which bytes its canonical form has, a bit for each kind: digits (1), lower-case letters (2), upper-case letters (4), `-` or `_`
    /// (8), `.` (16), any other (32).
    #[serde(deserialize_with = "whole_needed")]
    #[schemars(range(min = 1, max = 63))]
    pub(crate) classes: u8,
    /// Why it should not be blocked without asking.
    #[schemars(extend("enum" = ["short", "placeholder", "ordinary", "low_entropy", null]))]
    pub(crate) weakness: Option<String>,
    /// The rule that recognised its format.
    #[schemars(length(min = 1, max = MAX_RULE))]
    pub(crate) rule: Option<String>,
    /// For public checks, where the tenant has them: of the canonical form, and only of a token without a `weakness`.
    #[schemars(regex(pattern = HEX))]
    pub(crate) sha256: Option<String>,
    /// A sixth of its characters at either end, four at most, with `…` between them.
    pub(crate) preview: String,
}

const HEX: &str = "^[0-9a-fA-F]{64}$";
const FIELD: &str = "fingerprinted";
const MAX_RULE: usize = 100;
const WEAKNESSES: [&str; 4] = ["short", "placeholder", "ordinary", "low_entropy"];

impl Fingerprinted {
    /// What may be kept of the tokens.
    pub(super) fn take(self, keys: &TenantKeys) -> Answer<Vec<NewToken>> {
        let check = |key: &FingerprintKey| blake3::Hash::from_bytes(key.check()).to_hex().to_string();
        let (first, second) = (check(&keys.all().first), keys.all().second.as_ref().map(check));
        if self.key_check.to_ascii_lowercase() != first || self.second_key_check.map(|text| text.to_ascii_lowercase()) != second {
            let detail = "were made with keys that are not the tenant's, or not any more; ask for the keys again".to_owned();
            return Err(Problem::Invalid { field: FIELD, detail });
        }
        let take = |(position, token): (usize, FingerprintedToken)| {
            let refuse = |what| Problem::Invalid { field: FIELD, detail: format!("token {position}: {what}") };
            token.take(keys, refuse)
        };
        (1..).zip(self.tokens).map(take).collect()
    }
}

impl FingerprintedToken {
    fn take(self, keys: &TenantKeys, refuse: impl Fn(&'static str) -> Problem) -> Answer<NewToken> {
        let of = |text: &str| blake3::Hash::from_hex(text).map_err(|_| refuse("a hash is not 64 hexadecimal digits"));
        let fingerprint = |text: &str| of(text).map(|hash| Fingerprint::from_stored(hash.as_bytes()));
        let missing = || refuse("it needs a fingerprint under each key");
        let first = fingerprint(&self.fingerprint)?.ok_or_else(missing)?;
        let other = self.second_fingerprint.as_deref().map(fingerprint).transpose()?.flatten();
        if other.is_some() != keys.all().second.is_some() {
            return Err(missing());
        }
        if !(Token::MIN_LEN..=Token::MAX_LEN).contains(&self.length) {
            return Err(refuse("its length is none that a token may have"));
        }
        let classes = Classes::from_bits(self.classes).filter(|classes| *classes != Classes::NONE);
        let classes = classes.ok_or_else(|| refuse("its classes are none that a token may have"))?;
        if !is_preview(&self.preview, self.length) {
            return Err(refuse("its preview shows more or less than previews do"));
        }
        let known = |text: String| WEAKNESSES.into_iter().find(|known| *known == text);
        let weakness = match self.weakness {
            Some(text) => Some(known(text).ok_or_else(|| refuse("its weakness is not a known one"))?),
            // Whatever else is said of it.
            None => (self.length < Token::COMFORTABLE_LEN).then_some("short"),
        };
        let rule = self.rule.map(|rule| line("rule", &rule, MAX_RULE)).transpose()?;
        let hash = self.sha256.as_deref().filter(|_| weakness.is_none()).map(of).transpose()?;
        let key = &keys.all().first;
        Ok(NewToken {
            fingerprint: first,
            key: keys.number(),
            other,
            preview: self.preview,
            length: self.length,
            classes,
            weakness,
            rule,
            public_hash: hash.and_then(|hash| PublicHash::of_hash(key, hash.as_bytes(), &first)),
        })
    }
}

/// Whether it is what [`Token::preview`] may have made of a token of this length.
fn is_preview(preview: &str, length: usize) -> bool {
    let shown = Token::shown_at_each_end(length);
    let Some((head, tail)) = preview.split_once('…') else { return false };
    [head, tail].iter().all(|part| part.chars().count() == shown && part.chars().all(|c| c == '·' || c.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_shows_as_much_as_previews_do() {
        for text in ["fk_9aQ7zLm2Xw4RtB8v", "abcdef", "\u{e9}bcdef1234567"] {
            let token = Token::parse(text.as_bytes()).unwrap();
            assert!(is_preview(&token.preview(), token.as_bytes().len()), "{text}");
        }
        for (preview, length) in [("fk_9aQ7zLm2Xw4RtB8v", 19), ("fk_9a…tB8v", 19), ("…", 19), ("fk\n…B8v", 19), ("", 6)] {
            assert!(!is_preview(preview, length), "{preview}");
        }
    }
}
