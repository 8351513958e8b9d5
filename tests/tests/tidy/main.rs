//! Keeps what people read true: the prose, the layout of the sources, and which crate may depend on which.
//!
//! Every check is a function from texts to complaints. Beside the test that runs it on this repository stands one that feeds it
//! a small wrong text, since a check that cannot fail is none.

mod arrows;
mod commands;
mod paths;
mod prose;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository that is not ignored.
struct File {
    /// From the root of the repository, with forward slashes.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether a program wrote it: nobody edits those, so their form is not our concern.
    fn is_generated(&self) -> bool {
        self.path.contains("/gen/") || self.path.ends_with("Cargo.lock")
    }

    fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file that is, or could be, committed.
fn files() -> Vec<File> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files of a checkout");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let paths = String::from_utf8(listing.stdout).expect("paths are UTF-8");
    let files: Vec<_> = paths
        .split_terminator('\0')
        // One that was deleted but is not yet committed as such, or that is not text, has nothing to read.
        .filter_map(|path| fs::read_to_string(root().join(path)).ok().map(|text| File::new(path, &text)))
        .collect();
    assert!(files.len() > 20, "only {} files: is this the repository?", files.len());
    files
}

/// The one file of that path; the check that asks for it fails without it.
fn file(path: &str) -> File {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    File::new(path, &text)
}

/// Fails with every complaint, one a line.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
