//! What is read of a changed text is enough: whatever the whole of it has, the part has too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::Rules;

fn detector() -> &'static Detector {
    static DETECTOR: std::sync::OnceLock<Detector> = std::sync::OnceLock::new();
    DETECTOR.get_or_init(|| Detector::new(&Rules::built_in()))
}

/// Pieces of texts: tokens as they are and encoded, over one line or many, and what stands between them in real files.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let rules = Rules::built_in();
    let examples: Vec<Vec<u8>> =
        rules.iter().flat_map(|rule| rule.examples(7)).map(|example| example.text.into_bytes()).collect();
    let word = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"  \"kty\": \"RSA\",\n".to_vec()),
        Just(b"fn main() {}\n".repeat(30)),
        Just(b"a long line without an end, ".repeat(80)),
        Just(b"\\u005f&#95;%5f".to_vec()),
        Just(b"-----BEGIN PRIVATE KEY-----\n".to_vec()),
        Just(b"-----END PRIVATE KEY-----\n".to_vec()),
        Just(b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\n".repeat(20)),
        Just(vec![0, b'x', 0]),
        "[ -~]{1,40}".prop_map(String::into_bytes),
    ];
    let token = prop::sample::select(examples);
    let wrapped = |bytes: Vec<u8>| {
        let text = STANDARD.encode([b"some text in front of it: ".repeat(4), bytes, b" and behind it".repeat(6)].concat());
        text.as_bytes().chunks(64).collect::<Vec<_>>().join(&b'\n')
    };
    prop_oneof![6 => word, 2 => token.clone(), 1 => token.clone().prop_map(wrapped), 1 => token.prop_map(|token| STANDARD.encode(token).into_bytes())]
}

/// A text as pieces, the part of each that is kept, and what comes in its place.
fn edits() -> impl Strategy<Value = Vec<(Vec<u8>, u8, Vec<u8>)>> {
    let edit = (piece(), any::<u8>(), prop_oneof![3 => Just(Vec::new()), 1 => piece()]);
    prop::collection::vec(edit, 1..12)
}

/// Applies the edits: the text before, the text after, and what is new in it.
fn apply(edits: &[(Vec<u8>, u8, Vec<u8>)]) -> (Vec<u8>, Vec<u8>, Vec<Range<usize>>) {
    let (mut before, mut after, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for (piece, cut, new) in edits {
        before.extend_from_slice(piece);
        let keep = match cut % 4 {
            // What is gone leaves a seam.
            0 => usize::from(*cut) * piece.len() / 256,
            _ => piece.len(),
        };
        after.extend_from_slice(&piece[..keep]);
        if keep < piece.len() || !new.is_empty() {
            changes.push(after.len()..after.len() + new.len());
        }
        after.extend_from_slice(new);
    }
    (before, after, changes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_whole_text_has_is_noticed_at_its_changes(edits in edits()) {
        let (before, after, changes) = apply(&edits);
        let detector = detector();
        if detector.is_clean(&before) {
            prop_assert_eq!(detector.stays_clean(&after, &changes), detector.is_clean(&after));
        }
    }

    /// As a commit that adds a leak: the text before has none.
    #[test]
    fn a_token_that_a_change_makes_is_noticed(token in piece(), cut in any::<prop::sample::Index>(), space in "[ -~\n]{0,200}") {
        let cut = cut.index(token.len() + 1);
        let before = [space.as_bytes(), &token[..cut], space.as_bytes()].concat();
        let after = [space.as_bytes(), &token, space.as_bytes()].concat();
        let change = space.len() + cut..space.len() + token.len();
        let detector = detector();
        if detector.is_clean(&before) {
            prop_assert_eq!(detector.stays_clean(&after, &[change]), detector.is_clean(&after));
        }
    }
}

#[test]
fn hardly_anything_of_a_long_text_is_read() {
    let text = b"let x = 1;\n".repeat(100_000);
    let region = around(&text, &(500_000..500_010));
    assert!(region.contains(&500_000) && region.len() < 3 * AROUND, "{region:?}");
    let far = &detector().locality().far;
    assert!((1..=4).contains(&far.len()), "{far:?}");
}

fn wrapped(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes().chunks(64).flat_map(|line| [line, b"\n"].concat()).collect()
}

/// Words that do not pack well, longer than what is read around a change.
fn noise() -> String {
    let words = (0..1_000_u64).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100_003).to_string());
    words.collect::<Vec<_>>().join(" ")
}

/// One letter less at the start of a wrapped text, and all of it means something else.
#[test]
fn a_change_at_the_start_of_wrapped_base64_is_noticed_at_its_end() {
    let token = Rules::built_in().get("github-personal-access-token").unwrap().example(1).text;
    let after = wrapped(format!("{}{token}", noise()).as_bytes());
    let before = [b"A", after.as_slice()].concat();
    assert!(detector().is_clean(&before) && !detector().is_clean(&after));
    assert!(!detector().stays_clean(&after, std::slice::from_ref(&(0..0))));
}

/// What is compressed is read from its beginning.
#[test]
fn a_change_at_the_end_of_wrapped_and_compressed_text_is_read_from_its_start() {
    let token = Rules::built_in().get("github-personal-access-token").unwrap().example(1).text;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, format!("{}{token}", noise()).as_bytes()).unwrap();
    let after = wrapped(&encoder.finish().unwrap());
    let cut = after.len() - 3 * 65;
    assert!(cut > 2 * AROUND && detector().is_clean(&after[..cut]) && !detector().is_clean(&after));
    assert!(!detector().stays_clean(&after, std::slice::from_ref(&(cut..after.len()))));
}
