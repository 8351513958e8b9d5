//! Zip, and everything that is one under another name: wheels, jars, documents, packages.

use std::io::{self, Read};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder};

use super::kind::Method;
use super::meter::{Meter, Unpacked};
use super::{Level, Part, Unpacker};
use crate::Skipped;

/// One file, as the directory at the end lists it.
struct Entry {
    name: String,
    method: CompressionMethod,
    encrypted: bool,
    place: ZipArchiveEntryWayfinder,
}

impl Unpacker<'_, '_> {
    pub(super) fn zip(&mut self, level: &Level<'_>, input: &mut dyn Read) -> io::Result<()> {
        let meter = Meter::inside(level.meter);
        let inner = Level { inside: level.inside.clone(), depth: level.depth, meter: &meter };
        let (spool, size) = self.spool(input)?;
        // Members may lie in the same bytes, so that all of them together are measured against the whole.
        meter.packed(usize::try_from(size).unwrap_or(usize::MAX));
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let outcome = match ZipArchive::from_seekable(spool, &mut buffer) {
            Ok(archive) => self.entries(&inner, &archive, &mut buffer),
            Err(error) => Err(io::Error::other(error)),
        };
        if outcome.is_ok() {
            (self.take)(Part::Read);
        }
        self.settle(&inner, outcome)
    }

    fn entries<R: ReaderAt>(&mut self, level: &Level<'_>, archive: &ZipArchive<R>, buffer: &mut [u8]) -> io::Result<()> {
        let mut entries = archive.entries(buffer);
        while let Some(entry) = entries.next_entry().map_err(io::Error::other)? {
            if entry.is_dir() {
                continue;
            }
            let entry = Entry {
                name: String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned(),
                method: entry.compression_method(),
                encrypted: entry.flags().is_encrypted(),
                place: entry.wayfinder(),
            };
            self.discovered(level)?;
            let inner = level.enter(&entry.name);
            if entry.encrypted {
                self.skip(&inner, Skipped::Encrypted, "it is encrypted");
                continue;
            }
            let outcome = self.entry(&inner, archive, &entry);
            self.settle_member(&inner, outcome)?;
        }
        Ok(())
    }

    fn entry<R: ReaderAt>(&mut self, level: &Level<'_>, archive: &ZipArchive<R>, entry: &Entry) -> io::Result<()> {
        let content = archive.get_entry(entry.place).map_err(io::Error::other)?.reader();
        let cancel = self.reading.cancel.clone();
        let measured = |unpacker: &mut Self, output: &mut dyn Read| {
            unpacker.file(level, &mut Unpacked { output, meter: level.meter, cancel: &cancel })
        };
        match entry.method {
            CompressionMethod::STORE => measured(self, &mut { content }),
            CompressionMethod::DEFLATE => measured(self, &mut DeflateDecoder::new(content)),
            CompressionMethod::ZSTD => self.packed(level, Method::Zstd, &mut { content }),
            CompressionMethod::XZ => self.packed(level, Method::Xz, &mut { content }),
            method => {
                self.skip(level, Skipped::UnknownArchive, &format!("it is packed by method {method}, which is not unpacked"));
                Ok(())
            }
        }
    }

    /// Takes note of a file that could not be read to its end, and of one that ends its archive.
    pub(super) fn settle_member(&mut self, level: &Level<'_>, outcome: io::Result<()>) -> io::Result<()> {
        let outcome = self.settle_unmetered(level, outcome);
        self.pass_on(level, outcome)
    }
}
