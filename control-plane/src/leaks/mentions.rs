//! Texts that people write, such as titles and reasons, are stored and shown: none may hold a leaked token.

use std::collections::BTreeSet;

use stopleak_contract::{Fingerprint, Token};

use super::NewToken;
use crate::keys::TenantKeys;
use crate::store::{Connection, placeholders};
use crate::tenants::TenantId;

/// Parts of one text that are looked up: a text of the longest kind that is nothing but punctuation could have more. This finds
/// what people paste, not what they hide.
const MAX_CANDIDATES: usize = 50_000;
/// Fingerprints in one query.
const AT_ONCE: usize = 500;
/// A UUID has that many digits, and dashes that its canonical form has not.
const UUID_DIGITS: usize = 32;

/// Whether a part of the text is a leaked token of the tenant.
pub async fn mentions_token(db: &mut Connection, tenant: TenantId, keys: &TenantKeys, text: &str) -> Result<bool, sqlx::Error> {
    let lengths: Vec<i64> =
        sqlx::query_scalar("SELECT length FROM token_lengths WHERE tenant_id = $1").bind(tenant).fetch_all(&mut *db).await?;
    let lengths = lengths.into_iter().filter_map(|length| usize::try_from(length).ok()).collect();
    let candidates: Vec<_> = fingerprints(keys, text, &lengths).into_iter().collect();
    for some in candidates.chunks(AT_ONCE) {
        let list = placeholders(2, some.len());
        let query = format!("SELECT id FROM tokens WHERE tenant_id = $1 AND fingerprint IN ({list}) LIMIT 1");
        let mut query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query)).bind(tenant);
        for fingerprint in some {
            query = query.bind(fingerprint.as_bytes().as_slice());
        }
        if query.fetch_optional(&mut *db).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a part of the text is one of these tokens.
#[must_use]
pub fn mentions_one_of(tokens: &[NewToken], keys: &TenantKeys, text: &str) -> bool {
    let candidates = fingerprints(keys, text, &tokens.iter().map(|token| token.length).collect());
    tokens.iter().any(|token| candidates.contains(&token.fingerprint))
}

/// Under each key, of all parts of the text that have the length of some token, and do not begin or end within a word. Any kind of punctuation
/// may stand around a token, and within it.
fn fingerprints(keys: &TenantKeys, text: &str, lengths: &BTreeSet<usize>) -> BTreeSet<Fingerprint> {
    let text = text.as_bytes();
    let starts = (0..text.len()).filter(|&at| is_edge(text, at));
    let parts = starts.flat_map(|start| {
        let rest = text.get(start..).unwrap_or_default();
        let uuid = lengths.contains(&UUID_DIGITS).then(|| uuid_length(rest)).flatten();
        let ends = lengths.iter().copied().chain(uuid).take_while(move |&length| length <= rest.len());
        ends.filter(move |&length| is_edge(text, start + length)).filter_map(move |length| rest.get(..length))
    });
    parts
        .take(MAX_CANDIDATES)
        .filter_map(|part| Token::parse(part).ok())
        .flat_map(|token| keys.all().iter().map(move |key| Fingerprint::of(key, &token)))
        .collect()
}

/// Whether the place is not between two letters or digits. Outside of ASCII everything is punctuation: so are typographic quotes.
fn is_edge(text: &[u8], at: usize) -> bool {
    let is_word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    !(is_word(at.checked_sub(1)) && is_word(Some(at)))
}

/// Bytes of the digits and dashes up to the last digit of a UUID that the text may begin with.
fn uuid_length(text: &[u8]) -> Option<usize> {
    let part = text.iter().take_while(|&&b| b == b'-' || b.is_ascii_hexdigit());
    let last = part.enumerate().filter(|&(_, b)| b.is_ascii_hexdigit()).nth(UUID_DIGITS - 1)?;
    Some(last.0 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(token: &str, text: &str) -> bool {
        let key = TenantKeys::from(stopleak_contract::FingerprintKey::new([7; 32]));
        let token = Token::parse(token.as_bytes()).unwrap();
        mentions_one_of(&[NewToken::of(&key, &token, None)], &key, text)
    }

    #[test]
    fn tokens_are_found_within_any_punctuation() {
        for token in ["fk_9aQ7zLm2Xw4RtB8v", "aGVsbG8gd29ybGQ+/w==", "$ecret-Pa$$word!", "abcdefgh1"] {
            for (before, after) in [
                ("", ""),
                ("curl https://api.example/?key=", "&page=2 -v"),
                ("token=", ""),
                ("key:", ", which is old"),
                ("{\"token\":\"", "\"}"),
                ("see (", ")."),
                ("https://user:", "@host.example/path"),
                ("it was \u{201c}", "\u{201d}"),
                ("old/", "#fragment"),
            ] {
                assert!(finds(token, &format!("{before}{token}{after}")), "{token} between {before:?} and {after:?}");
            }
        }
    }

    #[test]
    fn another_spelling_is_the_same_token() {
        let uuid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        for text in [uuid.to_uppercase(), format!("id={};", uuid.to_uppercase()), format!("<{}>", uuid.replace('-', ""))] {
            assert!(finds(uuid, &text), "{text}");
            assert!(finds(&uuid.replace('-', ""), &text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_tokens() {
        for text in ["", "fk", "9aQ7zLm2Xw4RtB8v", "xfk_9aQ7zLm2Xw4RtB8v", "fk_9aQ7zLm2Xw4RtB8vy", "-.-.-.-"] {
            assert!(!finds("fk_9aQ7zLm2Xw4RtB8v", text), "{text}");
        }
        assert!(!finds("abcdefgh", &"-".repeat(4_000)));
    }
}
