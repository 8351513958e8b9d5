//! Text of unknown length: standard input, and a file that was named itself.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use stopleak_contract::Token;

use crate::blob::{self, Hit};
use crate::progress::Phase;
use crate::scan::Run;
use crate::{ScanError, Skipped};

/// How much is read at once.
const CHUNK: usize = 4 << 20;
/// How much of a chunk is read again with the next one: longer than any token with its surroundings.
const OVERLAP: usize = 4 * Token::MAX_LEN;

/// Scans one file, whatever its size.
pub(crate) fn file(run: &mut Run<'_>, path: &Path) -> Result<(), ScanError> {
    let unreadable = |error| ScanError::Unreadable { location: path.display().to_string(), error };
    // Opening a pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        run.coverage.discovered += 1;
        run.coverage.skip(Skipped::SpecialFile, 1);
        return Ok(());
    }
    let mut input = File::open(path).map_err(unreadable)?;
    read(run, &path.to_string_lossy(), &mut input)
}

/// Scans everything that `input` brings, in bounded memory.
pub(crate) fn read(run: &mut Run<'_>, name: &str, input: &mut dyn Read) -> Result<(), ScanError> {
    run.coverage.discovered += 1;
    let mut window = Window::default();
    loop {
        run.stop_if_cancelled()?;
        let last = window.fill(input).map_err(|error| ScanError::Unreadable { location: name.to_owned(), error })?;
        let ready = window.ready(last);
        for hit in blob::hits(run.detector, &window.bytes) {
            if let Some(finding) = window.place(hit, ready).and_then(|hit| hit.at(name.to_owned())) {
                run.found(finding);
            }
        }
        window.advance(ready);
        run.progress(Phase::Files, 0, None, window.total);
        if last {
            run.coverage.read(window.total);
            return Ok(());
        }
    }
}

/// The part of the text that is in memory.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    /// Matches before this offset were reported with an earlier window.
    reported: usize,
    /// Lines before the window.
    lines: u64,
    /// Bytes of the window's first line that are not in it.
    column: u64,
    /// Bytes read in all.
    total: u64,
}

impl Window {
    /// Reads on; returns whether the text has ended.
    fn fill(&mut self, input: &mut dyn Read) -> io::Result<bool> {
        let read = input.take(CHUNK as u64).read_to_end(&mut self.bytes)?;
        self.total += read as u64;
        Ok(read < CHUNK)
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
