//! Folders, single files and standard input.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use stopleak_scanner::{Cancel, Options, Scan, Skipped, SourceLocation};

use crate::support::{GITHUB, NPM, detector, refusal, scan, scan_with, texts, token};

#[test]
fn hidden_ignored_binary_and_oddly_named_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join(".gitignore"), "*\n").unwrap();
    std::fs::write(path.join(".env"), format!("A=1\nTOKEN={}\n", token(GITHUB, 1))).unwrap();
    let mut binary = vec![0_u8, 255, 7];
    binary.extend_from_slice(token(NPM, 2).as_bytes());
    binary.push(0);
    std::fs::create_dir(path.join("deep")).unwrap();
    std::fs::write(path.join("deep").join(OsStr::from_bytes(b"caf\xe9.bin")), binary).unwrap();

    let (mut findings, coverage) = scan(&SourceLocation::Folder(path.into()));
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(texts(&findings), [token(GITHUB, 1), token(NPM, 2)]);
    assert_eq!((findings[0].path.as_str(), findings[0].line, findings[0].column), (".env", 2, 7));
    assert_eq!((findings[1].path.as_str(), findings[1].line, findings[1].column), ("deep/caf\u{fffd}.bin", 1, 4));
    assert_eq!((coverage.discovered, coverage.scanned), (3, 3));
}

#[test]
fn text_in_utf_16_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[keys]\r\nç = {}\r\n", token(GITHUB, 1));
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    std::fs::write(folder.path().join("settings.reg"), bytes).unwrap();
    let (findings, _) = scan(&SourceLocation::Folder(folder.path().into()));
    assert_eq!(texts(&findings), [token(GITHUB, 1)]);
    assert_eq!((findings[0].line, findings[0].column), (2, 5));
}

#[test]
fn what_is_no_regular_file_is_counted_and_never_opened() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), token(GITHUB, 1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    symlink(outside.path(), path.join("out")).unwrap();
    symlink("nowhere", path.join("dangling")).unwrap();
    symlink(".", path.join("loop")).unwrap();
    assert!(Command::new("mkfifo").arg(path.join("pipe")).status().unwrap().success());
    let _socket = UnixListener::bind(path.join("socket")).unwrap();
    std::fs::write(path.join("a"), token(NPM, 2)).unwrap();

    let (findings, coverage) = scan(&SourceLocation::Folder(path.into()));
    assert_eq!(texts(&findings), [token(NPM, 2)]);
    assert_eq!(coverage.skipped.get(&Skipped::SymbolicLink), Some(&3));
    assert_eq!(coverage.skipped.get(&Skipped::SpecialFile), Some(&2));
    assert_eq!((coverage.discovered, coverage.scanned), (6, 1));

    let (_, alone) = scan(&SourceLocation::File(path.join("pipe")));
    assert_eq!(alone.skipped.get(&Skipped::SpecialFile), Some(&1));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_rest_goes_on() {
    // Permissions do not stop root, but nobody can read a process's memory from address zero.
    let thread = std::fs::read_dir("/proc/self/task").unwrap().next().unwrap().unwrap().path();
    let options = Options { blob_limit: 1 << 16, ..Options::default() };
    let (_, coverage) = scan_with(&SourceLocation::Folder(thread), options).unwrap();
    assert!(coverage.errors.iter().any(|error| error.path == "mem"), "{:?}", coverage.errors);
    assert_eq!(coverage.skipped.get(&Skipped::Unreadable), Some(&coverage.error_count));
    assert!(coverage.scanned > 0);
}

#[test]
fn a_missing_source_is_named() {
    let message = refusal(&SourceLocation::Folder("/no/such/folder".into()));
    assert!(message.starts_with("/no/such/folder could not be read"), "{message}");
    let message = refusal(&SourceLocation::File("/no/such/file".into()));
    assert!(message.starts_with("/no/such/file could not be read"), "{message}");
}

#[test]
fn a_file_above_the_limit_is_counted_in_a_folder_and_read_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    std::fs::write(&file, format!("{}{}", "line\n".repeat(1_000), token(GITHUB, 1))).unwrap();
    let options = || Options { blob_limit: 100, ..Options::default() };
    let (findings, coverage) = scan_with(&SourceLocation::Folder(folder.path().into()), options()).unwrap();
    assert_eq!((findings.len(), coverage.skipped.get(&Skipped::TooLarge)), (0, Some(&1)));
    let (findings, coverage) = scan_with(&SourceLocation::File(file), options()).unwrap();
    assert_eq!((findings[0].line, findings[0].column), (1_001, 1));
    assert_eq!(coverage.bytes, 5_000 + token(GITHUB, 1).len() as u64);
}

/// Tokens before, on and behind every seam of the stream, each reported once and at its place.
#[test]
fn standard_input_is_streamed_without_losing_or_repeating_anything() {
    let mut text = String::new();
    let mut expected = Vec::new();
    for seed in 0..3_000_u64 {
        let token = token(NPM, seed);
        expected.push((seed * 3 + 2, 7, token.clone()));
        let filler = "f".repeat(4_000 + usize::try_from(seed % 97).unwrap());
        writeln!(text, "{filler}\nkey = {token}\n").unwrap();
    }
    let mut findings = Vec::new();
    let coverage = Scan::new(detector(), Options::default())
        .run_reader("-", &mut text.as_bytes(), &mut findings, &Cancel::default())
        .unwrap();
    let found: Vec<_> = findings.iter().map(|finding| (finding.line, finding.column)).zip(texts(&findings)).collect();
    let found: Vec<_> = found.into_iter().map(|((line, column), text)| (line, column, text)).collect();
    assert_eq!(found, expected);
    assert_eq!((coverage.bytes, coverage.scanned), (text.len() as u64, 1));
}
