//! Text of any length, in bounded memory.

use std::io::{self, Read};

use stopleak_contract::Token;

use super::{Level, Part, Unpacker};
use crate::blob::{self, Hit};

/// How much is read at once.
const CHUNK: usize = 4 << 20;
/// How much of a chunk is read again with the next one: longer than any token with its surroundings.
const OVERLAP: usize = 4 * Token::MAX_LEN;

impl Unpacker<'_, '_> {
    /// Reads what is no archive.
    pub(super) fn text(&mut self, level: &Level<'_>, input: &mut dyn Read) -> io::Result<()> {
        self.window.clear();
        loop {
            if self.reading.cancel.is_cancelled() {
                return Err(io::Error::other("the scan was cancelled"));
            }
            let (bytes, last) = self.window.fill(input)?;
            let ready = self.window.ready(last);
            let hits = blob::hits(self.reading.detector, &self.window.bytes).into_iter();
            let mut hits: Vec<_> = hits.filter_map(|hit| self.window.place(hit, ready)).collect();
            for hit in &mut hits {
                hit.inside.clone_from(&level.inside);
            }
            self.window.advance(ready);
            (self.take)(Part::Text { bytes, hits });
            if last {
                (self.take)(Part::Read);
                return Ok(());
            }
        }
    }
}

/// The part of the text that is in memory.
#[derive(Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// Matches before this offset were reported with an earlier window.
    reported: usize,
    /// Lines before the window.
    lines: u64,
    /// Bytes of the window's first line that are not in it.
    column: u64,
}

impl Window {
    /// Begins another text in the same memory.
    fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Self { bytes, ..Self::default() };
    }

    /// Reads on; returns how much, and whether the text has ended.
    fn fill(&mut self, input: &mut dyn Read) -> io::Result<(u64, bool)> {
        let read = input.take(CHUNK as u64).read_to_end(&mut self.bytes)?;
        Ok((read as u64, read < CHUNK))
    }

    /// Up to where matches are complete: a token that begins later may go on in the next chunk.
    fn ready(&self, last: bool) -> usize {
        if last { self.bytes.len() } else { self.bytes.len().saturating_sub(OVERLAP) }
    }

    /// Turns a place in the window into one in the text, or drops a match that another window reports.
    fn place<'d>(&self, mut hit: Hit<'d>, ready: usize) -> Option<Hit<'d>> {
        if hit.offset < self.reported || hit.offset >= ready {
            return None;
        }
        if hit.line == 1 {
            hit.column += self.column;
        }
        hit.line += self.lines;
        Some(hit)
    }

    /// Forgets what no later match needs to see.
    fn advance(&mut self, ready: usize) {
        let cut = ready.saturating_sub(OVERLAP);
        let gone = &self.bytes[..cut];
        self.lines += gone.split(|&byte| byte == b'\n').count() as u64 - 1;
        self.column = match gone.iter().rposition(|&byte| byte == b'\n') {
            Some(newline) => (cut - newline - 1) as u64,
            None => self.column + cut as u64,
        };
        self.bytes.drain(..cut);
        self.reported = ready - cut;
    }
}
