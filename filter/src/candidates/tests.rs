//! Which texts are offered, and from where.

use base64::Engine as _;
use proptest::prelude::*;
use stopleak_contract::{Canonical, Token};

use super::*;
use crate::header_map::view;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// Of every token that there can be: nothing is passed over.
fn all_kinds() -> Kinds {
    Kinds::from_slice(&[0xff; Kinds::SIZE]).unwrap()
}

/// The places where `text` is offered.
fn places(headers: &[(String, Vec<u8>)], text: &[u8], selection: Option<&HeaderSelection>) -> Vec<Place> {
    let mut places = Vec::new();
    let _ = visit(Request::new(&view(headers)), selection, &all_kinds(), &mut |candidate| {
        if candidate.text == text && places.last() != Some(&candidate.place) {
            places.push(candidate.place);
        }
        ControlFlow::Continue(())
    });
    places
}

#[track_caller]
fn assert_offered(name: &str, value: &str, text: &str, place: Place) {
    let places = places(&headers(&[(name, value)]), text.as_bytes(), None);
    assert!(places.contains(&place), "{name}: {value} offers {text} in {places:?}");
}

#[test]
fn authorization_of_any_scheme_and_case() {
    for value in ["Bearer T", "bearer T", "BEARER   T", "Bearer\tT ", "token T", "T", "Foo T", "ApiKey key=\"T\", v=1"] {
        let value = value.replace('T', TOKEN);
        assert_offered("authorization", &value, TOKEN, Place::Authorization);
        assert_offered("proxy-authorization", &value, TOKEN, Place::Authorization);
    }
    let signed = format!("AWS4-HMAC-SHA256 Credential={TOKEN}/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host");
    assert_offered("authorization", &signed, TOKEN, Place::Authorization);
}

#[test]
fn basic_is_decoded_into_user_password_and_pair() {
    for encoded in ["dXNlci1uYW1lOnBhc3M6d29yZA==", "dXNlci1uYW1lOnBhc3M6d29yZA", " dXNlci1uYW1lOnBhc3M6d29yZA== "] {
        for text in ["user-name", "pass:word", "user-name:pass:word"] {
            assert_offered("authorization", &format!("Basic {encoded}"), text, Place::Authorization);
            assert_offered("authorization", &format!("bASIC {encoded}"), text, Place::Authorization);
        }
    }
    assert_offered("authorization", "Basic dXNlcj8_Pz4-Og", "user???>>", Place::Authorization);
}

#[test]
fn any_other_header_whole_and_in_parts() {
    for value in ["T", "\"T\"", "a, T", "key=T", "key: T", "https://user:T@host/", "https://host/p?token=T&x=1", "{\"k\":\"T\"}"]
    {
        let value = value.replace('T', TOKEN);
        assert_offered("x-anything", &value, TOKEN, Place::Header);
        assert_offered(":authority", &value, TOKEN, Place::Header);
    }
    assert_offered("x-key", "token=abc/def+ghi==", "abc/def+ghi==", Place::Header);
    assert_offered("x-key", "123456:AbcDef-ghi", "123456:AbcDef-ghi", Place::Header);
    assert_offered("token-bin", "Zmtfb2YtZ3JwYw", "fk_of-grpc", Place::Header);
}

#[test]
fn cookies() {
    for value in ["a=1; s=T; b=2", "s=T", "s=\"T\"", "a=1;s=T"] {
        assert_offered("cookie", &value.replace('T', TOKEN), TOKEN, Place::Cookie);
    }
    assert_offered("cookie", "s=fk%5Fabcdef", "fk_abcdef", Place::Cookie);
}

#[test]
fn query_parameters() {
    for query in ["key=T", "a=1&key=T", "key=T&a=1", "a;key=T", "T", "T=1", "key=Bearer+T", "key=Bearer%20T"] {
        assert_offered(":path", &format!("/x?{}", query.replace('T', TOKEN)), TOKEN, Place::Query);
    }
    assert_offered(":path", "/x?k=fk%5fab%2Bcd%2fef", "fk_ab+cd/ef", Place::Query);
    assert_offered(":path", "/x?k=fk+abc", "fk+abc", Place::Query);
    assert_offered(":path", "/x?k=fk%5abc%zz%", "fkZbc%zz%", Place::Query);
    assert_offered(":path", &format!("/x??k={TOKEN}"), TOKEN, Place::Query);
}

#[test]
fn path_segments() {
    for path in ["/T", "/hooks/T/send", "/botT/send", "/x;k=T/y"] {
        assert_offered(":path", &path.replace('T', TOKEN), TOKEN, Place::Path);
    }
    assert_offered(":path", "/hooks/fk%5Fabcdef?x", "fk_abcdef", Place::Path);
    assert_offered(":path", "/bot123456:AbcDef/getMe", "123456:AbcDef", Place::Path);
}

