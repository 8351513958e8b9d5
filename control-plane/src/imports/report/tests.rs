//! Each form of report, what is none, and damaged ones.

use std::fmt::Write as _;

use proptest::prelude::*;
use stopleak_detector::token;

use super::*;

#[derive(Default)]
struct Taken {
    found: Vec<Reported>,
    lacks: Vec<Lack>,
    most: Option<usize>,
}

impl Sink for Taken {
    fn found(&mut self, finding: Reported) -> bool {
        self.found.push(finding);
        self.most.is_none_or(|most| self.found.len() < most)
    }

    fn lacks(&mut self, what: Lack) -> bool {
        self.lacks.push(what);
        true
    }
}

fn taken(report: &str) -> Result<Taken, ReportError> {
    let mut taken = Taken::default();
    read(report.as_bytes(), &mut taken).map(|()| taken)
}

fn secret() -> String {
    token("github-personal-access-token", 7).unwrap()
}

/// The same finding in each form.
fn reports() -> Vec<(&'static str, String)> {
    let (secret, commit, date) = (secret(), "d25de391071d5c761999d7d243bef643b02747b0", "2026-03-01T11:29:06Z");
    let gitleaks = format!(
        r#"{{"RuleID":"github-pat","StartLine":2,"StartColumn":15,"Match":"x","Secret":"{secret}","File":"a/config.env",
            "Commit":"{commit}","Entropy":5.1,"Date":"{date}","Tags":[]}}"#
    );
    let trufflehog = format!(
        r#"{{"SourceMetadata":{{"Data":{{"Git":{{"commit":"{commit}","file":"a/config.env","email":"a <a@b.example>","repository":"r",
            "timestamp":"{date}","line":2}}}}}},"SourceID":1,"DetectorName":"github-pat","Verified":false,"Raw":"{secret}",
            "RawV2":"","Redacted":"","ExtraData":{{"version":"2"}},"StructuredData":null}}"#
    )
    .replace('\n', " ");
    let kingfisher = format!(
        r#"{{"rule":{{"name":"github-pat","id":"x.github-pat"}},"finding":{{"snippet":"{secret}","entropy":"5.12","line":2,
            "column_start":15,"path":"a/config.env","git_metadata":{{"repository_url":"r","commit":{{"id":"{commit}","date":"{date}"}}}}}}}}"#
    )
    .replace('\n', " ");
    let ours = format!(
        r#"{{"secret":"{secret}","rule":"github-pat","path":"a/config.env","line":2,"column":15,"commit":"{commit}","committed_at":"{date}"}}"#
    );
    let region = format!(r#"{{"startLine":2,"startColumn":15,"endColumn":54,"snippet":{{"text":"{secret}"}}}}"#);
    let place = format!(r#""physicalLocation":{{"artifactLocation":{{"uri":"a/config.env"}},"region":{region}}}"#);
    let sarif = |location: &str, rest: &str| {
        format!(
            r#"{{"$schema":"s","version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"g","rules":[{{"id":"a"}}]}}}},
                "results":[{{"message":{{"text":"m"}},"ruleId":"github-pat","locations":[{{{location}}}]{rest}}}]}}]}}"#
        )
    };
    let prints = format!(r#","partialFingerprints":{{"commitSha":"{commit}","email":"a","date":"{date}"}}"#);
    let properties = format!(r#"{place},"properties":{{"git_metadata":{{"commit":{{"id":"{commit}","date":"{date}"}}}}}}"#);
    vec![
        ("Gitleaks", format!("\u{feff}[\n{gitleaks}\n]\n")),
        ("TruffleHog", format!("{trufflehog}\n")),
        ("Kingfisher", format!(r#"{{"findings":[{kingfisher}],"audit":{{}},"metadata":{{"summary":{{"findings":1}}}}}}"#)),
        ("Kingfisher, lines", format!("{kingfisher}\n{{\"audit\":{{}}}}\n{{\"findings\":1,\"rules_applied\":488}}\n")),
        ("ours", format!(r#"{{"findings":[{ours}]}}"#)),
        ("SARIF of Gitleaks", sarif(&place, &prints)),
        ("SARIF of Kingfisher", sarif(&properties, r#","partialFingerprints":{"fingerprint":"1"}"#)),
    ]
}

#[test]
fn each_form_is_read_without_being_named() {
    for (name, report) in reports() {
        let taken = taken(&report).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [finding] = taken.found.as_slice() else { panic!("{name}: {} findings", taken.found.len()) };
        assert_eq!(*finding.secret, secret(), "{name}");
        assert_eq!(
            (finding.rule.as_deref(), finding.path.as_str(), finding.line),
            (Some("github-pat"), "a/config.env", 2),
            "{name}"
        );
        assert_eq!(finding.column, if name == "TruffleHog" { 0 } else { 15 }, "{name}");
        assert!(finding.commit.as_ref().is_some_and(|commit| commit.starts_with("d25de39")), "{name}");
        assert_eq!(finding.committed_at.as_deref(), Some("2026-03-01T11:29:06Z"), "{name}");
    }
}

#[test]
fn reports_without_findings_are_reports() {
    for report in ["[]", "null", r#"{"findings":[]}"#, r#"{"runs":[{"results":null}]}"#, r#"{"runs":[]}"#] {
        assert!(taken(report).unwrap().found.is_empty(), "{report}");
    }
}

#[test]
fn what_is_no_report_is_refused_without_repeating_it() {
    for report in ["", "hunter22", "{\"hunter22\": 1}", "{\"Secret\": [\"hunter22\"]}", "[{\"Secret\": \"hunter22\"", "3"] {
        let refusal = taken(report).err().unwrap_or_else(|| panic!("{report}")).to_string();
        assert!(!refusal.contains("hunter22"), "{report}: {refusal}");
    }
    let deep = "[".repeat(10_000);
    assert!(matches!(taken(&deep), Err(ReportError::Shape { .. })));
}

#[test]
fn hidden_secrets_and_texts_are_told_apart() {
    for (secret, expected) in [
        ("", Lack::Secret),
        ("REDACTED", Lack::Redacted),
        ("ghp_***", Lack::Redacted),
        ("ghp_abc...", Lack::Redacted),
        ("XXXXXXXX", Lack::Redacted),
        ("-----BEGIN PRIVATE KEY-----\\nMII", Lack::WhiteSpace),
    ] {
        let taken = taken(&format!("[{{\"Secret\":\"{secret}\",\"File\":\"f\"}}]")).unwrap();
        assert_eq!((taken.found.len(), taken.lacks.as_slice()), (0, [expected].as_slice()), "{secret}");
    }
}

#[test]
fn the_reader_stops_when_the_sink_has_enough() {
    let mut report = "[".to_owned();
    for n in 0..10 {
        write!(report, "{}{{\"Secret\":\"secret-number-{n}\"}}", if n == 0 { "" } else { "," }).unwrap();
    }
    let mut taken = Taken { most: Some(3), ..Taken::default() };
    // Never closed: who has enough does not read on.
    read(report.as_bytes(), &mut taken).unwrap();
    assert_eq!(taken.found.len(), 3);
}

#[test]
fn one_value_may_not_fill_the_memory() {
    let endless = Read::chain("[{\"Secret\":\"".as_bytes(), io::repeat(b'a'));
    let refusal = read(endless, &mut Taken::default()).err().unwrap().to_string();
    assert!(refusal.contains("32 MiB"), "{refusal}");
}

proptest! {
    #[test]
    fn damaged_reports_end_in_an_error_or_not_at_all(which in 0_usize..6, at in 0_usize..400, byte: u8, cut in 0_usize..900) {
        let (_, report) = reports().remove(which);
        let mut bytes = report.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len().saturating_sub(cut % 300));
        let _ = read(bytes.as_slice(), &mut Taken::default());
    }
}
