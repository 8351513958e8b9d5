//! Where a token stands says how much it matters.

use stopleak_detector::{Confidence, Detector, Reason, Risk, Rules};
use stopleak_scanner::{Cancel, Options, Scan, SourceLocation};

use crate::support::{GITHUB, scan, token};

const KEY: &str = "private-key";

#[test]
fn private_keys_of_tests_are_counted_and_told_on_demand_and_all_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("deploy/key.pem", token(KEY, 1));
    write("tests/key.pem", token(KEY, 2));
    write("docs/setup.md", token(KEY, 3));
    write("src/keys.rs", format!("const A: &str = \"\";\n#[cfg(test)]\nmod tests {{\n{}\n}}\n", token(KEY, 4)));
    // Only keys are made for tests in such numbers.
    write("tests/settings.env", token(GITHUB, 5));
    let location = SourceLocation::Folder(folder.path().into());
    let (mut findings, coverage) = scan(&location);
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    let paths: Vec<_> = findings.iter().map(|finding| (finding.path.as_str(), finding.risk)).collect();
    assert_eq!(paths, [("deploy/key.pem", Risk::Critical), ("tests/settings.env", Risk::High)]);
    assert_eq!((coverage.unlikely, coverage.findings), (3, 2));

    let detector = Detector::with_generic(&Rules::built_in());
    let mut findings = Vec::new();
    let coverage = Scan::new(&detector, Options::default()).run(&location, &mut findings, &Cancel::default()).unwrap();
    findings.retain(|finding| finding.rule == KEY && finding.confidence == Confidence::Low);
    assert_eq!((findings.len(), coverage.unlikely), (3, 0));
    assert!(findings.iter().any(|finding| finding.reasons.contains(&Reason::TestCode)));
}
