//! Sources that were made to harm the scanner.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use stopleak_detector::{Detector, Rules};
use stopleak_scanner::{Cancel, Options, Scan, ScanError, Skipped, SourceLocation};

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

#[test]
fn a_blob_that_says_it_has_ten_gigabytes_is_counted_and_not_read() {
    let mut repo = Repo::new();
    repo.write("a.env", token(GITHUB, 1));
    repo.commit();
    // Only its first bytes are there, as anybody may write them.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"blob 10737418240\0").unwrap();
    encoder.write_all(&vec![b'x'; 100_000]).unwrap();
    repo.write(".git/objects/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", encoder.finish().unwrap());
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{},huge", "a".repeat(40))]);
    let tree = repo.git(&["write-tree", "--missing-ok"]);
    let commit = repo.git(&["commit-tree", "-p", "HEAD", "-m", "x", &tree]);
    repo.git(&["update-ref", "refs/heads/main", &commit]);

    let started = Instant::now();
    let (findings, coverage) = scan(&SourceLocation::Repository(repo.path().join(".git")));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!(coverage.skipped.get(&Skipped::TooLarge), Some(&1));
}

#[test]
fn more_references_than_anybody_has_cost_no_more_than_their_names() {
    const REFERENCES: u64 = 300_000;
    let mut repo = Repo::new();
    repo.write("a.env", token(GITHUB, 1));
    let commit = repo.commit();
    let packed = (0..REFERENCES).fold("# pack-refs with: peeled fully-peeled sorted \n".to_owned(), |mut text, number| {
        writeln!(text, "{commit} refs/tags/{number:08}").unwrap();
        text
    });
    repo.write(".git/packed-refs", packed);
    let started = Instant::now();
    let (findings, coverage) = scan(&SourceLocation::Repository(repo.path().join(".git")));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!((texts(&findings), coverage.refs), (vec![token(GITHUB, 1)], REFERENCES + 1));
}

#[test]
fn a_path_in_a_history_may_have_any_bytes() {
    let mut repo = Repo::new();
    repo.write("plain", "x");
    repo.commit();
    for name in [&b"caf\xe9/\xff.env"[..], b"tab\there\x1b[31m.env"] {
        let path = repo.path().join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, token(GITHUB, name.len() as u64)).unwrap();
    }
    repo.commit();
    let (findings, coverage) = scan(&SourceLocation::Repository(repo.path().join(".git")));
    let mut paths: Vec<_> = findings.iter().map(|finding| finding.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["caf\u{fffd}/\u{fffd}.env", "tab\there\u{1b}[31m.env"]);
    assert_eq!(coverage.error_count, 0);
}

/// Expressions that take other engines longer than the universe lasts, on the text that does it; and one that matches everywhere.
#[test]
fn an_expression_of_the_operator_that_explodes_is_refused_or_takes_linear_time() {
    let rule = |pattern: &str| {
        format!(
            "[[rule]]\nid = \"acme\"\nname = \"Acme\"\nkeywords = [\"aaa\"]\nreference = \"x\"\nexamples = [\"aaa{{alnum:8}}\"]\nrisk = \"low\"\npattern = '{pattern}'\n"
        )
    };
    let mut folder = Repo::new();
    folder.write("a", "a".repeat(512 << 10));
    folder.commit();
    folder.write("b.env", token(GITHUB, 1));
    for pattern in ["(a+)+$", "(a|aa)+!", "(a*)*b", "aaa[a-z]*", "a{1,200}[a-z]{1,200}x"] {
        let Ok(rules) = Rules::built_in().with_operator_file(&rule(pattern)) else { continue };
        let (detector, mut findings, started) = (Detector::new(&rules), Vec::new(), Instant::now());
        let location = SourceLocation::Repository(folder.path().into());
        Scan::new(&detector, Options::default()).run(&location, &mut findings, &Cancel::default()).unwrap();
        assert!(started.elapsed() < SOON, "{pattern}: {:?}", started.elapsed());
        assert!(texts(&findings).contains(&token(GITHUB, 1)), "{pattern}");
    }
    for pattern in ["(?:a{1000}){1000}", "((((a{100}){100}){100}){100})", "aaa(", "(a*)*"] {
        let refusal = Rules::built_in().with_operator_file(&rule(pattern)).unwrap_err().to_string();
        assert!(refusal.contains("acme") && refusal.contains("pattern"), "{pattern}: {refusal}");
    }
}
