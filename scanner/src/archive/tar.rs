//! Tar, in all its dialects, read block by block: a name of any length takes no more memory than a name may have.

use std::io::{self, Read};

use super::kind::{HEAD as BLOCK, is_tar};
use super::{Level, Part, Unpacker};
use crate::Skipped;

/// A longer path is none that a system takes; what describes a file is not read beyond that either.
const DESCRIPTION_MAX: u64 = 64 << 10;

/// A file, as the block before it describes it.
struct Header {
    name: Vec<u8>,
    size: u64,
    kind: u8,
}

/// The bytes of a file: fewer are an error, not an end.
struct Content<'i> {
    input: &'i mut dyn Read,
    left: u64,
}

/// What blocks before a file's own say of it.
#[derive(Default)]
struct Described {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Unpacker<'_, '_> {
    /// Reads the files of a tar. What breaks off in the middle is an error; an end without its mark is none.
    pub(super) fn tar(&mut self, level: &Level<'_>, input: &mut dyn Read) -> io::Result<()> {
        let mut described = Described::default();
        while let Some(header) = Header::read(input)? {
            let mut size = header.size;
            match header.kind {
                b'L' => described.name = Some(description(input, size)?),
                b'x' => described.read_pax(&description(input, size)?),
                kind => {
                    let described = std::mem::take(&mut described);
                    size = described.size.unwrap_or(size);
                    self.tar_member(level, kind, &described.name.unwrap_or(header.name), size, input)?;
                }
            }
            // Files fill their blocks.
            let padding = size.checked_next_multiple_of(BLOCK as u64).map_or(0, |whole| whole - size);
            // The last one may lack what fills it.
            io::copy(&mut input.take(padding), &mut io::sink())?;
        }
        (self.take)(Part::Read);
        Ok(())
    }

    fn tar_member(&mut self, level: &Level<'_>, kind: u8, name: &[u8], size: u64, input: &mut dyn Read) -> io::Result<()> {
        let name = String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
        let mut content = Content { input, left: size };
        match kind {
            b'0' | 0 | b'7' | b'S' if !name.ends_with('/') => {
                let name = name.strip_prefix("./").unwrap_or(&name);
                self.member(level, name, &mut content)?;
            }
            b'2' => self.tar_other(level, Skipped::SymbolicLink)?,
            b'3' | b'4' | b'6' => self.tar_other(level, Skipped::SpecialFile)?,
            // Folders, further names of a file that is there, and what describes them all.
            _ => {}
        }
        io::copy(&mut content, &mut io::sink()).map(drop)
    }

    fn tar_other(&mut self, level: &Level<'_>, reason: Skipped) -> io::Result<()> {
        self.discovered(level)?;
        (self.take)(Part::Skipped(reason));
        Ok(())
    }
}

impl Header {
    /// `None` at the end.
    fn read(input: &mut dyn Read) -> io::Result<Option<Self>> {
        let mut block = Vec::with_capacity(BLOCK);
        input.take(BLOCK as u64).read_to_end(&mut block)?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if !is_tar(&block) {
            return Err(damaged());
        }
        let text = |range: std::ops::Range<usize>| block[range].split(|&byte| byte == 0).next().unwrap_or_default();
        let mut name = text(0..100).to_vec();
        // GNU's dialect has other things in that place.
        let prefix = if block[257..263] == *b"ustar\0" { text(345..500) } else { b"" };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        Ok(Some(Self { name, size: number(&block[124..136]).ok_or_else(damaged)?, kind: block[156] }))
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl Described {
    /// Lines of a length, a key and a value.
    fn read_pax(&mut self, mut text: &[u8]) {
        while let Some(space) = text.iter().position(|&byte| byte == b' ') {
            let length = std::str::from_utf8(&text[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
            let Some(line) = length.filter(|&length| length > space).and_then(|length| text.get(space + 1..length)) else {
                return;
            };
            text = &text[space + 1 + line.len()..];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if let Some(path) = line.strip_prefix(b"path=") {
                self.name = Some(path.to_vec());
            } else if let Some(size) = line.strip_prefix(b"size=") {
                self.size = std::str::from_utf8(size).ok().and_then(|digits| digits.parse().ok()).or(self.size);
            }
        }
    }
}

/// Octal digits, or, where these are too few, bytes.
fn number(field: &[u8]) -> Option<u64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        return rest.iter().try_fold(0_u64, |sum, &byte| sum.checked_mul(256)?.checked_add(u64::from(byte)));
    }
    let mut digits = field.iter().filter(|&&byte| byte != b' ' && byte != 0);
    digits.try_fold(0_u64, |sum, &digit| sum.checked_mul(8)?.checked_add(u64::from(char::from(digit).to_digit(8)?)))
}

/// What describes the next file, as far as anybody has reason to go on; the rest is passed over.
fn description(input: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    input.take(size.min(DESCRIPTION_MAX)).read_to_end(&mut text)?;
    skip(input, size.saturating_sub(DESCRIPTION_MAX))?;
    Ok(text)
}

fn skip(input: &mut dyn Read, bytes: u64) -> io::Result<()> {
    if io::copy(&mut input.take(bytes), &mut io::sink())? < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the archive is damaged")
}