#[test]
fn fixed_headers_and_short_texts_are_not_offered() {
    assert!(places(&headers(&[(":method", "OPTIONS")]), b"OPTIONS", None).is_empty());
    assert!(places(&headers(&[("x-short", "abcde")]), b"abcde", None).is_empty());
}

#[test]
fn the_operator_selects_headers() {
    let both = headers(&[("x-a", TOKEN), ("authorization", TOKEN)]);
    let only = HeaderSelection::Only(vec!["X-A".into()]);
    assert_eq!(places(&both, TOKEN.as_bytes(), Some(&only)), [Place::Header]);
    let skip = HeaderSelection::Skip(vec!["x-a".into()]);
    assert_eq!(places(&both, TOKEN.as_bytes(), Some(&skip)), [Place::Authorization]);
}

#[test]
fn credentials_come_before_padding() {
    let padding = "padding ".repeat(100);
    let all = headers(&[("x-padding", &padding), ("authorization", TOKEN)]);
    let mut first = None;
    let _ = visit(Request::new(&view(&all)), None, &all_kinds(), &mut |candidate| {
        first = Some(candidate.place);
        ControlFlow::Break(())
    });
    assert_eq!(first, Some(Place::Authorization));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(name in "[a-z-]{1,20}|:path|cookie|authorization", value in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut offered = 0;
        let _ = visit(Request::new(&view(&[(name, &value)])), None, &all_kinds(), &mut |_| {
            offered += 1;
            ControlFlow::Continue(())
        });
        prop_assert!(offered <= 20 + 8 * value.len());
    }

    #[test]
    fn a_token_between_any_punctuation_is_offered(before in "[ ,;:=/?&\"']{0,3}", after in "[ ,;:=/?&\"']{0,3}") {
        let all = headers(&[("x-any", &format!("{before}{TOKEN}{after}"))]);
        let mut found = false;
        let _ = visit(Request::new(&view(&all)), None, &all_kinds(), &mut |candidate| {
            found |= Token::parse(candidate.text).is_ok_and(|token| token.as_bytes() == TOKEN.as_bytes());
            ControlFlow::Continue(())
        });
        prop_assert!(found);
    }

    /// What is passed over could not have been a token.
    #[test]
    fn no_token_is_passed_over(
        token in prop_oneof![
            "[a-z0-9_]{6,40}",
            "[!-~]{6,60}",
            "[0-9A-F]{32,40}",
            "[0-9a-f]{8}-[0-9A-F]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "eyJhbGciOiJFUzI1NiJ9\\.[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{1,40}",
        ],
        others in prop::collection::vec("[!-~]{6,40}", 0..3),
        encoding in 0..4,
        name in "authorization|cookie|:path|x-any|token-bin|sec-websocket-protocol",
        before in "(Bearer |Basic |/|/a/|/bot|/x\\?k=|user:|k=|[ -~]{0,12})",
        after in "(/b|\\.xml|@host/|, c|;d|&e=f|[ -~]{0,12})",
    ) {
        let spelt = match encoding {
            0 => token.bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat(),
            1 => base64::engine::general_purpose::STANDARD.encode(&token),
            2 => format!("\"{token}\""),
            _ => token.clone(),
        };
        let all = headers(&[(":authority", "api.test"), (&name, &format!("{before}{spelt}{after}"))]);
        let all = view(&all);
        let kinds: Kinds = [token.as_str()].into_iter().chain(others.iter().map(String::as_str))
            .filter_map(|token| Some(Token::parse(token.as_bytes()).ok()?.kind())).collect();
        let found_among = |offered: &Kinds| {
            let mut found = Vec::new();
            let _ = visit(Request::new(&all), None, offered, &mut |candidate| {
                let text = Canonical::of(candidate.text);
                if text.is_token() && kinds.hold_text(&text) {
                    found.push((candidate.place as i32, Token::parse(candidate.text).unwrap().as_bytes().to_vec()));
                }
                ControlFlow::Continue(())
            });
            found.sort();
            found.dedup();
            found
        };
        prop_assert_eq!(found_among(&kinds), found_among(&all_kinds()));
    }

    /// That is why one pass over a small request does: nobody can hide a token behind padding there.
    #[test]
    fn a_small_request_never_uses_up_the_budget(
        unit in "[a=:,;%2C.+/&?\"]{1,12}",
        words in "(aaaaaa[=:,;.+/&?]){1,3}",
        head in "/(x\\?)?(%2C)?(\\+)?",
        name in "authorization|cookie|:path|x-any",
    ) {
        for unit in [unit, words] {
            let value = format!("{head}{}", unit.repeat(SMALL));
            let all = headers(&[(&name, &value[..SMALL])]);
            let mut hashed = 0;
            let _ = visit(Request::new(&view(&all)), None, &all_kinds(), &mut |candidate| {
                let text = Canonical::of(candidate.text);
                hashed += if text.is_token() { text.length().max(64) } else { 0 };
                ControlFlow::Continue(())
            });
            prop_assert!(hashed <= crate::verdict::MAX_HASHED, "{hashed}");
        }
    }
}
