//! One file that was named itself, standard input, and whatever else somebody hands over: in bounded memory, whatever its size.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::archive::{self, Part};
use crate::progress::Phase;
use crate::scan::Run;
use crate::{ScanError, Skipped};

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

/// Scans everything that `input` brings, and, if it is an archive, what is inside.
pub(crate) fn read(run: &mut Run<'_>, name: &str, input: &mut dyn Read) -> Result<(), ScanError> {
    run.coverage.discovered += 1;
    let reading = run.reading();
    let before = run.coverage.bytes;
    let outcome = archive::read(&reading, input, &mut |part| {
        let is_text = matches!(part, Part::Text { .. });
        run.part(name, part);
        if is_text {
            run.progress(Phase::Files, 0, None, run.coverage.bytes - before);
        }
    });
    run.stop_if_cancelled()?;
    outcome.map_err(|error| ScanError::Unreadable { location: name.to_owned(), error })
}
