//! `stopleak scan`: on this machine, without a server.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use stopleak_detector::Detector;
use stopleak_scanner::{Cancel, Coverage, Finding, Format, Observer, Options, Progress, Report, Scan, Seen, SourceLocation};

use crate::config::Config;

/// How long the scan may take to stop, which deletes its clone, before the process ends all the same.
const GRACE: Duration = Duration::from_secs(5);
/// In the folder that remembers: what was seen, and the clone of a remote repository.
const SEEN: &str = "seen.json";
const MIRROR: &str = "mirror.git";

/// Scan a repository with its history, a folder, a file or standard input; needs no server
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak scan .
  stopleak scan https://git.example/team/api.git --format sarif --output findings.sarif
  git diff | stopleak scan -

Exit codes: 0 nothing found, 1 something found, 2 the scan did not work.")]
pub(super) struct ScanCommand {
    /// A path, a Git URL, or `-` for standard input
    location: String,
    /// How the report is written
    #[arg(long, default_value = "text")]
    format: ReportFormat,
    /// Write the report to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A file with your own token formats, beside those that are built in; a rule file of Gitleaks is read as it is
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The server's configuration, of which `rules` is used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also report assignments such as `api_key = "…"` whose value looks random; many of them are no secrets
    #[arg(long)]
    generic: bool,
    /// A folder that remembers what was read of a repository: the next scan with it reads and reports only what is new
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Also read files of a work tree that Git ignores
    #[arg(long)]
    ignored_files: bool,
}

/// The folder that remembers what was read.
struct State {
    folder: PathBuf,
    seen: Option<Seen>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ReportFormat {
    Text,
    Json,
    Sarif,
}

/// Keeps the findings and shows how far the scan is.
struct Watcher {
    findings: Vec<Finding>,
    seen: Option<Seen>,
    bar: ProgressBar,
}

impl ScanCommand {
    pub(super) fn run(self) -> ExitCode {
        match self.scan() {
            Ok(0) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("stopleak: {error}");
                ExitCode::from(2)
            }
        }
    }

    /// Returns how much was found.
    fn scan(&self) -> Result<usize, String> {
        let location = SourceLocation::parse(&self.location).map_err(|error| error.to_string())?;
        let detector = self.detector()?;
        // Better now than after an hour of scanning.
        if let Some(folder) = self.output.as_deref().and_then(Path::parent)
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            return Err(format!("--output: there is no folder {}", folder.display()));
        }
        let cancel = Cancel::default();
        cancel_on_signal(cancel.clone());
        let state = self.state.as_deref().map(State::open).transpose()?;
        let options = Options {
            ignored_files: self.ignored_files,
            seen: state.as_ref().and_then(|state| state.seen.clone()),
            mirror: state.as_ref().map(|state| state.folder.join(MIRROR)),
            ..Options::default()
        };
        let mut watcher = Watcher { findings: Vec::new(), seen: None, bar: ProgressBar::no_length() };
        let coverage = Scan::new(&detector, options).run(&location, &mut watcher, &cancel);
        watcher.bar.finish_and_clear();
        let coverage = coverage.map_err(|error| error.to_string())?;
        self.report(&detector, &watcher.findings, &coverage)?;
        // What was not told was not seen.
        if let Some((state, seen)) = state.zip(watcher.seen) {
            state.keep(&seen)?;
        }
        Ok(watcher.findings.len())
    }

    fn detector(&self) -> Result<Detector, String> {
        let config = self.config.as_deref().map(Config::read).transpose().map_err(|error| error.to_string())?;
        let config = Config { rules: self.rules.clone(), ..Config::default() }.or(config.unwrap_or_default());
        let rules = config.rules().map_err(|error| error.to_string())?;
        for note in rules.notes() {
            eprintln!("stopleak: --rules: {note}");
        }
        Ok(if self.generic { Detector::with_generic(&rules) } else { Detector::new(&rules) })
    }

    fn report(&self, detector: &Detector, findings: &[Finding], coverage: &Coverage) -> Result<(), String> {
        let format = match self.format {
            ReportFormat::Text => Format::Text,
            ReportFormat::Json => Format::Json,
            ReportFormat::Sarif => Format::Sarif,
        };
        let report = Report { detector, findings, coverage };
        let colours = self.output.is_none() && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut text = Vec::new();
        report.write(format, colours, &mut text).map_err(|error| format!("the report: {error}"))?;
        match &self.output {
            Some(path) => write_whole(path, &text).map_err(|error| format!("--output {}: {error}", path.display())),
            None => match io::stdout().write_all(&text).and_then(|()| io::stdout().flush()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
                _ => Ok(()),
            },
        }
    }
}

impl State {
    fn open(folder: &Path) -> Result<Self, String> {
        let problem = |error: &dyn std::fmt::Display| format!("--state {}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(|error| problem(&error))?;
        let seen = match fs::read_to_string(folder.join(SEEN)) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|error| problem(&error))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(problem(&error)),
        };
        Ok(Self { folder: folder.into(), seen })
    }

    fn keep(&self, seen: &Seen) -> Result<(), String> {
        let text = serde_json::to_vec(seen).map_err(|error| error.to_string())?;
        write_whole(&self.folder.join(SEEN), &text).map_err(|error| format!("--state {}: {error}", self.folder.display()))
    }
}

impl Observer for Watcher {
    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn seen(&mut self, seen: Seen) {
        self.seen = Some(seen);
    }

    fn progress(&mut self, progress: Progress) {
        let Progress { phase, done, total, .. } = progress;
        match total {
            Some(total) => {
                self.bar.set_length(total);
                self.bar.set_style(style("{msg} {wide_bar} {pos}/{len} {elapsed}"));
            }
            None => self.bar.set_style(style("{spinner} {msg} {pos} {elapsed}")),
        }
        self.bar.set_position(done);
        self.bar.set_message(format!("{}, {} found", phase.describe(), self.findings.len()));
    }
}

/// Draws on standard error, and only when that is a terminal.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// So that clones are deleted. Without a runtime the signal ends the process at once, as it does by default.
fn cancel_on_signal(cancel: Cancel) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    std::thread::spawn(move || {
        let asked = runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return false;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            cancel.cancel();
            true
        });
        // What reads the scanner's input may sit in a read that never ends.
        if asked {
            std::thread::park_timeout(GRACE);
            give_up();
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "the thread that would return from main is the one that cannot")]
fn give_up() -> ! {
    std::process::exit(2)
}

/// Whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, content)?;
    fs::rename(&part, path)
}
