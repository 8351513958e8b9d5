//! Everything that a repository's history may hide.

use std::fmt::Write;
use std::fs::File;

use stopleak_detector::Confidence;
use stopleak_scanner::{Cancel, Finding, Observer, Options, Phase, Progress, Scan, ScanError, Skipped, SourceLocation};

use crate::support::{GITHUB, NPM, Repo, STRIPE, decoy, detector, scan, scan_with, texts, token};

#[test]
fn a_token_in_an_old_commit_is_found_with_commit_path_date_and_place() {
    let mut repo = Repo::new();
    repo.write("README", "hello\n");
    repo.commit();
    repo.write("config/app.toml", format!("# keys\n  token = \"{}\"\n", token(GITHUB, 1)));
    let leaked = repo.commit();
    repo.write("config/app.toml", "# keys\n");
    repo.commit();

    let (findings, coverage) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    let finding = &findings[0];
    assert_eq!((finding.rule.as_str(), finding.confidence), (GITHUB, Confidence::Certain));
    assert_eq!((finding.path.as_str(), finding.line, finding.column), ("config/app.toml", 2, 12));
    assert_eq!(finding.commit, Some(leaked));
    assert_eq!(finding.committed_at.as_deref(), Some("2024-01-02T12:00:00Z"));
    assert!(finding.blob.is_some());
    assert_eq!((coverage.commits, coverage.refs, coverage.findings), (3, 1, 1));
    // Three blobs in the history, two files in the work tree.
    assert_eq!((coverage.discovered, coverage.scanned, coverage.error_count), (5, 5, 0));
}

#[test]
fn deleted_files_other_branches_and_tags_are_searched() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    repo.remove("a");
    repo.commit();
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    repo.write("b", token(NPM, 2));
    let side = repo.commit();
    repo.git(&["checkout", "--quiet", "--detach", "main"]);
    repo.write("c", token(STRIPE, 3));
    let tagged = repo.commit();
    repo.git(&["tag", "v1"]);
    repo.git(&["checkout", "--quiet", "main"]);

    let (findings, coverage) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(GITHUB, 1), token(NPM, 2), token(STRIPE, 3)], "the oldest comes first");
    assert_eq!(findings[1].commit, Some(side));
    assert_eq!(findings[2].commit, Some(tagged));
    assert_eq!(coverage.refs, 3);
}

#[test]
fn a_blob_is_read_once_and_a_token_that_stays_in_its_file_is_reported_once() {
    let mut repo = Repo::new();
    let line = format!("key = {}\n", token(GITHUB, 1));
    repo.write("a", &line);
    repo.write("copy/of/a", &line);
    let first = repo.commit();
    for version in 0..5 {
        repo.write("a", format!("{line}{version}\n"));
        repo.commit();
    }
    let (findings, coverage) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(GITHUB, 1), token(GITHUB, 1)], "once in the history, once at the copy's place");
    assert_eq!(findings[0].commit, Some(first));
    assert_eq!(findings[0].path, "a");
    assert_eq!((findings[1].path.as_str(), &findings[1].commit), ("copy/of/a", &None));
    assert_eq!(coverage.discovered, 6 + 2);
}

#[test]
fn a_wrong_checksum_is_no_finding() {
    let mut repo = Repo::new();
    repo.write("a", format!("{}\nAKIA{}EXAMPLE\n", decoy(), "IOSFODNN7"));
    repo.commit();
    assert_eq!(scan(&repo.location()).0.len(), 0);
}

#[test]
fn what_only_a_merge_brought_is_attributed_to_it() {
    let mut repo = Repo::new();
    repo.write("a", "base\n");
    repo.commit();
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    repo.write("b", "side\n");
    repo.commit();
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("c", "main\n");
    repo.commit();
    repo.git(&["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
    repo.write("evil", token(NPM, 4));
    let merge = repo.commit();
    let (findings, _) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(NPM, 4)]);
    assert_eq!(findings[0].commit, Some(merge));
}

#[test]
fn uncommitted_files_are_read_and_ignored_ones_on_demand() {
    let mut repo = Repo::new();
    repo.write(".gitignore", ".env\n");
    repo.commit();
    repo.write("new.txt", token(GITHUB, 1));
    repo.write(".env", token(NPM, 2));
    let (findings, coverage) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!(findings[0].commit, None);
    assert_eq!(coverage.skipped.get(&Skipped::IgnoredByGit), Some(&1));
    let options = Options { ignored_files: true, ..Options::default() };
    let mut found = texts(&scan_with(&repo.location(), options).unwrap().0);
    found.sort();
    assert_eq!(found, [token(GITHUB, 1), token(NPM, 2)]);
}

#[test]
fn a_bare_repository_and_one_with_sha256_are_read_like_any_other() {
    let mut repo = Repo::with_format("sha256");
    repo.write("a", token(GITHUB, 1));
    let commit = repo.commit();
    let bare = tempfile::tempdir().unwrap();
    let path = bare.path().join("r.git");
    repo.git(&["clone", "--quiet", "--bare", ".", path.to_str().unwrap()]);
    let location = SourceLocation::parse(path.to_str().unwrap()).unwrap();
    assert_eq!(location, SourceLocation::Repository(path));
    let (findings, _) = scan(&location);
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!(findings[0].commit, Some(commit));
}

