//! 7z.

use std::io::{self, Read};

use sevenz_rust2::{ArchiveEntry, ArchiveReader, EntryDecision, Error, Password};

use super::meter::{Meter, Unpacked};
use super::{Level, Part, Unpacker};

/// How much memory a decoder may ask for, in KiB; what the strongest usual setting takes.
const MEMORY_KIB: usize = 66 << 10;

impl Unpacker<'_, '_> {
    pub(super) fn seven(&mut self, level: &Level<'_>, input: &mut dyn Read) -> io::Result<()> {
        let meter = Meter::inside(level.meter);
        let inner = Level { inside: level.inside.clone(), depth: level.depth, meter: &meter };
        let (mut spool, size) = self.spool(input)?;
        io::Seek::rewind(&mut spool)?;
        meter.packed(usize::try_from(size).unwrap_or(usize::MAX));
        let outcome = match ArchiveReader::new_with_memory_limit(spool, Password::empty(), MEMORY_KIB) {
            Ok(archive) => self.seven_entries(&inner, archive),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        if outcome.is_ok() {
            (self.take)(Part::Read);
        }
        self.settle(&inner, outcome)
    }

    fn seven_entries(&mut self, level: &Level<'_>, mut archive: ArchiveReader<impl Read + io::Seek>) -> io::Result<()> {
        archive.set_thread_count(1);
        let cancel = self.reading.cancel.clone();
        let mut broken = None;
        let each = |entry: &ArchiveEntry, output: &mut dyn Read| {
            if entry.is_directory() || !entry.has_stream() {
                return Ok(EntryDecision::Continue);
            }
            let mut output = Unpacked { output, meter: level.meter, cancel: &cancel };
            let outcome = self.discovered(level).and_then(|()| {
                let inner = level.enter(entry.name());
                let outcome = self.file(&inner, &mut output);
                self.settle_member(&inner, outcome)
            });
            // What was not read of a file is unpacked all the same, to come to the next one.
            match outcome.and_then(|()| io::copy(&mut output, &mut io::sink())) {
                Ok(_) => Ok(EntryDecision::Continue),
                Err(error) => {
                    broken = Some(error);
                    Ok::<_, Error>(EntryDecision::Stop)
                }
            }
        };
        let outcome = archive.for_each_entries_with_decision(each).map_err(|error| io::Error::other(error.to_string()));
        broken.map_or(outcome, Err)
    }
}
