//! A private `PostgreSQL` for one test: a cluster of its own, reached over a Unix socket, gone when it is dropped.
//!
//! Tests run in processes of their own, and so share no server. Making a cluster takes seconds, so that one is made once for each
//! target folder, as [`template`], and copied: a server starts in a third of a second. A benchmark has one as companies have it, in a
//! folder that may stay: [`Postgres::start_in`].

mod programs;
mod template;

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::programs::{NOBODY, Programs};

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    server: Child,
    settings: &'static [&'static str],
    dir: PathBuf,
    /// The same, when it goes with the server.
    _temporary: Option<TempDir>,
}

/// The only user, who may do everything.
pub const USER: &str = "stopleak";
/// How long a server may take to start: one that was ended at once reads its log first.
const PATIENCE: Duration = Duration::from_mins(2);
/// Nothing outlives the test, so nothing has to reach a disk.
const PASSING: &[&str] = &["fsync=off", "shared_buffers=16MB"];

impl Postgres {
    /// Starts a server with an empty database.
    pub fn start() -> Result<Self> {
        let temporary = tempfile::Builder::new().prefix("stopleak-postgres-").tempdir()?;
        Self::on(temporary.path().to_owned(), Some(temporary), PASSING)
    }

    /// Starts a server with these settings in a folder, where its data stays. What is committed is on the disk.
    pub fn start_in(dir: &Path, settings: &'static [&'static str]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        Self::on(dir.to_owned(), None, settings)
    }

    fn on(dir: PathBuf, temporary: Option<TempDir>, settings: &'static [&'static str]) -> Result<Self> {
        let programs = Programs::find()?;
        if !dir.join("data").exists() {
            template::copy(&programs, &dir.join("data"))?;
        }
        if programs.are_run_by_nobody() {
            chown(&dir, Some(NOBODY), Some(NOBODY))?;
        }
        let server = serve(&programs, &dir, settings)?;
        let mut postgres = Self { programs, server, settings, dir, _temporary: temporary };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    /// The URL of the database that is there from the start.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database; its URL.
    pub fn database(&self, name: &str) -> Result<String> {
        let mut command = self.programs.command("createdb");
        let output = command.arg("--host").arg(&self.dir).args(["--username", USER, name]).output()?;
        ensure!(output.status.success(), "createdb: {}", String::from_utf8_lossy(&output.stderr));
        Ok(self.url_of(name))
    }

    /// Ends the server at once, as a crash would, and keeps its data.
    pub fn stop(&mut self) {
        // It tidies up its shared memory, which SIGKILL would leave.
        self.end(Signal::QUIT);
    }

    /// Ends the server when it has written its data down: the next start is quick.
    pub fn shut_down(&mut self) {
        self.end(Signal::INT);
    }

    /// Starts the server again on its data.
    pub fn start_again(&mut self) -> Result<()> {
        self.stop();
        // A server that was ended at once leaves it, and the next one would be taken to be ready by it.
        let _ = fs::remove_file(self.pid_file());
        self.server = serve(&self.programs, &self.dir, self.settings)?;
        self.wait_until_ready()
    }

    fn end(&mut self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        let _ = self.server.wait();
    }

    fn url_of(&self, name: &str) -> String {
        format!("postgres:///{name}?host={}&user={USER}", self.dir.display())
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("data/postmaster.pid")
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        // Its last line is the state.
        while !fs::read_to_string(self.pid_file())
            .is_ok_and(|text| text.lines().last().is_some_and(|line| line.trim() == "ready"))
        {
            let log = || fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            if let Some(status) = self.server.try_wait()? {
                bail!("postgres ended with {status}:\n{}", log());
            }
            ensure!(started.elapsed() < PATIENCE, "postgres does not get ready:\n{}", log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(programs: &Programs, dir: &Path, settings: &[&str]) -> Result<Child> {
    let log = fs::File::options().create(true).append(true).open(dir.join("log"))?;
    let always = ["listen_addresses=", "max_connections=60", "log_min_messages=warning"];
    let settings = always.iter().chain(settings);
    let mut command = programs.command("postgres");
    command.arg("-D").arg(dir.join("data")).arg("-k").arg(dir).args(settings.flat_map(|setting| ["-c", setting]));
    command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("postgres does not start")
}
