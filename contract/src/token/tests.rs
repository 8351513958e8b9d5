//! Canonical forms, previews and weak tokens.

use proptest::prelude::*;

use super::*;
use crate::Fingerprint;

fn canonical(text: &str) -> String {
    String::from_utf8(Token::parse(text.as_bytes()).unwrap().as_bytes().to_vec()).unwrap()
}

#[test]
fn white_space_and_wrapping_quotes_do_not_count() {
    for text in ["abcdef-1", " abcdef-1\r\n", "\"abcdef-1\"", "' abcdef-1 '", "`\"abcdef-1\"`"] {
        assert_eq!(canonical(text), "abcdef-1", "{text:?}");
    }
    assert_eq!(canonical("\"abcdef"), "\"abcdef", "a single quote belongs to the token");
}

#[test]
fn what_servers_trim_does_not_count() {
    for blank in ["\0", "\x0b", "\x1c", "\x7f", "\u{a0}", "\u{85}", "\u{2003}", "\u{3000}", "\u{feff}"] {
        assert_eq!(canonical(&format!("{blank}abcdef-1{blank}{blank}")), "abcdef-1", "{blank:?}");
    }
    assert_eq!(Token::parse(b"\xa0abcdef-1\x85").unwrap().as_bytes(), b"abcdef-1", "Latin-1");
    assert_eq!(canonical("p\u{e4}ssw\u{f6}rd"), "p\u{e4}ssw\u{f6}rd", "other letters stay");
}

#[test]
fn a_jwt_is_its_signing_input() {
    // {"alg":"none"}, { "alg":"none"}, and the same behind a line break.
    for header in ["eyJhbGciOiJub25lIn0", "eyAiYWxnIjoibm9uZSJ9", "CnsiYWxnIjoibm9uZSJ9"] {
        for signature in ["c2ln", "c2lo", "c2ln==", ""] {
            let input = format!("{header}.eyJzdWIi");
            assert_eq!(canonical(&format!("{input}.{signature}")), input);
        }
    }
    let encrypted = "eyJhbGciOiJub25lIn0.eyJzdW.iv.ct.tag";
    assert_eq!(canonical(encrypted), encrypted, "five parts are an encrypted token");
    for other in ["a.b.c.d.e.f", "host.name.example", "eyJ0eXAiOiJ4In0.eyJz.c2ln", "SGVsbG8.d29ybGQ.IQ"] {
        assert_eq!(canonical(other), other);
    }
}

#[test]
fn a_uuid_is_its_digits_and_hex_keys_are_lower_case() {
    let digits = "0a1b2c3d0a1b0a1b0a1b0a1b2c3d4e5f";
    for uuid in ["0A1B2C3D-0A1B-0A1B-0A1B-0A1B2C3D4E5F", "0a1b2c3d0a1b0a1b0a1b0a1b2c3d4e5f", "0a1b-2c3d0a1b0a1b0a1b0a1b2c3d-4e5f"]
    {
        assert_eq!(canonical(uuid), digits);
    }
    assert_eq!(canonical("0123456789ABCDEF0123456789ABCDEF01"), "0123456789abcdef0123456789abcdef01");
    assert_eq!(canonical("0123456789ABCDEF"), "0123456789ABCDEF", "short hex may be case-sensitive");
    assert_eq!(canonical("AbCdEfGhIj"), "AbCdEfGhIj");
}

#[test]
fn five_bytes_are_too_short_and_six_are_not() {
    assert_eq!(Token::parse(b" 12345 ").unwrap_err(), TokenError::TooShort { got: 5 });
    assert!(Token::parse(b"123456").is_ok());
    let long = vec![b'a'; Token::MAX_LEN + 1];
    assert_eq!(Token::parse(&long).unwrap_err(), TokenError::TooLong { got: Token::MAX_LEN + 1 });
}

#[test]
fn a_token_never_shows_itself() {
    let token = Token::parse(b"sk_fake_0123456789").unwrap();
    assert_eq!(format!("{token:?}"), "Token(18 bytes, redacted)");
    assert_eq!(token.preview(), "sk_…789");
    assert_eq!(Token::parse(&[b'a'; 48]).unwrap().preview(), "aaaa…aaaa");
    assert_eq!(Token::parse(b"abcdef").unwrap().preview(), "a…f");
    assert_eq!(Token::parse(b"\xffbcdef\x01g").unwrap().preview(), "·…g");
}

#[test]
fn weak_tokens_are_recognised() {
    let weakness = |text: &str| Token::parse(text.as_bytes()).unwrap().weakness();
    assert_eq!(weakness("s3cr3t-pw"), Some(Weakness::Short));
    assert_eq!(weakness("ChangeMe"), Some(Weakness::Placeholder));
    assert_eq!(weakness("AKIA-SOMETHING-EXAMPLE"), Some(Weakness::Placeholder));
    assert_eq!(weakness("key-xxxxxxxxxxxxxxxx"), Some(Weakness::Placeholder));
    for ordinary in
        ["application/json", "Mozilla/5.0 (X11)", "keep-alive-and-so-on", "https://host42.test/", "correcthorsebattery"]
    {
        assert_eq!(weakness(ordinary), Some(Weakness::Ordinary), "{ordinary}");
    }
    assert_eq!(weakness("1212121212121212"), Some(Weakness::LowEntropy));
    assert_eq!(weakness("fk_9aQ7zLm2Xw4RtB8v"), None);
}

/// Texts of every form, whole and damaged, and of none.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "[ \"']{0,2}[0-9a-fA-F-]{30,140}[ \"']{0,2}".prop_map(String::into_bytes),
        "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}".prop_map(String::into_bytes),
        "(eyJhbGciOiJub25lIn0|CnsiYWxnIjoibm9uZSJ9|ImFsZyI)\\.[a-zA-Z0-9_-]{0,30}\\.?[a-z=]{0,9}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn the_borrowed_form_agrees_with_the_token(text in any_text()) {
        let key = crate::FingerprintKey::new([7; 32]);
        let canonical = Canonical::of(&text);
        match Token::parse(&text) {
            Ok(token) => {
                prop_assert!(canonical.is_token());
                prop_assert_eq!(canonical.length(), token.as_bytes().len());
                prop_assert_eq!(canonical.kind(), token.kind());
                let (borrowed, owned) = (Fingerprint::of_canonical(&key, &canonical), Fingerprint::of(&key, &token));
                prop_assert_eq!(borrowed, owned);
            }
            Err(_) => prop_assert!(!canonical.is_token()),
        }
    }

    #[test]
    fn the_canonical_form_is_its_own_canonical_form(text in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(once) = Token::parse(&text) {
            let twice = Token::parse(once.as_bytes()).unwrap();
            prop_assert_eq!(once.as_bytes(), twice.as_bytes());
        }
    }

    #[test]
    fn a_preview_shows_a_third_at_most(text in "[!-~]{6,200}") {
        if let Ok(token) = Token::parse(text.as_bytes()) {
            prop_assert!((token.preview().chars().count() - 1) * 3 <= token.as_bytes().len());
        }
    }
}
