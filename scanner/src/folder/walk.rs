//! Walks a folder without leaving it.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::batch::Batch;
use super::ignored::Ignored;
use super::{Event, relative};
use crate::archive::Part;
use crate::location::is_git_metadata;
use crate::{Cancel, Skipped};

/// Sends every regular file under `root` to `files`, and what is left out to `events`; returns early when nobody listens.
pub(super) fn walk(root: &Path, ignored_files: bool, cancel: &Cancel, files: &Batch<PathBuf>, events: &Batch<Event<'_>>) {
    let walk = Walk { root, cancel, files, events };
    let ignored = (!ignored_files).then(|| Ignored::of_repository(root));
    let mut folders = vec![(root.to_path_buf(), ignored)];
    while let Some((folder, ignored)) = folders.pop() {
        if walk.folder(&folder, ignored.as_ref(), &mut folders).is_none() {
            return;
        }
    }
}

struct Walk<'w, 'd> {
    root: &'w Path,
    cancel: &'w Cancel,
    files: &'w Batch<PathBuf>,
    events: &'w Batch<Event<'d>>,
}

/// `None` means that the scan has ended.
type Continue = Option<()>;

impl<'d> Walk<'_, 'd> {
    fn folder(&self, folder: &Path, ignored: Option<&Ignored>, folders: &mut Vec<(PathBuf, Option<Ignored>)>) -> Continue {
        if self.cancel.is_cancelled() {
            return None;
        }
        let ignored = ignored.map(|ignored| ignored.enter(folder));
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder, &error),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, ignored.as_ref(), folders)?,
                Err(error) => self.unreadable(folder, &error)?,
            }
        }
        Some(())
    }

    fn entry(&self, entry: &DirEntry, ignored: Option<&Ignored>, folders: &mut Vec<(PathBuf, Option<Ignored>)>) -> Continue {
        let path = entry.path();
        // This is the type of the entry itself: a link is a link, whatever it points at.
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return self.unreadable(&path, &error),
        };
        if is_git_metadata(&entry.file_name()) {
            return self.skip(Skipped::GitMetadata);
        }
        if ignored.is_some_and(|ignored| ignored.contains(&path, kind.is_dir())) {
            return self.skip(Skipped::IgnoredByGit);
        }
        if kind.is_dir() {
            folders.push((path, ignored.cloned()));
            return Some(());
        }
        self.tell("", Part::Discovered)?;
        if kind.is_symlink() {
            self.skip(Skipped::SymbolicLink)
        } else if kind.is_file() {
            self.files.send(path)
        } else {
            self.skip(Skipped::SpecialFile)
        }
    }

    fn skip(&self, reason: Skipped) -> Continue {
        self.tell("", Part::Skipped(reason))
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> Continue {
        self.skip(Skipped::Unreadable)?;
        self.tell(&relative(self.root, path), Part::Problem { inside: String::new(), problem: error.to_string() })
    }

    fn tell(&self, path: &str, part: Part<'d>) -> Continue {
        self.events.send((path.to_owned(), part))
    }
}
