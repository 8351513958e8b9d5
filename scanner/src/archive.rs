//! Files that have files inside: zip, tar and 7z, and what gzip, zstd or xz have packed, each in any other.
//!
//! What a file is, its first bytes say and not its name. A file inside is read like one outside, so that what `docker save` writes, a
//! layer in it and a jar in that need no code of their own: they are a tar in a gzip in a tar with a zip. Everything is streamed, whatever
//! its size; only what begins with its end, as zip and 7z do, is written to a temporary file. Nothing is ever written under its own name.
//!
//! Whoever packs a file says what unpacking it costs. [`Meter`] ends that long before it hurts, a part that is damaged or refused is
//! counted and named, and the rest goes on.

mod kind;
mod meter;
mod packed;
mod seven;
mod spool;
mod tar;
mod text;
mod zip;

use std::io::{self, Read};
use std::path::PathBuf;

use stopleak_detector::Detector;

use crate::blob::Hit;
use crate::{Cancel, Skipped};
pub(crate) use kind::Kind;
use meter::Meter;
use text::Window;

/// A jar in a layer in a saved image is six deep, counting what gzip packs; what is deeper was made to be deep.
const DEPTH_MAX: usize = 8;
/// More files than any image of a container has in it. A test counts less far.
const MEMBERS_MAX: u64 = if cfg!(test) { 1_000 } else { 1_000_000 };
/// Between the path of an archive and the path inside, as it is usual for jars.
const SEPARATOR: &str = "!/";

/// What becomes known while a file is read.
pub(crate) enum Part<'d> {
    /// There is a file inside.
    Discovered,
    /// So many bytes of text were matched.
    Text { bytes: u64, hits: Vec<Hit<'d>> },
    /// A file was read to its end, the one outside included.
    Read,
    /// A file was not, or not to its end.
    Skipped(Skipped),
    /// Why, for what needs a word.
    Problem { inside: String, problem: String },
}

/// What reading needs to know.
#[derive(Clone)]
pub(crate) struct Reading<'d> {
    pub(crate) detector: &'d Detector,
    pub(crate) cancel: Cancel,
    /// Where temporary files are made; the system's folder if `None`.
    pub(crate) temporary_folder: Option<PathBuf>,
}

/// Reads a file of any kind, and everything inside. Fails only when the input itself does.
pub(crate) fn read<'d>(reading: &Reading<'d>, input: &mut dyn Read, take: &mut dyn FnMut(Part<'d>)) -> io::Result<()> {
    let meter = Meter::outermost();
    let mut source = Source { input, meter: &meter, failure: None };
    let mut unpacker = Unpacker { reading, take, window: Window::default(), members: 0 };
    let level = Level { inside: String::new(), depth: 0, meter: &meter };
    let outcome = unpacker.file(&level, &mut source);
    match source.failure {
        Some(failure) => Err(failure),
        None => unpacker.settle(&level, outcome),
    }
}

/// The input itself: that it broke off is another matter than that something in it is broken.
struct Source<'s> {
    input: &'s mut dyn Read,
    meter: &'s Meter<'s>,
    failure: Option<io::Error>,
}

/// Goes through a file and the files inside.
struct Unpacker<'u, 'd> {
    reading: &'u Reading<'d>,
    take: &'u mut dyn FnMut(Part<'d>),
    /// One for all files, one after the other.
    window: Window,
    members: u64,
}

/// Where a file is.
struct Level<'l> {
    /// The path inside the outermost file.
    inside: String,
    depth: usize,
    meter: &'l Meter<'l>,
}

impl Unpacker<'_, '_> {
    /// Reads a file. Unless it fails, it has told once whether the file was read or skipped.
    fn file(&mut self, level: &Level<'_>, input: &mut dyn Read) -> io::Result<()> {
        let mut head = Vec::with_capacity(kind::HEAD);
        input.take(kind::HEAD as u64).read_to_end(&mut head)?;
        let mut whole = head.as_slice().chain(input);
        match Kind::of(&head) {
            None => return self.text(level, &mut whole),
            Some(_) if level.depth == DEPTH_MAX => self.skip(level, Skipped::TooDeep, "an archive, too deep inside others"),
            Some(Kind::Unknown(name)) => self.skip(level, Skipped::UnknownArchive, &format!("{name} is not unpacked")),
            Some(Kind::Packed(method)) => return self.packed(level, method, &mut whole),
            Some(Kind::Tar) => {
                let outcome = self.tar(level, &mut whole);
                return self.settle_unmetered(level, outcome);
            }
            Some(Kind::Zip) => return self.zip(level, &mut whole),
            Some(Kind::Seven) => return self.seven(level, &mut whole),
        }
        Ok(())
    }

    /// Reads a file that an archive has inside, under the archive's path for it.
    fn member(&mut self, level: &Level<'_>, name: &str, input: &mut dyn Read) -> io::Result<()> {
        self.discovered(level)?;
        let inner = level.enter(name);
        let outcome = self.file(&inner, input);
        self.pass_on(&inner, outcome)
    }

    /// Counts a file that the end of its archive has cut short; the archive says why.
    fn pass_on(&mut self, level: &Level<'_>, outcome: io::Result<()>) -> io::Result<()> {
        outcome.inspect_err(|_| (self.take)(Part::Skipped(level.reason())))
    }

    /// Counts a file inside.
    fn discovered(&mut self, level: &Level<'_>) -> io::Result<()> {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            level.meter.exhaust();
            return Err(io::Error::other(format!("it has more than {MEMBERS_MAX} files inside")));
        }
        (self.take)(Part::Discovered);
        Ok(())
    }

    /// Counts and names what is not read.
    fn skip(&mut self, level: &Level<'_>, reason: Skipped, problem: &str) {
        (self.take)(Part::Skipped(reason));
        (self.take)(Part::Problem { inside: level.inside.clone(), problem: problem.to_owned() });
    }

    /// As [`Self::settle`], for a file that has no measure of its own: too much of one is too much of what it is in.
    fn settle_unmetered(&mut self, level: &Level<'_>, outcome: io::Result<()>) -> io::Result<()> {
        if level.meter.is_over() { outcome } else { self.settle(level, outcome) }
    }

    /// Takes note that a file could not be read to its end, if that is all: whoever has to stop as well gets the error.
    fn settle(&mut self, level: &Level<'_>, outcome: io::Result<()>) -> io::Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        if self.reading.cancel.is_cancelled() || level.meter.is_outer_over() {
            return Err(error);
        }
        self.skip(level, level.reason(), &error.to_string());
        Ok(())
    }
}

impl Level<'_> {
    /// The place of a file in an archive at this one.
    fn enter(&self, name: &str) -> Level<'_> {
        let inside = if self.inside.is_empty() { name.to_owned() } else { format!("{}{SEPARATOR}{name}", self.inside) };
        Level { inside, depth: self.depth + 1, meter: self.meter }
    }

    /// Why something is not read to its end.
    fn reason(&self) -> Skipped {
        if self.meter.is_over() || self.meter.is_outer_over() { Skipped::Bomb } else { Skipped::Unreadable }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer) {
            Ok(read) => {
                self.meter.packed(read);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                Err(copy)
            }
        }
    }
}

/// The path of something inside the file at `path`.
pub(crate) fn path_inside(path: String, inside: &str) -> String {
    if inside.is_empty() { path } else { format!("{path}{SEPARATOR}{inside}") }
}

#[cfg(test)]
mod tests;
