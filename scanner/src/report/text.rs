//! For people: findings by file, then what was read.

use std::io::{self, Write};

use stopleak_detector::{Reason, Risk};

use super::Report;
use crate::printable::printable;
use crate::{Coverage, Finding};

/// How many errors are listed; the JSON report has more.
const ERRORS_SHOWN: usize = 10;
/// How much of a commit's id is shown.
const COMMIT_SHOWN: usize = 12;

pub(super) fn write(report: &Report<'_>, colours: bool, out: &mut impl Write) -> io::Result<()> {
    let paint = Paint { colours };
    let mut path = None;
    for finding in report.sorted() {
        if path != Some(&finding.path) {
            writeln!(out, "{}", paint.bold(&printable(&finding.path)))?;
            path = Some(&finding.path);
        }
        writeln!(out, "  {}", line(finding, &paint))?;
    }
    if path.is_some() {
        writeln!(out)?;
    }
    summary(report, out)?;
    not_read(report.coverage, out)
}

fn line(finding: &Finding, paint: &Paint) -> String {
    let Finding { line, column, rule_name, preview, risk, confidence, reasons, .. } = finding;
    let mut why = confidence.to_string();
    // What every match has, confidence tells.
    for reason in reasons.iter().filter(|reason| ![Reason::Checksum, Reason::Format, Reason::Assignment].contains(reason)) {
        why.push_str(", ");
        why.push_str(&reason.as_str().replace('_', " "));
    }
    let mut text = format!("{line}:{column}  {}  {rule_name}  {preview}  ({why})", paint.risk(*risk));
    if let Some(commit) = &finding.commit {
        text.push_str("  in ");
        text.push_str(&commit[..commit.len().min(COMMIT_SHOWN)]);
    }
    if let Some(date) = &finding.committed_at {
        text.push_str(" of ");
        text.push_str(date.split('T').next().unwrap_or(date));
    }
    text
}

fn summary(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    let Coverage { scanned, bytes, commits, seconds, .. } = report.coverage;
    let found = match report.findings.len() {
        0 => "No tokens found".to_owned(),
        1 => "1 token found".to_owned(),
        count => format!("{count} tokens found"),
    };
    let history = if *commits > 0 { format!(" of {commits} commits") } else { String::new() };
    writeln!(out, "{found}: {scanned} files and blobs{history}, {} in {seconds:.1} s.", size(*bytes))
}

fn not_read(coverage: &Coverage, out: &mut impl Write) -> io::Result<()> {
    for (reason, count) in &coverage.skipped {
        writeln!(out, "Not read: {count} × {}.", reason.describe())?;
    }
    for error in coverage.errors.iter().take(ERRORS_SHOWN) {
        writeln!(out, "  {}: {}", printable(&error.path), printable(&error.problem))?;
    }
    if coverage.unreachable > 0 {
        writeln!(out, "Not reported: {} blobs with tokens that no branch or tag leads to.", coverage.unreachable)?;
    }
    if coverage.unlikely > 0 {
        writeln!(out, "Not reported: {} private keys in tests and examples; --generic reports them.", coverage.unlikely)?;
    }
    match coverage.error_count.saturating_sub(ERRORS_SHOWN as u64) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let unit = UNITS.iter().enumerate().rev().find(|&(place, _)| bytes >> (10 * place) > 0);
    match unit {
        None | Some((0, _)) => format!("{bytes} B"),
        Some((place, name)) => {
            let tenths = bytes.saturating_mul(10) >> (10 * place);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

struct Paint {
    colours: bool,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.code("1", text)
    }

    fn risk(&self, risk: Risk) -> String {
        let code = match risk {
            Risk::Critical => "1;31",
            Risk::High => "31",
            Risk::Medium => "33",
            Risk::Low => "36",
        };
        self.code(code, risk.as_str())
    }

    fn code(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
