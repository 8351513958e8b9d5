//! The file of a pack, read piece by piece. Mapped into memory, what was read of it would count as ours, and a pack has any size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress, Status};
use gix_hash::Kind;
use gix_pack::data::Entry;
use sha1::{Digest as _, Sha1};

use crate::Cancel;

/// How much is read at once: most entries are smaller.
const PIECE: usize = 8 << 10;
/// Kind and size, and the name of a base.
const HEADER_MAX: usize = 10 + 32;
/// How much is read at once of the whole, for its checksum.
const STRETCH: usize = 256 << 10;

/// A pack that was opened.
pub(super) struct Stored {
    file: File,
    /// Where the entries end, and the checksum begins.
    end: u64,
    pub(super) path: PathBuf,
    hash: Kind,
}

/// A part of the file that is in memory.
#[derive(Default)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    offset: u64,
}

enum Sum {
    Sha1(Sha1),
    Other(gix_hash::Hasher),
}

impl Stored {
    pub(super) fn open(path: &Path, hash: Kind) -> Result<Self, String> {
        let problem = |error: io::Error| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(problem)?;
        let size = file.metadata().map_err(problem)?.len();
        let mut start = [0; 4];
        file.read_exact_at(&mut start, 0).map_err(problem)?;
        let end = size.checked_sub(hash.len_in_bytes() as u64).filter(|_| start == *b"PACK");
        Ok(Self { file, end: end.ok_or_else(|| format!("{} is no pack", path.display()))?, path: path.into(), hash })
    }

    /// Whether the bytes are those that were once written, which inflating does not tell.
    pub(super) fn check(&self, cancel: &Cancel) -> Result<(), String> {
        let problem = |error: io::Error| format!("{}: {error}", self.path.display());
        // That of gix looks for attacks as well, and takes five times as long.
        let mut hasher = if self.hash == Kind::Sha1 { Sum::Sha1(Sha1::new()) } else { Sum::Other(gix_hash::hasher(self.hash)) };
        let (mut buffer, mut offset) = (vec![0; STRETCH], 0);
        while offset < self.end && !cancel.is_cancelled() {
            let most = usize::try_from(self.end - offset).unwrap_or(STRETCH).min(STRETCH);
            self.file.read_exact_at(&mut buffer[..most], offset).map_err(problem)?;
            match &mut hasher {
                Sum::Sha1(sum) => sum.update(&buffer[..most]),
                Sum::Other(sum) => sum.update(&buffer[..most]),
            }
            offset += most as u64;
        }
        let mut stated = vec![0; self.hash.len_in_bytes()];
        self.file.read_exact_at(&mut stated, self.end).map_err(problem)?;
        let is_right = match hasher {
            Sum::Sha1(sum) => *sum.finalize() == *stated,
            Sum::Other(sum) => sum.try_finalize().is_ok_and(|sum| sum.as_slice() == stated),
        };
        if is_right || cancel.is_cancelled() {
            return Ok(());
        }
        Err(format!("{}: its checksum is wrong", self.path.display()))
    }

    /// What stands in front of an entry's bytes.
    pub(super) fn entry(&self, offset: u64, piece: &mut Piece) -> Result<Entry, String> {
        let start = piece.at(self, offset)?;
        Entry::from_bytes(start, offset, self.hash).map_err(|error| error.to_string())
    }

    /// What an entry holds, which is an object or a difference.
    pub(super) fn inflate(
        &self,
        offset: u64,
        limit: u64,
        piece: &mut Piece,
        inflate: &mut Decompress,
        bytes: &mut Vec<u8>,
    ) -> Result<(), String> {
        let entry = self.entry(offset, piece)?;
        let size = usize::try_from(entry.decompressed_size).ok().filter(|_| entry.decompressed_size <= limit);
        let size = size.ok_or("it is larger than it may be")?;
        bytes.clear();
        // One more, so that what is larger than it says is noticed.
        bytes.reserve(size + 1);
        inflate.reset(true);
        loop {
            let packed = piece.at(self, entry.data_offset + inflate.total_in())?;
            let before = (inflate.total_in(), bytes.len());
            let status = inflate.decompress_vec(packed, bytes, FlushDecompress::None).map_err(|error| error.to_string())?;
            match status {
                Status::StreamEnd if bytes.len() == size => return Ok(()),
                // It has ended too early, has more, or does not go on.
                Status::StreamEnd => break,
                _ if bytes.len() > size || before == (inflate.total_in(), bytes.len()) => break,
                _ => {}
            }
        }
        Err("it does not have the size that it says".into())
    }
}

impl Piece {
    /// The file from `offset` on, as far as it is in memory.
    fn at(&mut self, stored: &Stored, offset: u64) -> Result<&[u8], String> {
        let inside = offset.checked_sub(self.offset).and_then(|inside| usize::try_from(inside).ok());
        // The start of an entry takes up to this many bytes.
        let is_here = inside.is_some_and(|inside| inside + HEADER_MAX <= self.bytes.len());
        if !is_here {
            let left = stored.end.checked_sub(offset).filter(|&left| left > 0).ok_or("it is behind the end of the pack")?;
            self.bytes.resize(usize::try_from(left).unwrap_or(PIECE).min(PIECE), 0);
            self.offset = offset;
            stored.file.read_exact_at(&mut self.bytes, offset).map_err(|error| error.to_string())?;
        }
        let inside = usize::try_from(offset - self.offset).unwrap_or_default();
        self.bytes.get(inside..).ok_or_else(|| "it is behind the end of the pack".into())
    }
}
