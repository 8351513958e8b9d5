//! Reads a source, every blob once, and hands back findings with a coverage record.
//!
//! The flow: [`SourceLocation::parse`] says what a text points at; [`Scan::run`] reads it: a Git repository is
//! mirrored by the system's `git`, its blobs are read straight from the pack, and only when some of them hold
//! tokens are the commits walked to say where and since when; a folder is walked, standard input is streamed; archives are unpacked on the way, wherever they are. Each
//! [`Finding`] goes to the caller's [`Observer`] as soon as it is known, and [`Coverage`] says what was and was
//! not read, and why. [`Report`] writes both down for people and for machines.
//!
//! A token's text lives in [`Finding::token`] only, which is zeroised when dropped and which no report can write.

mod location;
mod address;
mod redact;
mod printable;
mod options;
mod seen;
mod scan;

mod git;
mod folder;
mod stream;
mod archive;

mod encoding;
mod place;
mod blob;
mod finding;

mod coverage;
mod progress;
mod error;
mod report;

pub use coverage::{Coverage, CoverageError, Skipped};
pub use error::ScanError;
pub use finding::Finding;
pub use location::{LocationError, SourceLocation};
pub use options::Options;
pub use progress::{Cancel, Observer, Phase, Progress};
pub use report::{Format, Report};
pub use scan::Scan;
pub use seen::Seen;
