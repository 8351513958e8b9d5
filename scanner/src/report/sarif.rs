//! SARIF 2.1.0, which code hosts and editors show beside the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};
use stopleak_detector::Risk;

use super::Report;
use crate::Finding;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let findings = report.sorted();
    // A rule appears once, in the order of ids; results point at it by its place.
    let mut places: BTreeMap<&str, usize> = findings.iter().map(|finding| (finding.rule.as_str(), 0)).collect();
    places.values_mut().enumerate().for_each(|(place, value)| *value = place);
    let rules: Vec<Value> = places.keys().map(|id| rule(report, id)).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, places[finding.rule.as_str()])).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Stopleak",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "results": results,
            "properties": { "coverage": report.coverage },
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn rule(report: &Report<'_>, id: &str) -> Value {
    let Some(rule) = report.detector.rules().find(|rule| rule.id() == id) else { return json!({ "id": id }) };
    json!({
        "id": id,
        "name": rule.name(),
        "shortDescription": { "text": rule.name() },
        "helpUri": rule.reference(),
        "defaultConfiguration": { "level": level(rule.risk()) },
        "properties": { "security-severity": severity(rule.risk()), "tags": ["security"] },
    })
}

fn result(finding: &Finding, place: usize) -> Value {
    let Finding { rule, rule_name, path, line, column, preview, confidence, risk, reasons, .. } = finding;
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": place,
        "level": level(*risk),
        "message": { "text": format!("{rule_name}: {preview}") },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(path) },
            "region": { "startLine": line, "startColumn": column },
        }}],
        // Neither the token nor a hash that somebody could guess against.
        "partialFingerprints": { "place/v1": format!("{rule}:{path}:{line}:{preview}") },
        "properties": { "confidence": confidence, "risk": risk, "reasons": reasons },
    });
    if let Some(claims) = &finding.claims {
        result["properties"]["claims"] = json!(claims);
    }
    if let Some(commit) = &finding.commit {
        result["properties"]["commit"] = json!(commit);
        result["properties"]["committed_at"] = json!(finding.committed_at);
    }
    result
}

fn level(risk: Risk) -> &'static str {
    match risk {
        Risk::Critical | Risk::High => "error",
        Risk::Medium => "warning",
        Risk::Low => "note",
    }
}

/// The scale that code hosts sort by.
fn severity(risk: Risk) -> &'static str {
    match risk {
        Risk::Critical => "9.5",
        Risk::High => "8.0",
        Risk::Medium => "5.5",
        Risk::Low => "2.0",
    }
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
