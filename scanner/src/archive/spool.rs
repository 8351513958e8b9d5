//! What can be read only from its end, kept until the end has come.

use std::io::{self, Read};

use tempfile::{SpooledTempFile, spooled_tempfile, spooled_tempfile_in};

use super::Unpacker;

/// What is smaller stays in memory.
const MEMORY_MAX: usize = 4 << 20;

impl Unpacker<'_, '_> {
    /// Everything that comes, and how much that is.
    pub(super) fn spool(&self, input: &mut dyn Read) -> io::Result<(SpooledTempFile, u64)> {
        let mut spool = match &self.reading.temporary_folder {
            Some(folder) => spooled_tempfile_in(MEMORY_MAX, folder),
            None => spooled_tempfile(MEMORY_MAX),
        };
        let size = io::copy(input, &mut spool)?;
        Ok((spool, size))
    }
}