#[test]
fn an_empty_repository_has_no_findings() {
    let (findings, coverage) = scan(&Repo::new().location());
    assert_eq!(findings.len(), 0);
    assert_eq!((coverage.discovered, coverage.commits), (0, 0));
}

#[test]
fn a_blob_above_the_limit_is_counted_and_the_rest_is_read() {
    let mut repo = Repo::new();
    repo.write("large", format!("{}\n{}", token(GITHUB, 1), "x".repeat(5_000)));
    repo.write("small", token(NPM, 2));
    repo.commit();
    let options = Options { blob_limit: 4_096, ..Options::default() };
    let (findings, coverage) = scan_with(&repo.location(), options).unwrap();
    assert_eq!(texts(&findings), [token(NPM, 2)]);
    // Once in the history, once on disk.
    assert_eq!(coverage.skipped.get(&Skipped::TooLarge), Some(&2));
    assert_eq!((coverage.discovered, coverage.scanned), (4, 2));
}

/// Blobs above 1 MiB take another path than the delta chains, and so do small blobs whose chain leads through one.
#[test]
fn large_blobs_and_their_deltas_are_read() {
    let mut repo = Repo::new();
    let mut text = String::new();
    for number in 0..200_000_u64 {
        writeln!(text, "{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
    }
    text.push_str(&token(GITHUB, 1));
    repo.write("big", &text);
    repo.commit();
    repo.write("big", format!("{}\n{}\n", &text[..900_000], token(NPM, 2)));
    repo.commit();
    repo.write("big", format!("{text}\n{}\n", token(STRIPE, 3)));
    repo.commit();
    repo.git(&["repack", "-adfq", "--window=10", "--depth=10"]);
    let (findings, coverage) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(GITHUB, 1), token(NPM, 2), token(STRIPE, 3)]);
    assert_eq!(coverage.skipped_count(), 1, "only .git: {:?}", coverage.skipped);
}

#[test]
fn a_sparse_file_of_two_gigabytes_costs_nothing() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    File::create(repo.path().join("huge")).unwrap().set_len(2 << 30).unwrap();
    let (findings, coverage) = scan(&repo.location());
    assert_eq!(findings.len(), 1);
    assert_eq!(coverage.skipped.get(&Skipped::TooLarge), Some(&1));
}

#[test]
fn a_blob_that_only_a_tag_names_is_found_without_a_commit() {
    let mut repo = Repo::new();
    repo.write("a", "x");
    repo.commit();
    let loose = repo.write("b", token(GITHUB, 1));
    let blob = repo.git(&["hash-object", "-w", loose.to_str().unwrap()]);
    repo.remove("b");
    repo.git(&["tag", "key", &blob]);
    let (findings, _) = scan(&repo.location());
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!((findings[0].path.clone(), &findings[0].commit), (format!("blob {blob}"), &None));
}

#[test]
fn loose_twice_packed_and_borrowed_objects_are_each_read_once() {
    let mut repo = Repo::new();
    repo.write("first", token(GITHUB, 1));
    repo.commit();
    repo.git(&["repack", "-dq"]);
    let second = repo.write("second", token(NPM, 2));
    repo.commit();
    // The first blobs are in both packs now, the last one in none.
    repo.git(&["repack", "-aq"]);
    repo.remove("second");
    repo.write("third", token(STRIPE, 3));
    repo.commit();
    assert!(!second.exists());
    let (findings, coverage) = scan(&repo.location());
    let all = [token(GITHUB, 1), token(NPM, 2), token(STRIPE, 3)];
    assert_eq!(texts(&findings), all);
    assert_eq!((coverage.discovered, coverage.scanned), (3 + 2, 3 + 2));

    let borrower = tempfile::tempdir().unwrap();
    let path = borrower.path().join("r.git");
    repo.git(&["clone", "--quiet", "--bare", "--shared", ".", path.to_str().unwrap()]);
    let (findings, coverage) = scan(&SourceLocation::Repository(path));
    assert_eq!(texts(&findings), all);
    assert_eq!(coverage.scanned, 3);
}

#[test]
fn what_no_reference_leads_to_is_counted_and_not_reported() {
    let mut repo = Repo::new();
    repo.write("a", "x");
    repo.commit();
    repo.write("a", token(GITHUB, 1));
    repo.git(&["add", "a"]);
    repo.write("a", "x");
    let (findings, coverage) = scan(&repo.location());
    assert_eq!((findings.len(), coverage.unreachable), (0, 1));
}

