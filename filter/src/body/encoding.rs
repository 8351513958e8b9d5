//! `Content-Encoding`: gzip, zlib and raw deflate, alone or several one in another, decoded up to a limit.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What came of decoding.
#[derive(Debug, Default)]
pub struct Decoded {
    /// What could be decoded; `None` when nothing had to be.
    pub bytes: Option<Vec<u8>>,
    /// There is more than the limit allows.
    pub over_limit: bool,
    /// The encoding is not known, or the bytes are not in it.
    pub unread: bool,
}

/// Encodings one in another; nobody sends more than one.
const MAX_CODINGS: usize = 3;

/// What a gzip member begins with.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Decodes a body. A body that begins like gzip is taken for it even when the header is silent: some servers look only at the bytes.
pub fn decode(encoding: &[u8], body: &[u8], limit: usize) -> Decoded {
    let codings: Vec<&[u8]> = encoding.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|coding| !is_none(coding)).collect();
    if codings.is_empty() && !body.starts_with(&GZIP) {
        return Decoded::default();
    }
    let is_known = |coding: &&[u8]| [&b"gzip"[..], b"x-gzip", b"deflate"].iter().any(|known| coding.eq_ignore_ascii_case(known));
    let mut decoded = Decoded { unread: codings.len() > MAX_CODINGS || !codings.iter().all(is_known), ..Decoded::default() };
    if decoded.unread {
        return decoded;
    }
    for _ in 0..codings.len().max(1) {
        let (bytes, is_full) = inflate(decoded.bytes.as_deref().unwrap_or(body), limit);
        decoded.over_limit |= is_full;
        if bytes.is_empty() {
            decoded.unread = !body.is_empty();
            return decoded;
        }
        decoded.bytes = Some(bytes);
    }
    decoded
}

fn is_none(coding: &[u8]) -> bool {
    coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") || coding.eq_ignore_ascii_case(b"aws-chunked")
}

/// Inflates what the bytes themselves say they are, and whether the limit cut it off. What is truncated or broken gives what was
/// readable.
fn inflate(body: &[u8], limit: usize) -> (Vec<u8>, bool) {
    let mut out = vec![0; limit];
    let (mut written, mut rest) = (0, body);
    let mut is_full = false;
    // A gzip file may have several members, and readers put them together. Each takes bytes of the input, so this ends.
    while let Some(deflated) = gzip_member(rest) {
        let (status, consumed, made) = raw(deflated, &mut out, written);
        written += made;
        is_full = status == TINFLStatus::HasMoreOutput;
        if status != TINFLStatus::Done {
            break;
        }
        // Checksum and length.
        rest = deflated.get(consumed.saturating_add(8)..).unwrap_or_default();
    }
    if written == 0 && !is_full {
        for deflated in [zlib(body), Some(body)].into_iter().flatten() {
            let (status, _, made) = raw(deflated, &mut out, 0);
            (written, is_full) = (made, status == TINFLStatus::HasMoreOutput);
            if written > 0 {
                break;
            }
        }
    }
    out.truncate(written);
    (out, is_full)
}

fn raw(deflated: &[u8], out: &mut [u8], at: usize) -> (TINFLStatus, usize, usize) {
    decompress(&mut DecompressorOxide::new(), deflated, out, at, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF)
}

/// What follows the header of a gzip member (RFC 1952).
fn gzip_member(bytes: &[u8]) -> Option<&[u8]> {
    let (&[_, _, _, flags, ..], mut rest) = bytes.strip_prefix(&GZIP).and(bytes.split_first_chunk::<10>())?;
    let until_zero = |text: &[u8]| text.iter().position(|&b| b == 0).map(|at| at + 1);
    if flags & 4 != 0 {
        let (&[low, high], after) = rest.split_first_chunk()?;
        rest = after.get(usize::from(u16::from_le_bytes([low, high]))..)?;
    }
    // Name and comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(until_zero(rest)?..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

/// What follows the header of a zlib stream (RFC 1950).
fn zlib(bytes: &[u8]) -> Option<&[u8]> {
    let (&[method, flags], deflated) = bytes.split_first_chunk()?;
    let is_zlib = method & 15 == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31);
    is_zlib.then_some(deflated)
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

    use super::*;

    fn gzip(text: &[u8], flags: u8, extra: &[u8]) -> Vec<u8> {
        [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], extra, &compress_to_vec(text, 6), &[0; 8]].concat()
    }

    fn text(encoding: &str, body: &[u8]) -> Vec<u8> {
        let decoded = decode(encoding.as_bytes(), body, 1_000);
        assert!(!decoded.unread && !decoded.over_limit);
        decoded.bytes.unwrap()
    }

    #[test]
    fn every_form_of_deflate_is_read_whatever_it_is_called() {
        let plain = gzip(b"hello", 0, b"");
        let named = gzip(b"hello", 8 + 16 + 4 + 2, b"\x02\0xyname\0comment\0cc");
        for body in [plain, named, compress_to_vec(b"hello", 6), compress_to_vec_zlib(b"hello", 6)] {
            for encoding in ["gzip", "x-gzip", "deflate", "GZIP", " gzip , identity"] {
                assert_eq!(text(encoding, &body), b"hello", "{encoding}");
            }
        }
        assert_eq!(text("", &gzip(b"hello", 0, b"")), b"hello", "by its first bytes");
        assert_eq!(text("gzip", &[gzip(b"hel", 0, b""), gzip(b"lo", 0, b"")].concat()), b"hello", "two members");
        assert_eq!(text("deflate, gzip", &gzip(&compress_to_vec(b"hello", 6), 0, b"")), b"hello", "one in another");
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = gzip(&vec![0; 10_000_000], 0, b"");
        assert!(bomb.len() < 20_000);
        let decoded = decode(b"gzip", &bomb, 65_536);
        assert!(decoded.over_limit && !decoded.unread);
        assert_eq!(decoded.bytes.unwrap().len(), 65_536);
    }

    #[test]
    fn what_is_broken_gives_what_was_readable() {
        let line = b"some words that are long enough to be compressed, some words that are long enough".repeat(5);
        let whole = gzip(&line, 0, b"");
        for cut in 0..whole.len() {
            let decoded = decode(b"gzip", &whole[..cut], 1_000);
            assert!(decoded.bytes.is_none_or(|bytes| line.starts_with(&bytes)), "cut at {cut}");
        }
        assert!(decode(b"gzip", &whole[..whole.len() - 12], 1_000).bytes.unwrap().len() > 50);
    }

    #[test]
    fn what_is_not_known_is_said() {
        for (encoding, body) in [("br", "x"), ("gzip, br", "x"), ("gzip,gzip,gzip,gzip", "x"), ("gzip", "\u{7}plain text")] {
            let decoded = decode(encoding.as_bytes(), body.as_bytes(), 100);
            assert!(decoded.unread && decoded.bytes.is_none(), "{encoding}");
        }
        assert!(
            !decode(b"", b"plain", 100).unread && !decode(b"identity", b"plain", 100).unread && !decode(b"gzip", b"", 100).unread
        );
    }
}
