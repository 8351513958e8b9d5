//! Compressed text.

use std::io::Read as _;

use flate2::read::GzDecoder;

/// Every stream of gzip begins so.
pub(super) const MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];

pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What can be unpacked within the limit: a bomb, and a stream that breaks off, are read as far as that.
pub(super) fn unpack(bytes: &[u8], limit: usize) -> Vec<u8> {
    let mut unpacked = Vec::new();
    // An error ends the text early, and what came before it is searched all the same.
    let _ = GzDecoder::new(bytes).take(limit as u64).read_to_end(&mut unpacked);
    unpacked
}
