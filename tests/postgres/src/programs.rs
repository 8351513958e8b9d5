//! Where `PostgreSQL`'s programs are, and who runs them: they refuse to be run by root.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The folder of the programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) folder: PathBuf,
}

/// User and group of whom no file is, on every Linux.
pub(crate) const NOBODY: u32 = 65_534;
/// What Stopleak asks for at least.
const OLDEST: u32 = 15;

impl Programs {
    pub(crate) fn find() -> Result<Self> {
        if let Some(folder) = env::var_os("STOPLEAK_POSTGRES") {
            return Ok(Self { folder: folder.into() });
        }
        // Debian puts each version into a folder of its own, and none of them on the PATH.
        let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
        let folders = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        let newest = folders.filter(|folder| version(folder) >= Some(OLDEST)).max_by_key(|folder| version(folder));
        let on_path = || {
            let path = env::var_os("PATH")?;
            env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
        };
        let folder = newest.map(|folder| folder.join("bin")).or_else(on_path);
        let folder = folder
            .context("PostgreSQL 15 or newer is missing: run `just setup`, or set STOPLEAK_POSTGRES to the folder of initdb")?;
        Ok(Self { folder })
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if self.are_run_by_nobody() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    #[expect(clippy::unused_self, reason = "says of what it is true")]
    pub(crate) fn are_run_by_nobody(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}
