//! What a rule must not report.

use regex::bytes::Regex;
use serde::Deserialize;
use toml::Table;

use super::translate;
use crate::rule::RuleError;

/// An allowlist exactly as a file spells it.
#[derive(Debug, Deserialize)]
pub(super) struct AllowSpec {
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    condition: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default, rename = "regexTarget")]
    target: String,
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(flatten)]
    unknown: Table,
}

/// What must not be reported.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    /// Everything that is given has to hold, not just something.
    all: bool,
    paths: Vec<Regex>,
    target: Target,
    regexes: Vec<Regex>,
    stop_words: Vec<Vec<u8>>,
}

/// What the expressions look at.
#[derive(Clone, Copy, Debug)]
enum Target {
    Secret,
    Match,
    Line,
}

/// A match as an allowlist looks at it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'t> {
    pub(crate) secret: &'t [u8],
    pub(crate) whole: &'t [u8],
    pub(crate) line: &'t [u8],
}

impl AllowSpec {
    pub(super) fn compile(self, rule: &str, notes: &mut Vec<String>) -> Result<Allowed, RuleError> {
        notes.extend(self.unknown.keys().map(|key| format!("rule `{rule}`: `{key}` of an allowlist is left out")));
        let error = |key: &str, problem: String| RuleError { rule: rule.to_owned(), key: key.to_owned(), problem };
        let all = |key: &'static str, texts: &[String]| {
            let compiled = texts.iter().map(|text| translate::compile(text)).collect::<Result<Vec<_>, _>>();
            compiled.map_err(|problem| error(key, problem))
        };
        Ok(Allowed {
            all: match self.condition.to_ascii_uppercase().as_str() {
                "" | "OR" | "||" => false,
                "AND" | "&&" => true,
                other => return Err(error("condition", format!("`{other}` is none: use OR or AND"))),
            },
            paths: all("paths", &self.paths)?,
            target: match self.target.as_str() {
                "" | "secret" => Target::Secret,
                "match" => Target::Match,
                "line" => Target::Line,
                other => return Err(error("regexTarget", format!("`{other}` is none: use secret, match or line"))),
            },
            regexes: all("regexes", &self.regexes)?,
            stop_words: self.stopwords.iter().map(|word| word.to_ascii_lowercase().into_bytes()).collect(),
        })
    }
}

/// What a list says of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Report,
    Allow,
    /// It depends on the path.
    AskPath,
}

impl Allowed {
    pub(crate) fn judge(&self, seen: Seen<'_>) -> Verdict {
        let text = match self.target {
            Target::Secret => seen.secret,
            Target::Match => seen.whole,
            Target::Line => seen.line,
        };
        let lower = seen.secret.to_ascii_lowercase();
        let stops = |word: &Vec<u8>| lower.windows(word.len().max(1)).any(|window| window == word.as_slice());
        let checks = [
            (!self.regexes.is_empty()).then(|| self.regexes.iter().any(|regex| regex.is_match(text))),
            (!self.stop_words.is_empty()).then(|| self.stop_words.iter().any(stops)),
        ];
        let mut given = checks.into_iter().flatten();
        let (some, by_path) = (checks.iter().any(Option::is_some), !self.paths.is_empty());
        if self.all {
            match (given.all(|holds| holds), by_path) {
                (true, true) => Verdict::AskPath,
                (true, false) if some => Verdict::Allow,
                _ => Verdict::Report,
            }
        } else if given.any(|holds| holds) {
            Verdict::Allow
        } else if by_path {
            Verdict::AskPath
        } else {
            Verdict::Report
        }
    }

    /// Whether this is one of the paths of the list.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        self.paths.iter().any(|regex| regex.is_match(path.as_bytes()))
    }
}
