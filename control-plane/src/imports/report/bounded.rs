//! A reader that ends when too much comes between two findings: the JSON parser keeps a string whole, however long it is.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes that may still come before the next finding.
#[derive(Clone)]
pub(super) struct Budget(Rc<Cell<usize>>);

/// Reads no more than its budget has.
pub(super) struct Bounded<R> {
    reader: io::BufReader<R>,
    budget: Budget,
    begun: bool,
}

/// Reports hold the list of all their scanner's rules, some megabytes, before the first finding.
const BETWEEN: usize = 32 * 1024 * 1024;
const BUFFER: usize = 64 * 1024;
/// What some editors and shells put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Default for Budget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(BETWEEN)))
    }
}

impl Budget {
    /// There was a finding.
    pub(super) fn renew(&self) {
        self.0.set(BETWEEN);
    }
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(reader: R, budget: Budget) -> Self {
        Self { reader: io::BufReader::with_capacity(BUFFER, reader), budget, begun: false }
    }

    fn pass_mark(&mut self) -> io::Result<()> {
        use std::io::BufRead as _;
        if self.reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            self.reader.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.begun, true) {
            self.pass_mark()?;
        }
        let read = self.reader.read(buffer)?;
        let left = self.budget.0.get().checked_sub(read).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "over 32 MiB without a finding; this is no report of a scanner")
        })?;
        self.budget.0.set(left);
        Ok(read)
    }
}
