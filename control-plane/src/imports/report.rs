//! Reports of other scanners, read as a stream: Gitleaks' JSON (Betterleaks writes the same), `TruffleHog`'s JSON lines,
//! Kingfisher's JSON and JSON lines, SARIF 2.1.0, and a simple form of our own.
//!
//! Nobody has to say which it is. A report is JSON values one after the other; each is a list of findings, an object that holds
//! lists of findings, or a finding, and the keys tell. Whatever else it holds is passed over. What is in memory at a time is one
//! finding, so a report may be of any length.

mod bounded;
mod shapes;
mod sarif;

use std::io::{self, Read};

use serde::de::DeserializeSeed as _;
use serde_json::error::Category;
use zeroize::Zeroizing;

use self::bounded::{Bounded, Budget};
use self::shapes::Value;

/// One token at one place, as a report has it.
pub struct Reported {
    /// The token's text.
    pub secret: Zeroizing<String>,
    /// What the other scanner calls its kind.
    pub rule: Option<String>,
    /// The file, or what else it was found in.
    pub path: String,
    /// Counted from 1; 0 where the report does not tell.
    pub line: u64,
    /// Counted from 1; 0 where the report does not tell.
    pub column: u64,
    /// The commit, in a report on a history.
    pub commit: Option<String>,
    /// When that commit was made, as the report writes it.
    pub committed_at: Option<String>,
}

/// What a finding of a report lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// There is no text of the token.
    Secret,
    /// Stars or the like stand in its place: the other scanner was told to hide it.
    Redacted,
    /// It has white space: a private key or a passage of text, and not what a request carries.
    WhiteSpace,
}

/// Who takes what is read. `false` ends the reading.
pub trait Sink {
    /// A finding that can be used.
    fn found(&mut self, finding: Reported) -> bool;
    /// A finding that cannot.
    fn lacks(&mut self, what: Lack) -> bool;
}

/// Why a report was not read to its end. Never repeats what it holds.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The connection or the file ended or broke.
    #[error("the report could not be read to its end: {0}")]
    Io(io::Error),
    /// Not a report.
    #[error("line {line}, column {column}: {what}")]
    Shape {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The report holds no list of findings and no finding.
    #[error(
        "no findings of a known form; known are the JSON of Gitleaks, TruffleHog and Kingfisher, SARIF 2.1.0, and {{\"findings\": [{{\"secret\": …}}]}}"
    )]
    Unknown,
}

/// What ends the reading from within, when the sink wants no more.
const ENOUGH: &str = "enough";

/// Reads a report to its end, or until the sink has enough.
pub fn read(report: impl Read, sink: &mut dyn Sink) -> Result<(), ReportError> {
    let budget = Budget::default();
    let mut deserializer = serde_json::Deserializer::from_reader(Bounded::new(report, budget.clone()));
    let mut known = false;
    // An empty list is a report without findings; an empty file is none.
    loop {
        let mut reading = Reading { sink: &mut *sink, budget: &budget, known: &mut known, enough: false };
        let read = Value(&mut reading).deserialize(&mut deserializer);
        let enough = reading.enough;
        match read {
            Err(_) if enough => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
        if deserializer.end().is_ok() {
            return if known { Ok(()) } else { Err(ReportError::Unknown) };
        }
    }
}

/// What the shapes write to.
struct Reading<'a> {
    sink: &'a mut dyn Sink,
    budget: &'a Budget,
    /// Whether anything was of a known form.
    known: &'a mut bool,
    enough: bool,
}

impl Reading<'_> {
    /// Takes one finding; the error only ends the reading.
    fn take<E: serde::de::Error>(&mut self, finding: Reported) -> Result<(), E> {
        *self.known = true;
        self.budget.renew();
        let goes_on = match lack(&finding.secret) {
            Some(lack) => self.sink.lacks(lack),
            None => self.sink.found(finding),
        };
        self.enough = !goes_on;
        if goes_on { Ok(()) } else { Err(E::custom(ENOUGH)) }
    }
}

fn lack(secret: &str) -> Option<Lack> {
    let secret = secret.trim();
    let hidden = |c: char| matches!(c, '*' | '.' | '…' | 'x' | 'X');
    if secret.is_empty() {
        Some(Lack::Secret)
    } else if secret.eq_ignore_ascii_case("redacted")
        || secret.contains("***")
        || secret.ends_with("...")
        || secret.chars().all(hidden)
    {
        Some(Lack::Redacted)
    } else if secret.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some(Lack::WhiteSpace)
    } else {
        None
    }
}

impl From<serde_json::Error> for ReportError {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Io => return Self::Io(error.into()),
            Category::Eof => "the JSON ends too early",
            Category::Syntax => "this is not JSON",
            Category::Data => "a value is of another type than a report has there",
        };
        Self::Shape { line: error.line(), column: error.column(), what }
    }
}

#[cfg(test)]
mod tests;
