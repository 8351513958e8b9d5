//! The checked-in table of what was accepted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;

/// Fuel by request and size of the index.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Table(BTreeMap<String, BTreeMap<String, u64>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    rustc: String,
    fuel: Table,
}

/// A rise of less is noise of code generation.
const MOST_PERCENT: u64 = 2;

/// Set to anything, it makes the test write the table instead of comparing with it.
const REWRITE: &str = "STOPLEAK_WRITE_FUEL";

impl Table {
    pub fn put(&mut self, request: &str, tokens: usize, fuel: u64) {
        self.0.entry(request.to_owned()).or_default().insert(format!("tokens_{tokens}"), fuel);
    }

    /// Whether all of the other table is in this one.
    pub fn includes(&self, other: &Self) -> bool {
        let has =
            |request: &String, tokens: &String, fuel: &u64| self.0.get(request).and_then(|row| row.get(tokens)) == Some(fuel);
        other.0.iter().all(|(request, row)| row.iter().all(|(tokens, fuel)| has(request, tokens, fuel)))
    }

    /// Compares with what was accepted, and says what to do about a difference.
    pub fn check(&self) -> Result<(), String> {
        if env::var_os(REWRITE).is_some() {
            return fs::write(file(), self.write()).map_err(|error| error.to_string());
        }
        self.compare()
    }

    /// Compares with what was accepted.
    pub fn compare(&self) -> Result<(), String> {
        let text = fs::read_to_string(file()).map_err(|error| format!("{}: {error}", file().display()))?;
        let accepted: Accepted = toml::from_str(&text).map_err(|error| error.to_string())?;
        let complaints = self.complaints(&accepted.fuel);
        if complaints.is_empty() {
            return Ok(());
        }
        let compiler = match rustc() {
            now if now == accepted.rustc => String::new(),
            now => format!("The table was made with {}, the module perhaps with {now}.\n", accepted.rustc),
        };
        Err(format!(
            "The filter has become dearer than tests/fuel.toml allows:\n{}\n{compiler}If that is worth it, say why in the commit that accepts it: \
             `just fuel` rewrites the table. If nothing of the filter has changed, `just build` brings the module up to date.",
            complaints.join("\n")
        ))
    }

    fn complaints(&self, accepted: &Self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (request, row) in &self.0 {
            for (tokens, &fuel) in row {
                match accepted.0.get(request).and_then(|row| row.get(tokens)) {
                    None => complaints.push(format!("  {request}, {tokens}: {fuel}, and the table has no such entry")),
                    Some(&before) if fuel * 100 > before * (100 + MOST_PERCENT) => {
                        complaints.push(format!("  {request}, {tokens}: {fuel} instead of {before}, over {MOST_PERCENT} % more"));
                    }
                    Some(_) => {}
                }
            }
        }
        complaints
    }

    fn write(&self) -> String {
        let mut text = format!(
            "# Fuel that the filter takes for a request, by request and number of tokens in the index: nearly one unit an instruction.\n\
             # It may fall, and must not rise by more than {MOST_PERCENT} %. `just fuel` rewrites this file; tests/tests/fuel/main.rs compares.\n\
             rustc = \"{}\"\n",
            rustc()
        );
        for (request, row) in &self.0 {
            let _ = write!(text, "\n[fuel.{request}]\n");
            let mut row: Vec<_> = row.iter().collect();
            row.sort_by_key(|(tokens, _)| tokens.len());
            for (tokens, fuel) in row {
                let _ = writeln!(text, "{tokens} = {fuel}");
            }
        }
        text
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuel.toml")
}

/// The compiler's version: another one makes another module of the same sources.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

#[test]
fn a_rise_is_noticed_and_a_fall_is_not() {
    let table = |fuel| {
        let mut table = Table::default();
        table.put("a", 0, fuel);
        table
    };
    let accepted = table(1_000);
    assert!(table(1_020).complaints(&accepted).is_empty() && table(10).complaints(&accepted).is_empty());
    assert_eq!(table(1_021).complaints(&accepted).len(), 1);
    assert_eq!(table(1).complaints(&Table::default()).len(), 1, "an entry that was never accepted");
}
