//! The second scan of a repository: what the first has read is neither read nor told again, and nothing is missed.

use std::path::Path;

use stopleak_detector::{Detector, Rules};
use stopleak_scanner::{Cancel, Coverage, Finding, Observer, Options, Scan, Seen, Skipped, SourceLocation};

use crate::support::{GITHUB, NPM, Repo, STRIPE, detector, texts, token};

#[derive(Default)]
struct Memory {
    findings: Vec<Finding>,
    seen: Option<Seen>,
}

impl Observer for Memory {
    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn seen(&mut self, seen: Seen) {
        self.seen = Some(seen);
    }
}

/// Scans as a caller does that keeps what was seen.
fn scan(
    location: &SourceLocation,
    detector: &Detector,
    seen: &mut Option<Seen>,
    mirror: Option<&Path>,
) -> (Vec<Finding>, Coverage) {
    let options = Options { seen: seen.take(), mirror: mirror.map(Into::into), ..Options::default() };
    let mut memory = Memory::default();
    let coverage = Scan::new(detector, options).run(location, &mut memory, &Cancel::default()).unwrap();
    // As it is kept: as text.
    *seen = memory.seen.map(|seen| serde_json::from_str(&serde_json::to_string(&seen).unwrap()).unwrap());
    (memory.findings, coverage)
}

/// A bare repository has no files beside its history.
fn bare(repo: &Repo) -> SourceLocation {
    SourceLocation::Repository(repo.path().join(".git"))
}

#[test]
fn only_what_is_new_is_read_and_told() {
    let mut repo = Repo::new();
    repo.write("a.env", token(GITHUB, 1));
    repo.commit();
    repo.write("b.txt", "nothing");
    repo.commit();
    let mut seen = None;
    let (findings, coverage) = scan(&bare(&repo), detector(), &mut seen, None);
    assert_eq!((texts(&findings), coverage.discovered, coverage.commits), (vec![token(GITHUB, 1)], 2, 2));

    let (findings, coverage) = scan(&bare(&repo), detector(), &mut seen, None);
    assert_eq!((findings.len(), coverage.scanned, coverage.commits), (0, 0, 2));
    assert_eq!(coverage.skipped.get(&Skipped::SeenBefore), Some(&2));
    assert_eq!(coverage.discovered, coverage.scanned + coverage.skipped_count());

    repo.write("c.env", token(NPM, 2));
    let commit = repo.commit();
    repo.git(&["checkout", "--quiet", "-b", "other", "HEAD~1"]);
    repo.write("d.env", token(STRIPE, 3));
    repo.commit();
    let (mut findings, coverage) = scan(&bare(&repo), detector(), &mut seen, None);
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(texts(&findings), [token(NPM, 2), token(STRIPE, 3)]);
    assert_eq!((findings[0].commit.as_ref(), coverage.scanned, coverage.commits), (Some(&commit), 2, 4));
    assert_eq!(coverage.skipped.get(&Skipped::SeenBefore), Some(&2));

    let (_, coverage) = scan(&bare(&repo), detector(), &mut seen, None);
    assert_eq!(coverage.skipped.get(&Skipped::SeenBefore), Some(&4));
}

#[test]
fn a_history_that_was_rewritten_is_read_where_it_is_new() {
    let mut repo = Repo::new();
    repo.write("a", "1");
    repo.commit();
    repo.write("b", "2");
    repo.commit();
    let mut seen = None;
    scan(&bare(&repo), detector(), &mut seen, None);
    repo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    repo.write("c.env", token(GITHUB, 1));
    repo.commit();
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    let (findings, _) = scan(&bare(&repo), detector(), &mut seen, None);
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
}

#[test]
fn other_rules_read_everything_again() {
    let mut repo = Repo::new();
    repo.write("a.env", token(GITHUB, 1));
    repo.commit();
    let mut seen = None;
    scan(&bare(&repo), detector(), &mut seen, None);
    let (findings, coverage) = scan(&bare(&repo), &Detector::with_generic(&Rules::built_in()), &mut seen, None);
    assert_eq!((findings.len(), coverage.scanned), (1, 1));
}

#[test]
fn what_fails_is_not_remembered() {
    let mut repo = Repo::new();
    repo.write("a.env", token(GITHUB, 1));
    repo.commit();
    let blob = repo.git(&["rev-parse", "HEAD:a.env"]);
    let object = repo.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "damaged").unwrap();
    let mut memory = Memory::default();
    let outcome = Scan::new(detector(), Options::default()).run(&bare(&repo), &mut memory, &Cancel::default());
    assert!(outcome.is_err() && memory.seen.is_none(), "{outcome:?}");
}

#[test]
fn the_clone_of_a_remote_repository_is_kept_and_renewed() {
    let mut repo = Repo::new();
    repo.write("a.env", token(GITHUB, 1));
    repo.commit();
    let remote = SourceLocation::parse(&format!("file://{}", repo.path().display())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror.git");
    // What a scan that was broken off has left is no mirror.
    std::fs::create_dir(&mirror).unwrap();
    std::fs::write(mirror.join("HEAD"), "x").unwrap();
    let mut seen = None;
    let (findings, _) = scan(&remote, detector(), &mut seen, Some(&mirror));
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    repo.write("b.env", token(NPM, 2));
    repo.commit();
    repo.git(&["branch", "gone"]);
    let (findings, coverage) = scan(&remote, detector(), &mut seen, Some(&mirror));
    assert_eq!((texts(&findings), coverage.refs), (vec![token(NPM, 2)], 2));
    repo.git(&["branch", "--delete", "--quiet", "gone"]);
    let (findings, coverage) = scan(&remote, detector(), &mut seen, Some(&mirror));
    assert_eq!((findings.len(), coverage.refs, coverage.scanned), (0, 1, 0));

    // Another repository does not get the first one's objects.
    let mut other = Repo::new();
    other.write("c.env", token(STRIPE, 3));
    other.commit();
    let remote = SourceLocation::parse(&format!("file://{}", other.path().display())).unwrap();
    let (findings, coverage) = scan(&remote, detector(), &mut seen, Some(&mirror));
    assert_eq!(texts(&findings), [token(STRIPE, 3)]);
    assert_eq!(coverage.scanned, 1);
}
