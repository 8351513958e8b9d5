//! How long an index takes to reach a real Envoy, and what the requests that pass meanwhile notice of it: see [`FirstLoad`].

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use stopleak_tests::{FirstLoad, Tools, command};

const USAGE: &str = "usage: just bench-load [--tokens N] [--json]

Measures how long an index of N tokens (1,000,000 by default) takes to reach a real Envoy with two workers, and how long requests wait
meanwhile. Ten million tokens take some minutes to be put into the database.";

/// Requests without the feed, at least.
const BASELINE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    command("bench-load", USAGE, parse, run)
}

/// How many tokens, and whether a machine reads the result.
fn parse(mut words: impl Iterator<Item = String>) -> Result<(u64, bool)> {
    let (mut tokens, mut as_json) = (1_000_000, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--tokens" => tokens = words.next().context("a number is missing")?.parse()?,
            "--json" => as_json = true,
            word => bail!("unknown option {word}"),
        }
    }
    Ok((tokens, as_json))
}

fn run(&(tokens, as_json): &(u64, bool)) -> Result<()> {
    let first_load = FirstLoad::measure(&Tools::find()?, tokens, BASELINE)?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&first_load.to_json())?);
    } else {
        first_load.print();
    }
    Ok(())
}
