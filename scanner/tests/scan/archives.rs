//! What is inside archives, and inside those.

use std::fmt::Write;

use stopleak_scanner::{Cancel, Coverage, Finding, Options, Scan, Skipped, SourceLocation};

use crate::packing::{entry, gzip, seven, tar, xz, zip, zip_with, zstd};
use crate::support::{GITHUB, NPM, Repo, detector, scan, texts, token};

/// Scans bytes as somebody who has fetched them does.
fn scan_bytes(name: &str, bytes: &[u8]) -> (Vec<Finding>, Coverage) {
    let mut findings = Vec::new();
    let scan = Scan::new(detector(), Options::default());
    let coverage = scan.run_reader(name, &mut { bytes }, &mut findings, &Cancel::default()).unwrap();
    (findings, coverage)
}

fn paths(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.path.as_str()).collect()
}

fn secret() -> Vec<u8> {
    format!("# settings\nTOKEN={}\n", token(GITHUB, 1)).into_bytes()
}

#[test]
fn every_kind_of_archive_is_read_and_the_place_is_that_inside() {
    let (secret, other) = (secret(), b"nothing\n");
    let files = [("src/a.txt", other.as_slice()), ("deploy/x.env", &secret)];
    for (name, bytes, inside) in [
        ("a.zip", zip(&files), "a.zip!/deploy/x.env"),
        ("a.whl", zip(&files), "a.whl!/deploy/x.env"),
        ("a.tar", tar(&files), "a.tar!/deploy/x.env"),
        ("a.tgz", gzip(&tar(&files)), "a.tgz!/deploy/x.env"),
        ("a.tar.zst", zstd(&tar(&files)), "a.tar.zst!/deploy/x.env"),
        ("a.tar.xz", xz(&tar(&files)), "a.tar.xz!/deploy/x.env"),
        ("a.7z", seven(&files), "a.7z!/deploy/x.env"),
        ("no-ending", zip(&files), "no-ending!/deploy/x.env"),
    ] {
        let (findings, coverage) = scan_bytes(name, &bytes);
        assert_eq!(paths(&findings), [inside]);
        assert_eq!(texts(&findings), [token(GITHUB, 1)]);
        assert_eq!((findings[0].line, findings[0].column), (2, 7), "{name}");
        assert_eq!((coverage.discovered, coverage.scanned, coverage.error_count), (3, 3, 0), "{name}: {coverage:?}");
        assert_eq!(coverage.bytes, (secret.len() + other.len()) as u64, "{name}");
    }
}

#[test]
fn what_is_only_packed_keeps_its_name_and_counts_once() {
    let secret = secret();
    let twice = [gzip(b"first\n"), gzip(&secret)].concat();
    for bytes in [gzip(&secret), zstd(&secret), xz(&secret), gzip(&zstd(&secret)), twice, [zstd(b"x\n"), zstd(&secret)].concat()]
    {
        let (findings, coverage) = scan_bytes("settings.log.gz", &bytes);
        assert_eq!(paths(&findings), ["settings.log.gz"]);
        assert_eq!((coverage.discovered, coverage.scanned), (1, 1));
    }
}

#[test]
fn archives_in_archives_are_read_down_to_a_depth_and_no_further() {
    let mut bytes = secret();
    let mut path = String::new();
    for level in 0..8 {
        bytes = if level % 2 == 0 { zip(&[("inner", &bytes)]) } else { tar(&[("inner", &bytes)]) };
        path.push_str("!/inner");
    }
    let (findings, coverage) = scan_bytes("a", &bytes);
    assert_eq!(paths(&findings), [format!("a{path}")]);
    assert_eq!(coverage.error_count, 0);

    let (findings, coverage) = scan_bytes("a", &zip(&[("one-more", &bytes), ("beside", &secret())]));
    assert_eq!(paths(&findings), ["a!/beside"], "the rest goes on");
    assert_eq!(coverage.skipped.get(&Skipped::TooDeep), Some(&1));
    assert!(coverage.errors[0].path.starts_with("a!/one-more!/inner"), "{:?}", coverage.errors);
}