#[test]
fn a_partial_clone_says_what_it_lacks_and_a_filtering_server_saves_the_rest() {
    let mut repo = Repo::new();
    repo.write("large", format!("{}\n{}", token(GITHUB, 1), "x".repeat(5_000)));
    repo.write("small", token(NPM, 2));
    repo.commit();
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", repo.path().display());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.git");
    repo.git(&["clone", "--quiet", "--bare", "--filter=blob:limit=1k", &url, path.to_str().unwrap()]);
    let (findings, coverage) = scan(&SourceLocation::Repository(path));
    assert_eq!(texts(&findings), [token(NPM, 2)]);
    assert_eq!(coverage.skipped.get(&Skipped::Absent), Some(&1));

    let options = Options { blob_limit: 4_096, ..Options::default() };
    let (findings, coverage) = scan_with(&SourceLocation::parse(&url).unwrap(), options).unwrap();
    assert_eq!(texts(&findings), [token(NPM, 2)]);
    assert_eq!((coverage.skipped.get(&Skipped::TooLarge), coverage.discovered), (Some(&1), 2));
}

#[test]
fn a_hostile_configuration_runs_nothing() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    let proof = repo.path().join("proof");
    let touch = format!("touch {}", proof.display());
    for key in [
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "gpg.program",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "uploadpack.packObjectsHook",
    ] {
        repo.git(&["config", key, &touch]);
    }
    repo.git(&["config", "log.showSignature", "true"]);
    repo.write(".gitattributes", "* diff=x filter=x\n");
    repo.git(&["config", "diff.x.textconv", &touch]);
    repo.git(&["config", "filter.x.smudge", &touch]);
    repo.write(".git/hooks/post-checkout", format!("#!/bin/sh\n{touch}\n"));
    let remote = SourceLocation::parse(&format!("file://{}", repo.path().display())).unwrap();
    for location in [repo.location(), remote] {
        assert_eq!(texts(&scan(&location).0), [token(GITHUB, 1)]);
        assert!(!proof.exists(), "{location}");
    }
}

#[test]
fn a_damaged_repository_says_so() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    let commit = repo.commit();
    std::fs::remove_file(repo.path().join(format!(".git/objects/{}/{}", &commit[..2], &commit[2..]))).unwrap();
    let message = scan_with(&repo.location(), Options::default()).unwrap_err().to_string();
    assert!(message.contains("is damaged: run `git fsck`"), "{message}");
}

#[test]
fn one_wrong_bit_in_a_pack_is_noticed() {
    let mut repo = Repo::new();
    for version in 0..12 {
        repo.write("a", format!("{}\n{version}\n", "x".repeat(500)));
        repo.commit();
    }
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    repo.remove("a");
    repo.git(&["gc", "--quiet"]);
    let files = std::fs::read_dir(repo.path().join(".git/objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    let pack = files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "pack")).unwrap();
    let whole = std::fs::read(&pack).unwrap();
    std::fs::remove_file(&pack).unwrap();
    let mut told = 0;
    for place in (12..whole.len()).step_by(29) {
        let mut damaged = whole.clone();
        damaged[place] ^= 4;
        std::fs::write(&pack, damaged).unwrap();
        let mut findings = Vec::new();
        let outcome = Scan::new(detector(), Options::default()).run(&repo.location(), &mut findings, &Cancel::default());
        assert!(matches!(outcome, Err(ScanError::Damaged { .. })), "{place}: {outcome:?}");
        told += findings.len();
    }
    assert!(told > 0, "what can be read is told before");
    std::fs::write(&pack, whole).unwrap();
    assert_eq!(texts(&scan(&repo.location()).0), [token(GITHUB, 1)]);
}

#[test]
fn a_cancelled_scan_says_so() {
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    let cancel = Cancel::default();
    cancel.cancel();
    let outcome = Scan::new(detector(), Options::default()).run(&repo.location(), &mut Vec::new(), &cancel);
    assert!(matches!(outcome, Err(ScanError::Cancelled)));
}

#[test]
fn progress_is_told_phase_by_phase() {
    #[derive(Default)]
    struct Watcher(Vec<Progress>);
    impl Observer for Watcher {
        fn found(&mut self, _: Finding) {}

        fn progress(&mut self, progress: Progress) {
            self.0.push(progress);
        }
    }
    let mut repo = Repo::new();
    repo.write("a", token(GITHUB, 1));
    repo.commit();
    let mut watcher = Watcher::default();
    Scan::new(detector(), Options::default()).run(&repo.location(), &mut watcher, &Cancel::default()).unwrap();
    let mut phases: Vec<_> = watcher.0.iter().map(|progress| progress.phase).collect();
    phases.dedup();
    assert_eq!(phases, [Phase::Blobs, Phase::Commits, Phase::Files]);
    assert!(watcher.0.iter().any(|progress| progress.phase == Phase::Blobs && (progress.done, progress.total) == (1, Some(1))));
}

#[test]
fn nothing_is_left_in_the_temporary_folder() {
    let mut repo = Repo::new();
    repo.write("a", "x");
    repo.commit();
    let temporary = tempfile::tempdir().unwrap();
    let options = Options { temporary_folder: Some(temporary.path().into()), ..Options::default() };
    scan_with(&repo.location(), options).unwrap();
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
