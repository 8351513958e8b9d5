//! Git repositories made on the spot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::TempDir;

/// A repository with a history; removed when it is dropped.
#[derive(Debug)]
pub struct Repository {
    dir: TempDir,
}

impl Repository {
    /// An empty one.
    pub fn new() -> Result<Self> {
        let repository = Self { dir: tempfile::Builder::new().prefix("orders-service-").tempdir()? };
        repository.git(&["init", "--quiet", "--initial-branch", "main"])?;
        Ok(repository)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What `git clone` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Writes a file and commits it.
    pub fn commit(&self, path: &str, text: &str, message: &str) -> Result<()> {
        let file: PathBuf = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap_or(self.path()))?;
        fs::write(file, text)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])
    }

    fn git(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=Sample", "-c", "user.email=sample@example.invalid", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
