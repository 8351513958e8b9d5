//! Reports say where a token is and never what it is.

use serde_json::Value;
use stopleak_scanner::{Coverage, Finding, Format, Report, SourceLocation};

use crate::support::{GITHUB, Repo, STRIPE, detector, scan, token};

fn sample() -> (Vec<Finding>, Coverage) {
    let mut repo = Repo::new();
    repo.write("a b/ü.txt", format!("x\nkey={}\n", token(GITHUB, 1)));
    repo.commit();
    repo.write("z.env", format!("{}\n", token(STRIPE, 2)));
    scan(&SourceLocation::Repository(repo.path().into()))
}

fn written(format: Format, colours: bool) -> String {
    let (findings, coverage) = sample();
    let mut out = Vec::new();
    Report { detector: detector(), findings: &findings, coverage: &coverage }.write(format, colours, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn no_report_and_no_debug_output_has_a_token() {
    let (findings, _) = sample();
    let mut everything = format!("{findings:?}");
    for format in [Format::Text, Format::Json, Format::Sarif] {
        everything.push_str(&written(format, true));
    }
    for token in [token(GITHUB, 1), token(STRIPE, 2)] {
        // Nor any longer piece of it than the preview shows.
        for piece in token.as_bytes().windows(9) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!everything.contains(piece) || "sk_live_".contains(&piece[..8]), "{piece}");
        }
    }
}

#[test]
fn json_has_findings_and_coverage() {
    let document: Value = serde_json::from_str(&written(Format::Json, false)).unwrap();
    let keys: Vec<_> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["coverage", "findings"]);
    let first = &document["findings"][0];
    assert_eq!(first["rule"], GITHUB);
    assert_eq!(first["path"], "a b/ü.txt");
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(2), Some(5)));
    assert_eq!(first["confidence"], "certain");
    assert_eq!(first["commit"].as_str().unwrap().len(), 40);
    assert!(first["preview"].as_str().unwrap().starts_with("ghp_…"));
    let second = &document["findings"][1];
    assert_eq!((second["path"].as_str(), second.get("commit")), (Some("z.env"), None));
    assert_eq!(document["coverage"]["scanned"], 3);
    assert_eq!(document["coverage"]["skipped"][0]["reason"], "git_metadata");
}

#[test]
fn sarif_has_what_its_schema_requires() {
    let document: Value = serde_json::from_str(&written(Format::Sarif, false)).unwrap();
    assert_eq!(document["version"], "2.1.0");
    assert!(document["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let run = &document["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "Stopleak");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
    }
    let uri = &run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "a%20b/%C3%BC.txt");
}

#[test]
fn text_is_grouped_by_file_and_coloured_only_on_demand() {
    let plain = written(Format::Text, false);
    assert!(plain.starts_with("a b/ü.txt\n  2:5  critical  GitHub personal access token"), "{plain}");
    assert!(plain.contains("\nz.env\n  1:1  critical  Stripe secret key"), "{plain}");
    assert!(plain.contains("2 tokens found: 3 files and blobs of 1 commits"), "{plain}");
    assert!(!plain.contains('\u{1b}'));
    assert!(written(Format::Text, true).contains("\u{1b}[1;31mcritical\u{1b}[0m"));
}
