//! Findings and coverage, written down.

mod json;
mod sarif;
mod text;

use std::io::{self, Write};
use std::str::FromStr;

use stopleak_detector::Detector;

use crate::{Coverage, Finding};

/// Everything that a report says.
#[derive(Clone, Copy, Debug)]
pub struct Report<'r> {
    /// Explains the rules.
    pub detector: &'r Detector,
    /// What was found, in any order.
    pub findings: &'r [Finding],
    /// What was read.
    pub coverage: &'r Coverage,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
}

impl Report<'_> {
    /// Writes the report; `colours` matters for text only.
    pub fn write(&self, format: Format, colours: bool, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Text => text::write(self, colours, out),
            Format::Json => json::write(self, out),
            Format::Sarif => sarif::write(self, out),
        }
    }

    /// The findings by path and line, so that two scans of the same source read the same.
    fn sorted(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by(|a, b| {
            let key = |finding: &Finding| (finding.line, finding.column);
            a.path.cmp(&b.path).then(a.committed_at.cmp(&b.committed_at)).then(key(a).cmp(&key(b))).then(a.rule.cmp(&b.rule))
        });
        findings
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "sarif" => Ok(Self::Sarif),
            other => Err(format!("`{other}` is no report format: use text, json or sarif")),
        }
    }
}
