//! Sources that were made to harm the scanner.

use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use stopleak_scanner::{Cancel, Options, Scan, ScanError, SourceLocation};

use crate::support::{GITHUB, Repo, detector, scan, scan_with, texts, token};

/// Far below what is waited for by default, far above what these scans take.
const SOON: Duration = Duration::from_secs(20);

/// A repository whose configuration includes a pipe that nobody writes into; an archive can carry one.
fn with_pipe() -> Repo {
    let repo = Repo::new();
    repo.git(&["config", "include.path", "../pipe"]);
    assert!(Command::new("mkfifo").arg(repo.path().join("pipe")).status().unwrap().success());
    repo
}

#[test]
fn a_pipe_in_a_repository_ends_the_scan_and_not_the_scanner() {
    let repo = with_pipe();
    let started = Instant::now();
    let outcome = scan_with(&repo.location(), Options { silence_limit: Duration::from_millis(500), ..Options::default() });
    assert!(matches!(outcome, Err(ScanError::Silent { .. })), "{outcome:?}");
    let outcome = scan_with(&repo.location(), Options { time_limit: Duration::from_millis(500), ..Options::default() });
    assert!(matches!(outcome, Err(ScanError::TimeLimit { .. })), "{outcome:?}");
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_scan_that_waits_for_a_pipe_can_be_cancelled() {
    let repo = with_pipe();
    let (cancel, started) = (Cancel::default(), Instant::now());
    let canceller = cancel.clone();
    let cancelling = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(300));
        canceller.cancel();
    });
    let outcome = Scan::new(detector(), Options::default()).run(&repo.location(), &mut Vec::new(), &cancel);
    assert!(matches!(outcome, Err(ScanError::Cancelled)), "{outcome:?}");
    assert!(started.elapsed() < SOON);
    cancelling.join().unwrap();
}

#[test]
fn a_pipe_among_the_packs_is_not_opened() {
    let mut repo = Repo::new();
    repo.write("a", "x");
    repo.commit();
    let packs = repo.path().join(".git/objects/pack");
    assert!(Command::new("mkfifo").arg(packs.join("pack-00.idx")).status().unwrap().success());
    let outcome = scan_with(&repo.location(), Options { silence_limit: Duration::from_secs(1), ..Options::default() });
    assert!(outcome.is_err(), "{outcome:?}");
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let location = SourceLocation::parse(&format!("git://{}/r", listener.local_addr().unwrap())).unwrap();
    let started = Instant::now();
    let outcome = scan_with(&location, Options { silence_limit: Duration::from_millis(500), ..Options::default() });
    assert!(matches!(outcome, Err(ScanError::Silent { .. })), "{outcome:?}");
    assert!(started.elapsed() < SOON);
}

/// Trees of ten times the same tree, seven levels deep: a few objects with ten million files.
#[test]
fn a_bomb_of_trees_costs_no_more_than_its_objects() {
    let mut repo = Repo::new();
    repo.write("entry", "x\n");
    repo.commit();
    let mut inner = format!("100644 blob {}", repo.git(&["rev-parse", "HEAD:entry"]));
    for _ in 0..7 {
        let tree = (0..10).fold(String::new(), |mut tree, at| {
            writeln!(tree, "{inner}\t{at}").unwrap();
            tree
        });
        repo.write("tree", tree);
        inner = format!("040000 tree {}", repo.git_from("tree", &["mktree"]));
    }
    repo.remove("tree");
    let bomb = repo.git(&["commit-tree", "-p", "HEAD", "-m", "x", inner.rsplit(' ').next().unwrap()]);
    // On top, since `git` itself would take its time to commit something after the bomb.
    repo.write("entry", token(GITHUB, 1));
    repo.git(&["add", "entry"]);
    let tree = repo.git(&["write-tree"]);
    let leak = repo.git(&["commit-tree", "-p", &bomb, "-m", "x", &tree]);
    repo.git(&["update-ref", "refs/heads/main", &leak]);
    repo.remove("entry");

    let started = Instant::now();
    let (findings, coverage) = scan(&repo.location());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!((findings[0].path.as_str(), &findings[0].commit), ("entry", &Some(leak)));
    assert_eq!(coverage.error_count, 0);
}
