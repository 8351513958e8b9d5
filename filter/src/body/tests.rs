//! From a body to candidates.

use std::collections::BTreeSet;

use proptest::prelude::*;
use stopleak_contract::Token;

use super::*;

const TOKEN: &str = "fk_9aQ7zLm2Xw4RtB8v";
/// As passwords and keys in base64 have them.
const ODD: &str = "fk/9aQ7=zL&m2:X w4?R,tB+8v";

fn all_kinds() -> Kinds {
    Kinds::from_slice(&[0xff; Kinds::SIZE]).unwrap()
}

fn offered(encoding: &str, body: &[u8]) -> (BTreeSet<Vec<u8>>, Missed) {
    let mut offered = BTreeSet::new();
    let body = Body { bytes: body, encoding: encoding.as_bytes(), limit: 65_536 };
    let (_, missed) = visit(body, &all_kinds(), &mut |candidate| {
        if let Ok(token) = Token::parse(candidate.text) {
            offered.insert(token.as_bytes().to_vec());
        }
        ControlFlow::Continue(())
    });
    (offered, missed)
}

fn offers(body: &[u8], token: &str) -> bool {
    offered("", body).0.contains(token.as_bytes())
}

/// Every letter in an escape.
fn escaped(text: &str, escape: impl Fn(u8) -> String) -> String {
    text.bytes().map(escape).collect()
}

fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn percent(text: &str) -> String {
    escaped(text, |b| format!("%{b:02x}"))
}

#[test]
fn every_form_offers_the_token_whatever_letters_it_has() {
    for token in [TOKEN, ODD] {
        let unicode = escaped(token, |b| format!("\\u{b:04X}"));
        let entities = escaped(token, |b| format!("&#{b};"));
        let quoted = escaped(token, |b| format!("={b:02X}"));
        for body in [
            token.to_owned(),
            format!("{{\"a\":{{\"b\":[1,{}]}}}}", json(token)),
            format!("{{ \"a\" : \"{unicode}\" }}"),
            format!("{{{}:1}}", json(token)),
            format!("{{'a':'{token}'}}"),
            format!("{{\"a\":1}}\n{{\"a\":{}}}\n", json(token)),
            format!("a=1&b={}&c", percent(token)),
            format!("{}=1", percent(token)),
            format!("payload={}", percent(&format!("{{\"a\":{}}}", json(token)))),
            format!("{{\"q\":{}}}", json(&format!("{{\"a\":{}}}", json(token)))),
            format!("{{\"query\":{}}}", json(&format!("mutation {{ login(token: {}) }}", json(token)))),
            format!("query {{ a(b: \"\"\"{token}\"\"\") }}"),
            format!("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{token}\r\n--b--\r\n"),
            format!("--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}\r\n--b--\r\n"),
            format!("<a>{entities}</a>"),
            format!("<a b=\"{entities}\"/>"),
            format!("<a b='{entities}'/>"),
            format!("<a><![CDATA[{token}]]></a>"),
            format!("<a>{}<!-- x -->{}</a>", entities.split_at(15).0, entities.split_at(15).1),
            format!("key: {token}\nother: 1\n"),
            format!("KEY={token}\n"),
        ] {
            assert!(offers(body.as_bytes(), token), "{body}");
            let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert!(offers(&wide, token), "UTF-16: {body}");
        }
    }
}

#[test]
fn a_body_is_read_as_it_stands_whatever_its_encoding() {
    for encoding in ["gzip", "br", "nonsense", "gzip, gzip, gzip, gzip, gzip"] {
        let (offered, missed) = offered(encoding, TOKEN.as_bytes());
        assert!(offered.contains(TOKEN.as_bytes()) && missed.unread, "{encoding}");
    }
    let zipped = miniz_oxide::deflate::compress_to_vec_zlib(format!("{{\"a\":\"{TOKEN}\"}}").as_bytes(), 6);
    let (offered, missed) = offered("deflate", &zipped);
    assert!(offered.contains(TOKEN.as_bytes()) && missed == Missed::default());
}

#[test]
fn levels_cost_nothing() {
    for open in ["[", "{\"a\":", "<a>", "[[{\"\":\"\\\""] {
        let body = format!("{}\"{TOKEN}\"", open.repeat(10_000));
        assert!(offers(body.as_bytes(), TOKEN), "{open}");
    }
}

#[test]
fn what_is_malformed_hides_nothing() {
    for noise in ["\u{0}", "\\u12", "%zz%4", "&#x;&#99999999;", "\"\"\"'", "\\", "<![CDATA[", "<!--", "=?=", "\u{fffd}"] {
        let body = format!("{noise}{{\"a\": \"{TOKEN}\", \"b\": \"{noise}\"}}");
        assert!(offers(body.as_bytes(), TOKEN), "{noise}");
    }
    let invalid = [&[0xff, 0xfe, 0x80, 0xc3][..], b"{\"a\":\"", TOKEN.as_bytes(), b"\xc0\"}"].concat();
    assert!(offers(&invalid, TOKEN));
}

