//! A child process that writes into a log and ends with its owner.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A process; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// Bytes of memory that are read at once.
const REGION: usize = 1024 * 1024;

/// Lines of the log that are shown when a test fails.
const SHOWN_LINES: usize = 60;

impl Running {
    /// Starts a process whose output goes to the end of `log`.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{name} does not start: {}", command.get_program().display()))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// The number that the kernel knows it by.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would (`kill -9`).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Everything that it and its predecessors with the same log have written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Bytes of memory that it has in use.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.bytes("VmRSS:")
    }

    /// The most bytes of memory that it ever had in use.
    pub fn peak_bytes(&self) -> Result<u64> {
        self.bytes("VmHWM:")
    }

    /// Processor time that all of its threads have taken, to a hundredth of a second.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program, in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(10 * ticks))
    }

    fn bytes(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
        Ok(1_024 * kilobytes.unwrap_or(0_u64))
    }

    /// Whether these bytes are anywhere in its memory.
    pub fn remembers(&self, bytes: &[u8]) -> Result<bool> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let memory = File::open(process.join("mem"))?;
        let mut buffer = vec![0; REGION];
        for line in fs::read_to_string(process.join("maps"))?.lines().filter(|line| line.contains(" rw")) {
            let range = line.split(' ').next().and_then(|range| range.split_once('-')).context("a range")?;
            let (start, end) = (u64::from_str_radix(range.0, 16)?, u64::from_str_radix(range.1, 16)?);
            // Regions overlap by what is looked for, so that none is cut in two.
            for at in (start..end).step_by(REGION - bytes.len()) {
                // What is not mapped any more cannot be read, and holds nothing.
                let Ok(read) = memory.read_at(&mut buffer, at) else { break };
                if memchr::memmem::find(&buffer[..read], bytes).is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- {} ---", self.name);
            for line in lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)) {
                eprintln!("{line}");
            }
        }
    }
}
