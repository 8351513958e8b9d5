//! What stands at the top of a report and in its lists, and the findings that are flat objects: Gitleaks', `TruffleHog`'s,
//! Kingfisher's, and the simple form of our own. Findings are handed on as they come, in place of being kept.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::sarif::Runs;
use super::{Reading, Reported};
use crate::secret::SecretText;

/// Any value at the top of a report, or in a list of findings.
pub(super) struct Value<'r, 's>(pub(super) &'r mut Reading<'s>);

/// A finding of one of the flat forms, as far as it was read.
#[derive(Default)]
struct Flat {
    secret: Option<SecretText>,
    rule: Option<String>,
    path: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    commit: Option<String>,
    date: Option<String>,
    /// Whether a key was one that only a finding has.
    known: bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finding or a list of findings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        *self.0.known = true;
        while list.next_element_seed(Value(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut flat = Flat::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                // SARIF; Kingfisher.
                "runs" => map.next_value_seed(Runs(&mut *self.0))?,
                "findings" => map.next_value_seed(Value(&mut *self.0))?,
                key => flat.read(key, &mut map)?,
            }
        }
        flat.finish().map_or(Ok(()), |finding| self.0.take(finding))
    }

    // Kingfisher closes with an object that counts what it found: numbers where lists stand elsewhere. Gitleaks without findings
    // may write `null`.
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        *self.0.known = true;
        Ok(())
    }
}

impl Flat {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        self.known |= matches!(key, "Secret" | "Raw" | "finding" | "secret");
        match key {
            // Gitleaks; `TruffleHog`, whose `RawV2` joins the parts of a pair that `Raw` is the secret of; ours.
            "Secret" | "Raw" | "secret" => self.secret = map.next_value()?,
            "RuleID" | "DetectorName" => self.rule = map.next_value()?,
            "File" | "path" => self.path = map.next_value()?,
            "Commit" | "commit" => self.commit = map.next_value()?,
            "Date" | "committed_at" => self.date = map.next_value()?,
            "StartLine" | "line" => self.line = map.next_value()?,
            "StartColumn" | "column" => self.column = map.next_value()?,
            "SourceMetadata" => self.metadata(map.next_value()?),
            // Ours; Kingfisher.
            "rule" => self.rule = map.next_value::<Option<Rule>>()?.and_then(Rule::name),
            "finding" => self.finding(map.next_value()?),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn metadata(&mut self, metadata: Option<Metadata>) {
        let place = metadata.and_then(|metadata| metadata.data).and_then(|data| data.into_values().next()).unwrap_or_default();
        self.path = place.file.or(place.link);
        (self.line, self.commit, self.date) = (place.line, place.commit, place.timestamp);
    }

    fn finding(&mut self, finding: Finding) {
        self.secret = finding.snippet;
        (self.path, self.line, self.column) = (finding.path, finding.line, finding.column_start);
        if let Some(commit) = finding.git_metadata.and_then(|git| git.commit) {
            (self.commit, self.date) = (commit.id, commit.date);
        }
    }

    fn finish(self) -> Option<Reported> {
        self.known.then(|| Reported {
            secret: self.secret.map(|secret| secret.0).unwrap_or_default(),
            rule: self.rule,
            path: self.path.unwrap_or_default(),
            line: self.line.unwrap_or_default(),
            column: self.column.unwrap_or_default(),
            commit: self.commit.filter(|commit| !commit.is_empty()),
            committed_at: self.date,
        })
    }
}

/// `TruffleHog`: what it scanned, by the kind of its source.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "Data")]
    data: Option<BTreeMap<String, Place>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Place {
    file: Option<String>,
    link: Option<String>,
    line: Option<u64>,
    commit: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    /// Ours.
    Name(String),
    /// Kingfisher's.
    Kind { name: Option<String>, id: Option<String> },
}

impl Rule {
    fn name(self) -> Option<String> {
        match self {
            Self::Name(name) => Some(name),
            Self::Kind { name, id } => name.or(id),
        }
    }
}

#[derive(Deserialize)]
struct Finding {
    snippet: Option<SecretText>,
    path: Option<String>,
    line: Option<u64>,
    column_start: Option<u64>,
    git_metadata: Option<Git>,
}

/// What Kingfisher tells of a history.
#[derive(Deserialize)]
pub(super) struct Git {
    pub(super) commit: Option<Commit>,
}

/// A commit.
#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) id: Option<String>,
    pub(super) date: Option<String>,
}
