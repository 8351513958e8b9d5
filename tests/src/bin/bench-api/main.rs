//! What the API takes on a large database: `just bench-api [--database sqlite] [--leaks N] [--tokens N] [--attempts N]`.
//!
//! A private database is filled with rows as the product writes them, then the real `stopleak serve` answers one client over HTTP. Rounds go
//! through all questions, so that what the machine does beside hits all alike; of each number the median over the rounds is told.

mod spread;
mod rows;
mod database;
mod seed;
mod recount;
mod client;
mod cursors;
mod questions;
mod decisions;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use stopleak_tests::{ControlPlane, Tools, command};

use self::client::Client;
use self::database::{Database, Kind};
use self::decisions::Decisions;
use self::report::{Report, Series};
use self::spread::Sizes;

const USAGE: &str = "usage: just bench-api [--database postgres|sqlite] [--leaks N] [--tokens N] [--attempts N] [--rounds N] [--requests N]
                     [--folder DIR] [--quick] [--json]

Measures lists, decisions and charts' numbers over HTTP, on a database with 1,000,000 leaks, 10,000,000 tokens and 10,000,000 attempts.
--database  a private PostgreSQL, or an SQLite file
--rounds    how often everything is asked
--requests  of each kind in a round
--folder    keeps the database there, and takes the one that is there already
--quick     a smoke run: 2,000 leaks, one round
--json      machine-readable";

struct Arguments {
    kind: Kind,
    sizes: Sizes,
    rounds: usize,
    requests: usize,
    folder: Option<PathBuf>,
    json: bool,
}

fn main() -> ExitCode {
    command("bench-api", USAGE, Arguments::parse, run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let tools = Tools::find()?;
    let temporary = tempfile::Builder::new().prefix("stopleak-bench-").tempdir()?;
    let folder = arguments.folder.as_deref().unwrap_or(temporary.path());
    let database = Database::start(arguments.kind, folder)?;
    let seeded = seed::fill(&tools, &database, arguments.sizes)?;

    eprintln!("starting the control plane");
    let started = Instant::now();
    let control_plane = ControlPlane::start_with(&tools, &database.data_dir(), database.config())?;
    let mut report = Report::new(arguments.kind, seeded, started.elapsed(), control_plane.resident_bytes()?.0);

    let client = Client::of(&control_plane)?;
    let cursors = cursors::collect(&client)?;
    let mut questions: Vec<_> = questions::all(&report.seeded, &cursors).into_iter().map(Series::asking).collect();
    let mut decisions = Decisions::new(arguments.sizes.leaks);
    // What nobody has asked for yet is on the disk: the first round only fills caches.
    for round in 0..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for series in &mut questions {
            let mut latencies = Vec::with_capacity(arguments.requests);
            for _ in 0..arguments.requests {
                latencies.push(client.get(series.next_path())?.0);
            }
            if round > 0 {
                series.add(latencies);
            }
        }
        decisions.round(&client, arguments.requests, round > 0)?;
    }
    report.publishing = Some(decisions.published(&client)?);
    (report.resident_bytes, report.peak_bytes) = control_plane.resident_bytes()?;
    report.series = questions.into_iter().chain(decisions.into_series()).collect();
    println!("{}", if arguments.json { serde_json::to_string_pretty(&report.json())? } else { report.text() });
    Ok(())
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments =
            Self { kind: Kind::Postgres, sizes: Sizes::default(), rounds: 5, requests: 100, folder: None, json: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => arguments.json = true,
                "--quick" => {
                    let sizes = Sizes { leaks: 2_000, tokens: 20_000, attempts: 20_000 };
                    arguments = Self { sizes, rounds: 1, requests: 5, ..arguments };
                }
                "--database" => arguments.kind = Kind::parse(words.next().as_deref())?,
                "--leaks" => arguments.sizes.leaks = number(words.next())?,
                "--tokens" => arguments.sizes.tokens = number(words.next())?,
                "--attempts" => arguments.sizes.attempts = number(words.next())?,
                "--rounds" => arguments.rounds = number(words.next())?,
                "--requests" => arguments.requests = number(words.next())?,
                "--folder" => arguments.folder = Some(words.next().context("a folder is missing")?.into()),
                word => bail!("unknown option {word}"),
            }
        }
        Ok(arguments)
    }
}

fn number<T: TryFrom<u32>>(word: Option<String>) -> Result<T> {
    let word = word.context("a number is missing")?;
    let parsed = word.parse::<u32>().ok().filter(|number| *number > 0).and_then(|number| T::try_from(number).ok());
    parsed.with_context(|| format!("{word} is no number above 0"))
}

/// For people, to three digits.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
