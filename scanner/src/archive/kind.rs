//! What a file is, by its first bytes.

/// So many bytes tell: the header of a tar.
pub(super) const HEAD: usize = 512;
/// Where the header of a tar has its checksum.
const TAR_CHECKSUM: std::ops::Range<usize> = 148..156;

/// A file that has files inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One file, made smaller.
    Packed(Method),
    Tar,
    Zip,
    Seven,
    /// One that is not unpacked, by its name.
    Unknown(&'static str),
}

/// How one file was made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Gzip,
    Zstd,
    Xz,
}

const MAGIC: &[(&[u8], Kind)] = &[
    (&[0x1f, 0x8b, 0x08], Kind::Packed(Method::Gzip)),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Packed(Method::Zstd)),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Kind::Packed(Method::Xz)),
    (b"PK\x03\x04", Kind::Zip),
    // One without files.
    (b"PK\x05\x06", Kind::Zip),
    (&[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c], Kind::Seven),
    (b"BZh", Kind::Unknown("bzip2")),
    (b"Rar!\x1a\x07", Kind::Unknown("RAR")),
];

impl Kind {
    /// `None` for everything that is read as it is.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|&(_, kind)| kind);
        // Three letters are too few to call a text a file of bzip2.
        let known = known.filter(|kind| *kind != Self::Unknown("bzip2") || is_bzip2(head));
        known.or_else(|| is_tar(head).then_some(Self::Tar))
    }
}

fn is_bzip2(head: &[u8]) -> bool {
    head.get(4..10) == Some(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
}

/// Old ones have no magic, and all have a checksum.
pub(super) fn is_tar(head: &[u8]) -> bool {
    let Some((header, stated)) = head.get(..HEAD).zip(head.get(TAR_CHECKSUM)) else { return false };
    let digits = stated.iter().skip_while(|byte| **byte == b' ').take_while(|byte| (b'0'..b'8').contains(byte));
    let (count, stated) = digits.fold((0, 0_u64), |(count, sum), digit| (count + 1, sum * 8 + u64::from(digit - b'0')));
    let sum = header.iter().enumerate().map(|(at, &byte)| if TAR_CHECKSUM.contains(&at) { b' ' } else { byte });
    count > 0 && sum.map(u64::from).sum::<u64>() == stated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_archive() {
        for text in ["", "PK", "BZh is a word", "Rar!", "7z", "fn main() {}", &"0".repeat(600), &" ".repeat(600)] {
            assert_eq!(Kind::of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Kind::of(&[0; 600]), None);
    }
}
