//! Strings in binary forms (Protocol Buffers, `MessagePack`) that have their length in front of them, as a byte that may look like a
//! letter.

use std::ops::ControlFlow;

use stopleak_contract::Token;

use super::seen::Seen;
use super::texts::Texts;

/// Letters that may precede a string: a field's tag, of one byte or two, and its length.
const MAX_PREFIX: usize = 3;

/// Offers what lengths in runs of visible letters cut out. In what is all text, only the first run can be such a form.
pub fn prefixed(bytes: &[u8], seen: Seen, texts: &mut Texts<'_, '_, '_>) -> ControlFlow<()> {
    // What is no letter and stands before a run may be the length of a string that the run begins with.
    let mut before = 0;
    for run in bytes.split_inclusive(|b| !is_letter(*b)) {
        let (run, length) = match run.split_last() {
            Some((last, letters)) if !is_letter(*last) => (letters, *last),
            _ => (run, 0),
        };
        let first = usize::from(std::mem::replace(&mut before, length));
        if run.len() <= Token::MIN_LEN || !texts.may_fit(run.len()) {
            continue;
        }
        for start in (0..MAX_PREFIX).chain(first..first + MAX_PREFIX) {
            let mut rest = run.get(start..).unwrap_or_default();
            while let [length, after @ ..] = rest
                && let Some((text, after)) = after.split_at_checked(usize::from(*length))
            {
                if texts.may_fit(text.len()) {
                    texts.offer(text)?;
                }
                // The next field's tag.
                rest = after.get(1..).unwrap_or_default();
            }
        }
        if !seen.has(Seen::CONTROL) {
            break;
        }
    }
    ControlFlow::Continue(())
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

#[cfg(test)]
mod tests {
    use stopleak_contract::index::Kinds;

    use super::*;

    #[test]
    fn a_length_that_looks_like_a_letter_is_no_part_of_the_text() {
        let token = "fk_9aQ7zLm2Xw4RtB8v_9aQ7zLm2Xw4RtB8v1234567890ab";
        let field = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        for message in [
            field(0x0a, token),
            field(0x42, token),
            [field(0x08, ""), field(0x52, &"x".repeat(60)), field(0x42, token)].concat(),
            [field(0x12, "user"), field(0x42, token), vec![0]].concat(),
        ] {
            let mut found = false;
            let kinds = Kinds::from_slice(&[0xff; Kinds::SIZE]).unwrap();
            let mut visit = |candidate: crate::candidates::Candidate<'_>| {
                found |= candidate.text == token.as_bytes();
                ControlFlow::Continue(())
            };
            let _ = prefixed(&message, Seen::of(&message), &mut Texts::new(&mut visit, &kinds, message.len()));
            assert!(found, "{message:?}");
        }
    }
}
