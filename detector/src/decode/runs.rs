//! Long runs of the letters of base64, of both alphabets, or of hex.

use std::ops::Range;

use super::gzip;
use super::layer::{Layer, Rate};

/// The shortest run that is noticed: 23 bytes in base64. Formats with shorter tokens have a mark: see [`around`].
const RUN_MIN: usize = 31;
/// The shortest text that is decoded.
const MARKED_MIN: usize = 20;
/// So many bytes are looked at together.
const BLOCK: usize = 16;
/// A run of at least [`RUN_MIN`] has a whole block in it that begins at a multiple of the stride.
const STRIDE: usize = RUN_MIN + 1 - BLOCK;
/// The shortest text in hex.
const HEX_MIN: usize = 32;
/// Lines of a wrapped text are at least that long: 64 and 76 are usual.
pub(crate) const LINE_MIN: usize = 56;
/// What has this many printable letters in a row is no noise; of a thousand random bytes, one in 10⁷ is.
const TEXT_MIN: usize = 16;
/// [`TEXT_MIN`] letters, wherever they begin, hold so many whole groups of base64.
const ROW_MIN: usize = 4;
/// How much of the line in front of a run is read with what it decodes to: the name that it is assigned to.
const BEFORE: usize = 64;

/// The next run of letters that may be an encoding.
pub(super) fn next(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        if !is_run(block) {
            at += STRIDE;
            continue;
        }
        let start = at - bytes[from..at].iter().rev().take_while(|&&byte| is_letter(byte)).count();
        let end = line_end(bytes, at + BLOCK);
        if end - start >= RUN_MIN && looks_encoded(&bytes[start..end]) {
            return Some(start..wrapped_end(bytes, start..end));
        }
        at = end + 1;
    }
    None
}

/// The run that has `offset` in it, where the automaton has seen how a short token begins in base64: these are often encoded alone.
pub(super) fn around(bytes: &[u8], offset: usize) -> Option<Range<usize>> {
    let end = line_end(bytes, offset);
    // A longer one is noticed anyway.
    (MARKED_MIN..RUN_MIN).contains(&(end - offset)).then_some(offset..end)
}

/// The text that the run stands for.
pub(super) fn decode(bytes: &[u8], run: Range<usize>, budget: usize) -> Option<Layer> {
    if run.len() > budget {
        return None;
    }
    let digits = longest_hex(bytes, run.clone());
    if digits.len() >= HEX_MIN {
        if let Some(layer) = hex(bytes, digits.clone(), budget) {
            return Some(layer);
        }
        if digits == run {
            return None;
        }
    }
    // What stands in front of the text, as a path does, may be of the same letters. Then the text begins behind a separator, and where
    // it begins matters only for how it is cut into groups of four.
    let separators = run.clone().filter(|&at| b"/-_+".contains(&bytes[at])).map(|at| at + 1);
    let mut seen = [false; 4];
    for start in std::iter::once(run.start).chain(separators) {
        if std::mem::replace(&mut seen[(start - run.start) % 4], true) || run.end - start < MARKED_MIN {
            continue;
        }
        if let Some(layer) = base64(bytes, start..run.end, budget) {
            return Some(layer);
        }
    }
    None
}

fn is_run(block: &[u8; BLOCK]) -> bool {
    // Without branches, so that it is done for all sixteen at once.
    block.iter().fold(true, |all, &byte| all & is_letter(byte))
}

#[expect(clippy::needless_bitwise_bool, reason = "what branches is not done for sixteen bytes at once")]
pub(crate) const fn is_letter(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit_or_slash = byte.wrapping_sub(b'/') < 11;
    letter | digit_or_slash | (byte == b'+') | (byte == b'-') | (byte == b'_')
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|&&byte| is_letter(byte)).count()
}

/// Words and paths lack letters of one case, or digits; hex lacks everything but digits and six letters.
fn looks_encoded(run: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| run.iter().any(test);
    has(u8::is_ascii_digit) && (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) || run.len() >= HEX_MIN)
}

/// Where a text ends that goes on over several lines.
fn wrapped_end(bytes: &[u8], line: Range<usize>) -> usize {
    let (mut end, mut length) = (line.end, line.len());
    while length >= LINE_MIN {
        let rest = &bytes[end..];
        let gap = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if gap == 0 || !rest[..gap].contains(&b'\n') {
            break;
        }
        length = line_end(bytes, end + gap) - (end + gap);
        // The last line may have any length, but a word of the text that follows is no line.
        if length < 4
            || bytes.get(end + gap + length).is_some_and(|&byte| byte != b'=' && !byte.is_ascii_whitespace() && byte != b'"')
        {
            break;
        }
        end += gap + length;
    }
    end
}

fn longest_hex(bytes: &[u8], run: Range<usize>) -> Range<usize> {
    let (mut longest, mut start) = (run.start..run.start, run.start);
    for at in run.clone().chain([run.end]) {
        if at == run.end || !bytes[at].is_ascii_hexdigit() {
            if at - start > longest.len() {
                longest = start..at;
            }
            start = at + 1;
        }
    }
    longest
}