/// Both layouts of `docker save`, and layers that are packed or not.
#[test]
fn a_saved_image_of_a_container_is_read_with_its_layers_and_its_settings() {
    let jar = zip(&[("application.properties", &secret())]);
    let layers = [tar(&[("app/service.jar", &jar)]), gzip(&tar(&[("app/.npmrc", token(NPM, 2).as_bytes())]))];
    let settings = format!(r#"{{"config":{{"Env":["PATH=/bin","TOKEN={}"]}}}}"#, token(GITHUB, 3));
    let image = tar(&[
        ("blobs/sha256/aa", settings.as_bytes()),
        ("blobs/sha256/bb", &layers[0]),
        ("blobs/sha256/cc", &layers[1]),
        ("manifest.json", b"[]"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("image.tar"), image).unwrap();
    let (findings, _) = scan(&SourceLocation::Folder(folder.path().into()));
    assert_eq!(
        paths(&findings),
        [
            "image.tar!/blobs/sha256/aa",
            "image.tar!/blobs/sha256/bb!/app/service.jar!/application.properties",
            "image.tar!/blobs/sha256/cc!/app/.npmrc",
        ]
    );
    let (again, _) = scan(&SourceLocation::File(folder.path().join("image.tar")));
    assert_eq!(texts(&again), texts(&findings));
}

#[test]
fn an_archive_in_a_history_is_read_and_its_commit_is_known() {
    let mut repo = Repo::new();
    repo.write("a.txt", "nothing");
    repo.commit();
    repo.write("dist/a.zip", zip(&[("lib/x.env", &secret()), ("y", b"nothing")]));
    let commit = repo.commit();
    repo.remove("dist/a.zip");
    repo.commit();
    let (findings, coverage) = scan(&repo.location());
    assert_eq!(paths(&findings), ["dist/a.zip!/lib/x.env"]);
    assert_eq!(findings[0].commit, Some(commit));
    // In the history two blobs and two files inside one of them, and the work tree's own file.
    assert_eq!((coverage.discovered, coverage.scanned), (5, 5));
}

#[test]
fn an_archive_is_streamed_whatever_its_size() {
    let folder = tempfile::tempdir().unwrap();
    // Text that does not pack, so that the archive is above the limit for files.
    let noise = (0..400_000_u64).fold(String::new(), |mut text, number| {
        writeln!(text, "{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
        text
    });
    let files = tar(&[("noise", noise.as_bytes()), ("x.env", &secret())]);
    assert!(files.len() as u64 > 4 << 20);
    std::fs::write(folder.path().join("a.tar"), files).unwrap();
    let options = Options { blob_limit: 1 << 20, ..Options::default() };
    let mut findings = Vec::new();
    let location = SourceLocation::Folder(folder.path().into());
    let coverage = Scan::new(detector(), options).run(&location, &mut findings, &Cancel::default()).unwrap();
    assert_eq!(paths(&findings), ["a.tar!/x.env"]);
    assert_eq!(coverage.skipped_count(), 0);
}

#[test]
fn names_of_every_dialect_of_tar_are_understood() {
    let long = format!("{}/x.env", "d".repeat(300));
    let pax = format!("path={long}\n");
    let pax = format!("{} {pax}", pax.len() + 4);
    let secret = secret();
    let bytes = [
        entry(b"././@LongLink", b'L', long.as_bytes()),
        entry(b"cut", b'0', &secret),
        entry(b"pax", b'x', pax.as_bytes()),
        entry(b"cut", b'0', token(NPM, 1).as_bytes()),
        entry(b"caf\xe9/../../x.env", b'0', token(NPM, 2).as_bytes()),
        entry(b"old", 0, token(NPM, 3).as_bytes()),
        entry(b"folder/", b'5', b""),
        entry(b"link", b'2', b""),
        entry(b"device", b'3', b""),
    ];
    let (findings, coverage) = scan_bytes("a.tar", &bytes.concat());
    let long = format!("a.tar!/{long}");
    assert_eq!(paths(&findings), [long.as_str(), &long, "a.tar!/caf\u{fffd}/../../x.env", "a.tar!/old"]);
    assert_eq!(coverage.skipped.get(&Skipped::SymbolicLink), Some(&1));
    assert_eq!(coverage.skipped.get(&Skipped::SpecialFile), Some(&1));
    assert_eq!((coverage.discovered, coverage.scanned), (7, 5));
}

#[test]
fn what_is_not_unpacked_is_counted_and_named() {
    let encrypted = zip_with(&[("x.env", &secret()), ("y.env", &secret())], 1);
    let (findings, coverage) = scan_bytes("a.zip", &encrypted);
    assert_eq!((findings.len(), coverage.skipped.get(&Skipped::Encrypted)), (0, Some(&2)));
    assert_eq!(coverage.errors[0].path, "a.zip!/x.env");

    let bzip2 = [b"BZh91AY&SY".as_slice(), &[7; 100]].concat();
    let (_, coverage) = scan_bytes("a.tar.bz2", &bzip2);
    assert_eq!(coverage.skipped.get(&Skipped::UnknownArchive), Some(&1));
    assert_eq!((coverage.discovered, coverage.scanned), (1, 0));
}
