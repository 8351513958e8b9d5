//! SARIF 2.1.0: runs, their results, and of each result the places with the text that was found there.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::shapes::Git;
use super::{Reading, Reported};
use crate::secret::SecretText;

/// The list of runs.
pub(super) struct Runs<'r, 's>(pub(super) &'r mut Reading<'s>);

/// One run.
struct Run<'r, 's>(&'r mut Reading<'s>);

/// The list of a run's results.
struct Results<'r, 's>(&'r mut Reading<'s>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: Option<String>,
    #[serde(default)]
    locations: Vec<Location>,
    partial_fingerprints: Option<Fingerprints>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Option<Place>,
    properties: Option<Properties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    artifact_location: Option<Artifact>,
    region: Option<Region>,
}

#[derive(Deserialize)]
struct Artifact {
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: Option<u64>,
    start_column: Option<u64>,
    snippet: Option<Snippet>,
}

#[derive(Deserialize)]
struct Snippet {
    text: Option<SecretText>,
}

/// Where Kingfisher puts the commit.
#[derive(Deserialize)]
struct Properties {
    git_metadata: Option<Git>,
}

/// Where Gitleaks puts it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fingerprints {
    commit_sha: Option<String>,
    date: Option<String>,
}

impl<'de> DeserializeSeed<'de> for Runs<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Runs<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut runs: A) -> Result<(), A::Error> {
        *self.0.known = true;
        while runs.next_element_seed(Run(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Run<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Run<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a run")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut run: A) -> Result<(), A::Error> {
        while let Some(key) = run.next_key::<String>()? {
            if key == "results" {
                run.next_value_seed(Results(&mut *self.0))?;
            } else {
                run.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Results<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Results<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of results")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut results: A) -> Result<(), A::Error> {
        while let Some(finding) = results.next_element::<Finding>()? {
            for reported in finding.reported() {
                self.0.take(reported)?;
            }
        }
        Ok(())
    }

    // A run that failed has no results, and says so.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

impl Finding {
    /// One for each place.
    fn reported(self) -> impl Iterator<Item = Reported> {
        let Self { rule_id, locations, partial_fingerprints } = self;
        let (of_result, date) = partial_fingerprints.map_or((None, None), |prints| (prints.commit_sha, prints.date));
        locations.into_iter().map(move |Location { physical_location, properties }| {
            let (artifact, region) = physical_location.map_or((None, None), |place| (place.artifact_location, place.region));
            let (line, column, snippet) =
                region.map_or((None, None, None), |region| (region.start_line, region.start_column, region.snippet));
            let commit = properties.and_then(|properties| properties.git_metadata).and_then(|git| git.commit);
            let (commit, committed_at) = match commit {
                Some(commit) => (commit.id, commit.date),
                None => (of_result.clone(), date.clone()),
            };
            Reported {
                secret: snippet.and_then(|snippet| snippet.text).map(|text| text.0).unwrap_or_default(),
                rule: rule_id.clone(),
                path: artifact.and_then(|artifact| artifact.uri).unwrap_or_default(),
                line: line.unwrap_or_default(),
                column: column.unwrap_or_default(),
                commit: commit.filter(|commit| !commit.is_empty()),
                committed_at,
            }
        })
    }
}