/// Candidates and their bytes, for a body of 64 KiB.
fn cost(body: &[u8]) -> (usize, usize, bool) {
    let (mut count, mut bytes) = (0, 0);
    let (_, missed) = visit(Body { bytes: body, encoding: b"", limit: 65_536 }, &all_kinds(), &mut |candidate| {
        count += 1;
        bytes += candidate.text.len();
        ControlFlow::Continue(())
    });
    (count, bytes, missed.over_budget)
}

#[test]
fn work_is_linear_in_the_bytes() {
    for unit in [
        "a",
        "\"",
        "\\",
        "%",
        "%41",
        "&",
        "&amp;",
        "&#97;",
        "=",
        "<",
        "<!--",
        "<![CDATA[",
        "<a>",
        "\\u0041",
        "\\\\",
        "a.",
        "aaaaaa ",
        "%25",
        "\\\\\\\\\"",
        "&a=%26amp;%3d\\u0022",
        "aaaaaa,",
        "aaaaaa=",
        "YWFhYWFh ",
        "base64 ",
        "\u{1}aaaaaa",
        "\n=:aaaaaa",
        "'`\"",
    ] {
        let (count, bytes, _) = cost(unit.repeat(65_536 / unit.len()).as_bytes());
        let (half_count, half_bytes, _) = cost(unit.repeat(32_768 / unit.len()).as_bytes());
        assert!(count < 40 * 65_536 && bytes < 200 * 65_536, "{unit}: {count} candidates of {bytes} bytes");
        assert!(
            count <= 3 * half_count + 200 && bytes <= 3 * half_bytes + 400_000,
            "{unit}: {half_count} → {count}, {half_bytes} → {bytes}"
        );
    }
}

#[test]
fn escapes_in_escapes_without_end_are_given_up() {
    let mut body = "&a=%26amp;%3d\\u0022+".repeat(3_000);
    for _ in 0..2 {
        body = body.replace('\\', "\\\\");
    }
    let (_, _, over_budget) = cost(&body.as_bytes()[..65_536]);
    assert!(over_budget);
    let (_, _, over_budget) = cost("{\"a\": \"x\\ny %20 &amp; z\"}, ".repeat(2_000).as_bytes());
    assert!(!over_budget, "an honest body has a few");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2_000), encoding in "(gzip|deflate|br|,| ){0,4}") {
        offered(&encoding, &bytes);
    }

    #[test]
    fn a_token_among_any_text_is_offered(before in "[ -~\n]{0,200}", after in "[ -~\n]{0,200}") {
        let body = format!("{before} {TOKEN} {after}");
        prop_assert!(offers(body.as_bytes(), TOKEN));
    }

    #[test]
    fn escapes_in_any_order_are_resolved(order in prop::collection::vec(0..4_u8, 0..4)) {
        let mut body = format!("x={TOKEN} y");
        for escape in &order {
            body = match escape {
                0 => format!("{{\"a\": {}}}", json(&body)),
                1 => format!("a={}", percent(&body)),
                2 => format!("<a b=\"1\">{}</a>", escaped(&body, |b| format!("&#x{b:x};"))),
                _ => format!("\"{}\"", escaped(&body, |b| format!("\\u{b:04x}"))),
            };
        }
        prop_assert!(offered("", body.as_bytes()).0.contains(TOKEN.as_bytes()), "{order:?}: {body}");
    }
}

#[test]
fn honest_bodies_have_few_escapes_binary_ones_too() {
    let golden: Vec<u8> = (0..65_536_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = (0..65_536).map(|_| random()).collect();
    // Like a program: zeros, instructions, and texts with punctuation.
    let mut byte = || match random() {
        0..=99 => 0,
        100..=179 => random(),
        other => b"H\x8b$\xe8/usr/lib.so: %s=<&a;>\\n\"'"[usize::from(other) % 28],
    };
    let program: Vec<u8> = (0..1_000_000).map(|_| byte()).collect();
    let zipped = miniz_oxide::deflate::compress_to_vec(&program, 6);
    let html =
        "<p class=\"x\" title='a &amp; b'>Some &lt;words&gt; and <a href=\"/q?a=b%20c+d&amp;e=f\">more</a>.</p>\n".repeat(500);
    let in_json = json(&html.replace('\n', "\\n"));
    let in_form = format!("payload={}", percent(&in_json)).into_bytes();
    let bodies = [golden, noise, html.into_bytes(), in_json.into_bytes(), in_form];
    let parts = program.chunks(65_536).step_by(4).chain(zipped.chunks(65_536)).map(<[u8]>::to_vec);
    for body in bodies.into_iter().chain(parts) {
        let mut ignore = |_: crate::candidates::Candidate<'_>| ControlFlow::Continue(());
        let kinds = all_kinds();
        let mut texts = Texts::new(&mut ignore, &kinds, body.len());
        let _ = whole(&body, &mut texts);
        let resolved = texts.resolved_bytes(body.len());
        // Half of what is allowed at the largest limit.
        assert!(resolved <= 3 * body.len(), "{resolved} bytes of {}: {:?}", body.len(), String::from_utf8_lossy(&body[..200]));
    }
}
