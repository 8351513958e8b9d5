//! What a scan read and what it did not, and why.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::archive::{self, Part};
use crate::blob::Hit;

/// Errors beyond this number are counted but not listed.
const ERRORS_MAX: usize = 100;

/// The record of one scan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Blobs and files that exist.
    pub discovered: u64,
    /// Those that were read to the end.
    pub scanned: u64,
    /// Those that were not, by reason.
    #[serde(serialize_with = "as_list")]
    pub skipped: BTreeMap<Skipped, u64>,
    /// Bytes matched.
    pub bytes: u64,
    /// Commits in the history.
    pub commits: u64,
    /// Branches, tags and other references.
    pub refs: u64,
    /// Blobs with tokens that no reference leads to, so that nobody can fetch them; not reported.
    pub unreachable: u64,
    /// Tokens of low confidence, which are not reported unless generic ones are: private keys in tests and examples.
    pub unlikely: u64,
    /// Findings reported.
    pub findings: u64,
    /// Which rules were used.
    pub rules_version: String,
    /// How long it took.
    pub seconds: f64,
    /// What went wrong with single files; the first hundred.
    pub errors: Vec<CoverageError>,
    /// How many errors there were in all.
    pub error_count: u64,
}

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// Larger than [`crate::Options::blob_limit`].
    TooLarge,
    /// It could not be opened or read; see the errors.
    Unreadable,
    /// A symbolic link: what it points at is read where it is, if it is in the source.
    SymbolicLink,
    /// A pipe, a socket or a device: opening it could block for ever.
    SpecialFile,
    /// Git's own files; a repository's history is read when the repository itself is scanned.
    GitMetadata,
    /// A partial clone on this machine lacks it.
    Absent,
    /// Ignored by Git, in a work tree; a folder counts as one.
    IgnoredByGit,
    /// An earlier scan has read it with the same rules.
    SeenBefore,
    /// It unpacks to far more than any real file does; what came before that was read.
    Bomb,
    /// An archive inside more archives than anybody has reason for.
    TooDeep,
    /// An archive of a kind that is not unpacked.
    UnknownArchive,
    /// A file of an archive that needs a password.
    Encrypted,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CoverageError {
    /// The file, relative to the source.
    pub path: String,
    /// What the system said.
    pub problem: String,
}

impl Coverage {
    /// How many blobs and files were skipped for any reason.
    #[must_use]
    pub fn skipped_count(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Counts what became known of the file at `path`, and returns the tokens in it.
    pub(crate) fn part<'d>(&mut self, path: &str, part: Part<'d>) -> Vec<Hit<'d>> {
        match part {
            Part::Discovered => self.discovered += 1,
            Part::Text { bytes, hits } => {
                self.bytes += bytes;
                return hits;
            }
            Part::Read => self.scanned += 1,
            Part::Skipped(reason) => self.skip(reason, 1),
            Part::Problem { inside, problem } => self.error(archive::path_inside(path.to_owned(), &inside), problem),
        }
        Vec::new()
    }

    /// Adds what somebody else has counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.discovered += other.discovered;
        self.scanned += other.scanned;
        self.bytes += other.bytes;
        other.skipped.into_iter().for_each(|(reason, count)| self.skip(reason, count));
        let unlisted = other.error_count - other.errors.len() as u64;
        other.errors.into_iter().for_each(|CoverageError { path, problem }| self.error(path, problem));
        self.error_count += unlisted;
    }

    pub(crate) fn skip(&mut self, reason: Skipped, count: u64) {
        if count > 0 {
            *self.skipped.entry(reason).or_default() += count;
        }
    }

    pub(crate) fn error(&mut self, path: String, problem: String) {
        self.error_count += 1;
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(CoverageError { path, problem });
        }
    }
}

impl Skipped {
    /// The reason in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::TooLarge => "larger than the limit",
            Self::Unreadable => "unreadable",
            Self::SymbolicLink => "symbolic link",
            Self::SpecialFile => "pipe, socket or device",
            Self::GitMetadata => "Git's own files",
            Self::Absent => "not in this partial clone",
            Self::IgnoredByGit => "ignored by Git",
            Self::SeenBefore => "read by an earlier scan",
            Self::Bomb => "unpacks to more than is read",
            Self::TooDeep => "archive too deep inside others",
            Self::UnknownArchive => "archive of a kind that is not unpacked",
            Self::Encrypted => "encrypted",
        }
    }
}

#[derive(Serialize)]
struct Entry {
    reason: Skipped,
    count: u64,
}

fn as_list<S: Serializer>(skipped: &BTreeMap<Skipped, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(skipped.iter().map(|(&reason, &count)| Entry { reason, count }))
}
