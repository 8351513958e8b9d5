//! A small language for the tests: repositories, scans and what was found.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use stopleak_detector::{Detector, Rules};
use stopleak_scanner::{Cancel, Coverage, Finding, Options, Scan, ScanError, SourceLocation};
use tempfile::TempDir;

pub const GITHUB: &str = "github-personal-access-token";
pub const NPM: &str = "npm-access-token";
pub const STRIPE: &str = "stripe-secret-key";

/// A well-formed fake token.
pub fn token(rule: &str, seed: u64) -> String {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(Rules::built_in).get(rule).unwrap().example(seed).token().to_owned()
}

/// A GitHub token whose checksum is wrong.
pub fn decoy() -> String {
    let mut text = token(GITHUB, 99);
    let last = if text.pop() == Some('0') { '1' } else { '0' };
    text.push(last);
    text
}

pub fn detector() -> &'static Detector {
    static DETECTOR: OnceLock<Detector> = OnceLock::new();
    DETECTOR.get_or_init(|| Detector::new(&Rules::built_in()))
}

pub fn scan(location: &SourceLocation) -> (Vec<Finding>, Coverage) {
    scan_with(location, Options::default()).unwrap()
}

pub fn scan_with(location: &SourceLocation, options: Options) -> Result<(Vec<Finding>, Coverage), ScanError> {
    let mut findings = Vec::new();
    let coverage = Scan::new(detector(), options).run(location, &mut findings, &Cancel::default())?;
    Ok((findings, coverage))
}

/// The message of a scan that must fail.
pub fn refusal(location: &SourceLocation) -> String {
    scan_with(location, Options::default()).expect_err("the scan must fail").to_string()
}

/// A repository with a work tree, which `git` itself makes.
pub struct Repo {
    folder: TempDir,
    commits: u32,
}

impl Repo {
    pub fn new() -> Self {
        Self::with_format("sha1")
    }

    pub fn with_format(format: &str) -> Self {
        let repo = Self { folder: TempDir::new().unwrap(), commits: 0 };
        repo.git(&["init", "--quiet", "--initial-branch=main", &format!("--object-format={format}")]);
        repo
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn location(&self) -> SourceLocation {
        SourceLocation::Repository(self.path().into())
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Commits everything; each commit is a day younger than the one before. Returns its id.
    pub fn commit(&mut self) -> String {
        self.commits += 1;
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        self.run(arguments, Stdio::null())
    }

    /// Runs `git` on the content of a file.
    pub fn git_from(&self, name: &str, arguments: &[&str]) -> String {
        self.run(arguments, File::open(self.path().join(name)).unwrap().into())
    }

    fn run(&self, arguments: &[&str], input: Stdio) -> String {
        let date = format!("2024-01-{:02}T12:00:00Z", self.commits.max(1));
        let mut git = Command::new("git");
        git.current_dir(self.path())
            .args(["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "gc.auto=0"])
            .args(arguments);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_COMMITTER_DATE", &date).env("GIT_AUTHOR_DATE", &date);
        let output = git.stdin(input).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// The tokens that were found, which tests alone may look at.
pub fn texts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| String::from_utf8(finding.token.as_bytes().to_vec()).unwrap()).collect()
}
