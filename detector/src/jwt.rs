//! What a JSON Web Token says about itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

/// Issuers are URLs and subjects are names: what is longer is cut.
const TEXT_MAX: usize = 200;
/// The claims that tutorials, RFC 7515 and local set-ups copy from each other.
const DOCUMENTED: &[(&str, &str)] =
    &[("sub", "1234567890"), ("name", "John Doe"), ("some", "payload"), ("iss", "supabase-demo"), ("iss", "joe")];

/// Who made a token, for whom, and when it ends. Nothing of it opens anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// `iss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `exp`, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl Claims {
    /// Whether the token had ended at `now`, in seconds since 1970. One that does not say when it ends, never does.
    #[must_use]
    pub fn ended_by(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The claims of a token, or `None` if it is none, or one that documentation shows.
pub(crate) fn read(token: &[u8]) -> Option<Claims> {
    let mut parts = token.split(|&byte| byte == b'.');
    let mut object = || {
        let decoded = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        serde_json::from_slice::<Value>(&decoded).ok().filter(Value::is_object)
    };
    let (header, payload) = (object()?, object()?);
    header.get("alg")?.as_str()?;
    if DOCUMENTED.iter().any(|&(claim, text)| payload.get(claim).and_then(Value::as_str) == Some(text)) {
        return None;
    }
    let text = |claim| {
        let text = payload.get(claim)?.as_str()?;
        Some(text.chars().take(TEXT_MAX).collect())
    };
    Some(Claims { issuer: text("iss"), subject: text("sub"), expires_at: payload.get("exp").and_then(seconds) })
}

/// Some write the time with a fraction, some in milliseconds.
fn seconds(number: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a second does not matter, and what is too large ends never"
    )]
    let number = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))?;
    // As seconds it would be the year 5138.
    Some(if number > 100_000_000_000 { number / 1_000 } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str, claims: &str) -> Option<Claims> {
        read(format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)).as_bytes())
    }

    #[test]
    fn issuer_subject_and_end_are_read() {
        let claims =
            jwt(r#"{"alg":"HS256"}"#, r#"{"iss":"https://acme.test","sub":"7","exp":1700000000.5,"role":"admin"}"#).unwrap();
        let expected =
            Claims { issuer: Some("https://acme.test".into()), subject: Some("7".into()), expires_at: Some(1_700_000_000) };
        assert_eq!(claims, expected);
        assert!(claims.ended_by(1_700_000_000) && !claims.ended_by(1_699_999_999));
        assert!(!Claims::default().ended_by(i64::MAX));
        assert_eq!(jwt(r#"{"alg":"HS256"}"#, r#"{"exp":1700000000000}"#).unwrap().expires_at, Some(1_700_000_000));
    }

    #[test]
    fn claims_of_other_types_and_sizes_do_no_harm() {
        let long = format!(r#"{{"iss":"{}","sub":7,"exp":"soon"}}"#, "ä".repeat(1_000));
        let claims = jwt(r#"{"alg":"HS256"}"#, &long).unwrap();
        assert_eq!(claims.issuer.map(|issuer| issuer.chars().count()), Some(TEXT_MAX));
        assert_eq!((claims.subject, claims.expires_at), (None, None));
        assert_eq!(jwt(r#"{"alg":"HS256"}"#, &"[".repeat(9_000)), None);
        assert_eq!(jwt(r#"{"alg":1}"#, "{}"), None);
    }
}