fn hex(bytes: &[u8], run: Range<usize>, budget: usize) -> Option<Layer> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default();
    let decoded = || bytes[run.clone()].chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1]));
    if !worth_reading(decoded()) {
        return None;
    }
    let mut layer = before(bytes, run.start);
    let name = layer.bytes.len();
    layer.mark(run.start, Rate::HEX);
    layer.bytes.extend(decoded());
    Some(unpacked(layer, name, run.start, budget))
}

fn base64(bytes: &[u8], run: Range<usize>, budget: usize) -> Option<Layer> {
    if !may_have_text(&bytes[run.clone()]) || !worth_reading(Groups { letters: bytes[run.clone()].iter(), bits: 0, held: 0 }) {
        return None;
    }
    let mut layer = before(bytes, run.start);
    let name = layer.bytes.len();
    let (mut at, mut gap) = (run.start, 0);
    for line in bytes[run.clone()].split_inclusive(|&byte| byte == b'\n') {
        // The map of places begins anew with each line; all but the last are whole groups of four.
        let letters = line.iter().filter(|&&byte| value(byte).is_some()).count();
        gap += line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        layer.mark(at + gap, Rate::BASE64);
        layer.bytes.extend(Groups { letters: line.iter(), bits: 0, held: 0 });
        at += line.len();
        gap = 0;
        if letters % 4 != 0 {
            break;
        }
    }
    Some(unpacked(layer, name, run.start, budget))
}

/// The bytes that letters of base64 stand for; everything else is left out.
struct Groups<'t> {
    letters: std::slice::Iter<'t, u8>,
    bits: u32,
    held: u32,
}

impl Iterator for Groups<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.held < 8 {
            let Some(value) = value(*self.letters.next()?) else { continue };
            self.bits = self.bits << 6 | u32::from(value);
            self.held += 6;
        }
        self.held -= 8;
        Some((self.bits >> self.held & 0xff) as u8)
    }
}

/// A layer that begins with what stands on the line in front of a run, so that a name is beside its value.
fn before(bytes: &[u8], start: usize) -> Layer {
    let length = bytes[..start].iter().rev().take(BEFORE).take_while(|&&byte| byte != b'\n').count();
    let mut layer = Layer::default();
    layer.mark(start - length, Rate::PLAIN);
    layer.bytes.extend_from_slice(&bytes[start - length..start]);
    // A token begins with what is decoded, whatever letters stand in front of it.
    if layer.bytes.last().is_some_and(|&byte| is_letter(byte)) {
        layer.bytes.push(b' ');
    }
    layer
}

/// Whether some groups in a row stand for nothing but ASCII, or the first for the mark of gzip: quickly, and true of a few that have none.
fn may_have_text(letters: &[u8]) -> bool {
    let mut row = 0;
    let mut lines = letters.split(u8::is_ascii_whitespace).filter(|line| !line.is_empty());
    letters.starts_with(b"H4sI")
        || lines.any(|line| {
            line.chunks_exact(4).any(|group| {
                let bits = group.iter().fold(0_u32, |bits, &letter| bits << 6 | u32::from(VALUES[usize::from(letter)]));
                row = if bits & 0x0080_8080 == 0 { row + 1 } else { 0 };
                row >= ROW_MIN
            })
        })
}

/// Whether there is a stretch of printable letters, in UTF-16 as well, or something compressed.
fn worth_reading(decoded: impl Iterator<Item = u8>) -> bool {
    let (mut letters, mut zeros, mut place) = (0, 0, 0_usize);
    for byte in decoded {
        // Counts how many bytes of the mark of gzip stand at the very beginning.
        if gzip::MAGIC.get(place) == Some(&byte) {
            place += 1;
            if place == gzip::MAGIC.len() {
                return true;
            }
        } else {
            place = usize::MAX;
        }
        match byte {
            b' '..=b'~' | b'\t' | b'\n' | b'\r' => (letters, zeros) = (letters + 1, 0),
            0 if zeros == 0 => zeros = 1,
            _ => (letters, zeros) = (0, 0),
        }
        if letters >= TEXT_MIN {
            return true;
        }
    }
    false
}

/// What the layer unpacks to, if it is compressed; its first `name` bytes are not.
fn unpacked(layer: Layer, name: usize, start: usize, budget: usize) -> Layer {
    let decoded = &layer.bytes[name..];
    if !gzip::is_gzip(decoded) {
        return layer;
    }
    let mut unpacked = Layer::default();
    unpacked.mark(start, Rate::PACKED);
    unpacked.bytes = gzip::unpack(decoded, budget);
    unpacked
}

fn value(byte: u8) -> Option<u8> {
    Some(VALUES[usize::from(byte)]).filter(|&value| value < 64)
}

/// What each letter of both alphabets stands for; 64 is no letter.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut value = 0_u8;
    while (value as usize) < letters.len() {
        values[letters[value as usize] as usize] = value;
        value += 1;
    }
    (values[b'+' as usize], values[b'-' as usize]) = (62, 62);
    (values[b'/' as usize], values[b'_' as usize]) = (63, 63);
    values
};
