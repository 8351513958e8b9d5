//! Text that is not stored a byte a letter.

use std::borrow::Cow;

/// The bytes as the detector reads them: UTF-16 with a byte-order mark becomes a byte a unit, since tokens are plain ASCII.
///
/// Lines stay what they are, and columns count letters instead of bytes.
pub(crate) fn narrowed(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [0xff, 0xfe, units @ ..] => narrow(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => narrow(units, u16::from_be_bytes),
        _ => Cow::Borrowed(bytes),
    }
}

fn narrow(units: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, [u8]> {
    let pairs = units.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    // What has no byte of its own must not look like a part of a token.
    pairs.map(|unit| u8::try_from(unit).unwrap_or(b' ')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_are_read_and_everything_else_is_left_alone() {
        let text = "aé€\nb";
        let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        assert_eq!(narrowed(&little), b"a\xe9 \nb".as_slice());
        assert_eq!(narrowed(&big), narrowed(&little));
        assert_eq!(narrowed(&little[..3]), b"".as_slice());
        assert!(matches!(narrowed(b"plain"), Cow::Borrowed(b"plain")));
    }
}
