//! The empty cluster that all are copied from.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::USER;
use crate::programs::{NOBODY, Programs};

/// Changes when clusters have to be made differently.
const GENERATION: u32 = 1;

/// Copies the cluster to `data`, and makes it first when there is none.
pub(crate) fn copy(programs: &Programs, data: &Path) -> Result<()> {
    let target = target_folder()?;
    let version = programs.folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let template = target.join(format!("postgres-{version}-{GENERATION}"));
    // Whoever comes first makes it, the others wait.
    let lock = File::create(target.join("postgres.lock"))?;
    lock.lock()?;
    if !template.is_dir() {
        make(programs, &template)?;
    }
    drop(lock);
    copy_all(&template, data)
}

fn make(programs: &Programs, template: &Path) -> Result<()> {
    // The user that runs the programs may have no right to enter the target folder.
    let dir = tempfile::tempdir()?;
    if programs.are_run_by_nobody() {
        chown(dir.path(), Some(NOBODY), Some(NOBODY))?;
    }
    let data = dir.path().join("data");
    let mut command = programs.command("initdb");
    command.current_dir(dir.path()).arg("-D").arg(&data).args(["-U", USER, "--auth=trust", "--no-sync", "--wal-segsize=1"]);
    let output = command.args(["--encoding=UTF8", "--locale=C.UTF-8"]).output().context("initdb does not start")?;
    ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    // There whole or not at all.
    let part = template.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    copy_all(&data, &part)?;
    Ok(fs::rename(&part, template)?)
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    let output = Command::new("cp").arg("-a").arg(from).arg(to).output()?;
    ensure!(output.status.success(), "cp: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The parent of the profile's folder, in which this binary lies, or in `deps/` there.
fn target_folder() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let profile = this.ancestors().skip(1).find(|folder| folder.file_name().is_none_or(|name| name != "deps"));
    profile.and_then(Path::parent).map(Path::to_owned).context("this binary lies in no target folder")
}
