//! Rule files of Gitleaks: read as they are, with their own way to judge a match.

use stopleak_detector::{Detector, Match, Rule, Rules, prove};

const FILE: &str = r#"
title = "acme"
minVersion = "8.25.0"

[extend]
useDefault = true

[[rules]]
id = "acme-key"
description = "Acme deploy key"
regex = '''(?i)acme(?:.{0,9})[=:]\s*"?([a-z0-9]{16})"?'''
entropy = 3
keywords = ["ACME"]
tags = ["key"]
[[rules.allowlists]]
condition = "OR"
paths = ['''(^|/)legacy/''']
stopwords = ["sample"]
[[rules.allowlists]]
regexTarget = "line"
regexes = ["nolint"]

[[rules]]
id = "bare-id"
regex = '''id-(\d{4})-(\d{4})'''
secretGroup = 2
path = '''\.env$'''

[[rules]]
id = "npm-access-token"
regex = '''\Qxpm.\E[a-f0-9]{8}'''
keywords = ["xpm"]
[rules.allowlist]
condition = "AND"
paths = ["^docs/"]
regexes = ["^xpm\\.0"]
commits = ["1234567"]

[[rules]]
id = "secret-files"
path = '''\.pem$'''

[allowlist]
paths = ["^go\\.sum$"]
"#;

fn load(file: &str) -> Rules {
    Rules::built_in().with_operator_file(file).unwrap()
}

/// Rule and token of everything that is reported at a path.
fn found(text: &str, path: &str) -> Vec<(String, String)> {
    let rules = load(FILE);
    let mut found = Vec::new();
    let detector = Detector::new(&rules);
    detector.scan(text.as_bytes(), |Match { rule, span, lists, .. }| {
        if rule.holds_at(path, &lists) {
            found.push((rule.id().to_owned(), text[span].to_owned()));
        }
    });
    found
}

const SECRET: &str = "q8zr2lm0tb6wc4xv";

#[test]
fn a_file_of_gitleaks_is_recognised_and_what_has_no_counterpart_is_named() {
    let rules = load(FILE);
    prove(&rules).unwrap();
    let ids: Vec<_> = rules.own().map(Rule::id).collect();
    assert_eq!(ids, ["acme-key", "bare-id", "gitleaks-npm-access-token"]);
    let notes = rules.notes().join("; ");
    for named in ["`extend` is left out", "`commits` of an allowlist is left out", "rule `secret-files` is left out"] {
        assert!(notes.contains(named), "{notes}");
    }
    assert_eq!(rules.notes().len(), 3, "{notes}");
}

#[test]
fn a_match_is_judged_by_entropy_and_allowlists() {
    let hit =
        |text: &str, path: &str| found(text, path).into_iter().any(|(rule, secret)| rule == "acme-key" && secret.len() == 16);
    assert!(hit(&format!("ACME_key = \"{SECRET}\""), "a.env"));
    assert!(!hit("acme = aaaabbbbaaaabbbb", "a.env"), "too little entropy");
    assert!(!hit("acme = q8zr2sample6wc4xv"[..23].trim_end(), "a.env"), "a stop word");
    assert!(!hit(&format!("acme = {SECRET} # nolint"), "a.env"), "an allowed line");
    assert!(hit(&format!("# nolint\nacme = {SECRET}"), "a.env"), "another line");
    assert!(!hit(&format!("acme = {SECRET}"), "src/legacy/a.env"), "an allowed path");
    assert!(!hit(&format!("acme = {SECRET}"), "go.sum"), "a path that is allowed for all");
}

#[test]
fn groups_paths_and_rules_without_keywords_are_kept() {
    assert_eq!(found("id-1234-5678", "x.env"), [("bare-id".to_owned(), "5678".to_owned())]);
    assert_eq!(found("id-1234-5678", "x.txt"), []);
    // Both have to hold: the path and the expression.
    assert_eq!(found("xpm.1234abcd", "docs/a").len(), 1);
    assert_eq!(found("xpm.0234abcd", "docs/a").len(), 0);
    assert_eq!(found("xpm.0234abcd", "src/a").len(), 1);
}

#[test]
fn what_is_wrong_is_refused_with_rule_and_key() {
    for (from, to, expected) in [
        ("secretGroup = 2", "secretGroup = 3", "rule `bare-id`: key `secretGroup`"),
        ("(\\d{4})-(\\d{4})", "(\\d{4})(?=x)", "rule `bare-id`: key `regex`"),
        ("(\\d{4})-(\\d{4})", "((a{900}){900}){900}()", "rule `bare-id`: key `regex`"),
        ("\"line\"", "\"page\"", "rule `acme-key`: key `regexTarget`"),
        ("\"AND\"", "\"XOR\"", "rule `npm-access-token`: key `condition`"),
        ("entropy = 3", "entropy = \"much\"", "rule `acme-key`"),
    ] {
        let from = from.replace("\\\\", "\\");
        let file = FILE.replace(&from, &to.replace("\\\\", "\\"));
        assert_ne!(file, FILE, "{from}");
        let error = Rules::built_in().with_operator_file(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
}

#[test]
fn an_expression_that_explodes_elsewhere_takes_linear_time() {
    let file = "[[rules]]\nid = \"slow\"\nregex = '''(a+)+(b|c)*$x'''\n";
    let detector = Detector::new(&load(file));
    let started = std::time::Instant::now();
    detector.scan("a".repeat(200_000).as_bytes(), |_| panic!("nothing is there"));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
