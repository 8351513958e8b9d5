//! The lines of a file.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BackupError;
use super::schema::{Kind, Table};

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Of this form.
    pub(super) stopleak_backup: u32,
    /// The numbers of the migrations that made the tables.
    pub(super) schema: Vec<i64>,
    /// The tenant, of an export.
    pub(super) tenant: Option<String>,
    pub(super) made_at: String,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) rows: u64,
    /// Over every byte before this line.
    pub(super) blake3: String,
}

/// A line, by its first character: an array is a row.
pub(super) enum Line {
    Table(Table),
    Row(Vec<Value>),
    End,
}

/// What [`Head::stopleak_backup`] says.
pub(super) const VERSION: u32 = 1;
/// A longer line is no row of ours: the largest has a payload or a text of some kilobytes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Writes lines.
pub(super) struct Writer<W: Write> {
    out: BufWriter<GzEncoder<W>>,
    hash: blake3::Hasher,
    rows: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: BufWriter::new(GzEncoder::new(out, Compression::fast())), hash: blake3::Hasher::new(), rows: 0 }
    }

    pub(super) fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.out.write_all(&text)
    }

    pub(super) fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.rows += 1;
        self.line(&row)
    }

    pub(super) fn end(mut self) -> io::Result<(W, u64)> {
        let end = End { rows: self.rows, blake3: self.hash.finalize().to_hex().to_string() };
        self.line(&end)?;
        let out = self.out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
        Ok((out, self.rows))
    }
}

/// Reads lines, and checks at the end that all were there.
pub(super) struct Reader<R: Read> {
    lines: BufReader<MultiGzDecoder<R>>,
    hash: blake3::Hasher,
    rows: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(file: R) -> Result<(Self, Head), BackupError> {
        let lines = BufReader::new(MultiGzDecoder::new(file));
        let mut reader = Self { lines, hash: blake3::Hasher::new(), rows: 0 };
        let head = reader.text()?;
        reader.hash.update(&head);
        let head: Head = serde_json::from_slice(&head).map_err(|_| damaged("its first line is another"))?;
        if head.stopleak_backup != VERSION {
            return Err(damaged("it has a form that this version does not know"));
        }
        Ok((reader, head))
    }

    pub(super) fn next(&mut self) -> Result<Line, BackupError> {
        let text = self.text()?;
        if text.first() == Some(&b'[') {
            self.hash.update(&text);
            self.rows += 1;
            return serde_json::from_slice(&text).map(Line::Row).map_err(|_| damaged("a row cannot be read"));
        }
        if let Ok(table) = serde_json::from_slice(&text) {
            self.hash.update(&text);
            return Ok(Line::Table(table));
        }
        let end: End = serde_json::from_slice(&text).map_err(|_| damaged("a line is none of its kinds"))?;
        if end.rows != self.rows || end.blake3 != self.hash.finalize().to_hex().as_str() {
            return Err(damaged("its checksum is another"));
        }
        Ok(Line::End)
    }

    fn text(&mut self) -> Result<Vec<u8>, BackupError> {
        let mut text = Vec::new();
        let read = (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut text);
        read.map_err(|error| damaged(&error.to_string()))?;
        if text.last() == Some(&b'\n') { Ok(text) } else { Err(damaged("it ends too early")) }
    }
}

/// Bytes as a line has them: in hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The same backwards.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() {
        return None;
    }
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Whether a value is one of the column's kind.
pub(super) fn fits(value: &Value, kind: Kind) -> bool {
    match kind {
        _ if value.is_null() => true,
        Kind::Number => value.is_i64(),
        Kind::Text => value.is_string(),
        Kind::Bytes => value.as_str().is_some_and(|text| from_hex(text).is_some()),
    }
}

pub(super) fn damaged(what: &str) -> BackupError {
    BackupError::Damaged(what.to_owned())
}
