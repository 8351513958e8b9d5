//! A disk of a few megabytes for one process, which can be filled: in a mount namespace of its own, so that nobody needs to be root.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The folder of a running process that lies on such a disk.
#[derive(Clone, Debug)]
pub struct SmallDisk {
    /// As it is seen from outside.
    seen: PathBuf,
}

/// The name of the file that fills it.
const FILLER: &str = "filler";

impl SmallDisk {
    /// The beginning of a command whose folder, which is there, is such a disk of so many megabytes.
    #[must_use]
    pub fn command(folder: &Path, megabytes: u64, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount -t tmpfs -o size=$0m none \"$1\" && shift && exec \"$@\"");
        command.arg(megabytes.to_string()).arg(folder).arg(program);
        command
    }

    /// The folder, as the process with this number has it.
    #[must_use]
    pub fn of(process: u32, folder: &Path) -> Self {
        let inside = folder.strip_prefix("/").unwrap_or(folder);
        Self { seen: PathBuf::from(format!("/proc/{process}/root")).join(inside) }
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.seen
    }

    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.seen.join(FILLER))?;
        let mut size = 64 * 1024;
        loop {
            match file.write(&vec![0; size]) {
                Ok(1..) => {}
                Ok(0) => bail!("nothing was written"),
                Err(error) if error.kind() == ErrorKind::StorageFull && size > 1 => size /= 2,
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
    }

    /// Makes room again.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.seen.join(FILLER))?)
    }
}
