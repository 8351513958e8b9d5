//! Which files of a work tree Git ignores.

use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The ignore files from the root of a work tree down to one of its folders.
#[derive(Clone)]
pub(super) struct Ignored {
    /// The deepest one decides first.
    files: Vec<Arc<Gitignore>>,
}

impl Ignored {
    /// What holds for the whole repository besides its `.gitignore` files.
    pub(super) fn of_repository(root: &Path) -> Self {
        let mut ignored = Self { files: Vec::new() };
        ignored.add(root, &root.join(".git/info/exclude"));
        ignored
    }

    /// What holds inside `folder`.
    pub(super) fn enter(&self, folder: &Path) -> Self {
        let mut ignored = self.clone();
        ignored.add(folder, &folder.join(".gitignore"));
        ignored
    }

    /// Whether Git leaves out `path`, which lies directly in the folder that was entered.
    pub(super) fn contains(&self, path: &Path, is_folder: bool) -> bool {
        let decided = self.files.iter().rev().map(|file| file.matched(path, is_folder)).find(|decided| !decided.is_none());
        decided.is_some_and(|decided| decided.is_ignore())
    }

    fn add(&mut self, folder: &Path, file: &Path) {
        // A pipe of that name would block for ever.
        if !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            return;
        }
        let mut builder = GitignoreBuilder::new(folder);
        // A line that is no pattern is skipped, as Git does.
        let _ = builder.add(file);
        if let Ok(patterns) = builder.build()
            && !patterns.is_empty()
        {
            self.files.push(Arc::new(patterns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_file_decides() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(root.join(".gitignore"), "*.log\n/target/\n").unwrap();
        std::fs::write(root.join("a/.gitignore"), "!keep.log\n").unwrap();
        let top = Ignored::of_repository(root).enter(root);
        assert!(top.contains(&root.join("x.log"), false));
        assert!(top.contains(&root.join("target"), true));
        assert!(!top.contains(&root.join("target"), false));
        assert!(!top.contains(&root.join("x.rs"), false));
        let inner = top.enter(&root.join("a"));
        assert!(!inner.contains(&root.join("a/keep.log"), false));
        assert!(inner.contains(&root.join("a/x.log"), false));
    }
}
