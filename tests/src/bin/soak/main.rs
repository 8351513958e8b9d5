//! What must hold for a long time and under many faults: `just soak`.
//!
//! Each row breaks something again and again on a real Envoy, and looks all the while at what must not break: no harmless request fails, no
//! patched token passes, and all converges when the fault is over. The first thing that does not hold ends the run.

mod attack;
mod database;
mod decisions;
mod kills;
mod network;
mod requests;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use stopleak_tests::command;

const USAGE: &str = "usage: just soak [--quick] [--only ROW]

Rows: decisions, kills, network, attack, database. All of them take a quarter of an hour.
--quick  a few seconds of each, as the tests do
--only   one row, or several with a comma";

/// How much of everything.
#[derive(Clone, Copy)]
struct Scale {
    /// Decisions in a row.
    decisions: u64,
    /// How often the control plane is killed.
    kills: u32,
    /// How long a link or a database is broken.
    broken_for: Duration,
    /// How often the link is.
    rounds: u32,
    /// Uses that simulated gateways report.
    uses: u64,
    /// How long requests attack a real one meanwhile, at least.
    attack: Duration,
}

struct Arguments {
    scale: Scale,
    only: Option<String>,
}

type Row = fn(Scale) -> Result<String>;

/// Each says what it has seen.
const ROWS: [(&str, Row); 5] = [
    ("decisions", decisions::row),
    ("kills", kills::row),
    ("network", network::row),
    ("attack", attack::row),
    ("database", database::row),
];

const FULL: Scale = Scale {
    decisions: 1_000,
    kills: 50,
    broken_for: Duration::from_mins(1),
    rounds: 3,
    uses: 10_000_000,
    attack: Duration::from_mins(1),
};

const QUICK: Scale = Scale {
    decisions: 30,
    kills: 2,
    broken_for: Duration::from_secs(2),
    rounds: 1,
    uses: 20_000,
    attack: Duration::from_secs(2),
};

fn main() -> ExitCode {
    command("soak", USAGE, parse, run)
}

fn run(arguments: &Arguments) -> Result<()> {
    for (name, row) in ROWS {
        if arguments.only.as_ref().is_some_and(|only| only.split(',').all(|wanted| wanted != name)) {
            continue;
        }
        let started = Instant::now();
        let seen = row(arguments.scale).with_context(|| format!("row {name}"))?;
        println!("{name} ({:.0} s): {seen}", started.elapsed().as_secs_f64());
    }
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments { scale: FULL, only: None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => arguments.scale = QUICK,
            "--only" => {
                let only = words.next().context("a row is missing")?;
                let is_row = |wanted: &str| ROWS.iter().any(|(name, _)| *name == wanted);
                if let Some(unknown) = only.split(',').find(|wanted| !is_row(wanted)) {
                    bail!("there is no row {unknown}");
                }
                arguments.only = Some(only);
            }
            word => bail!("unknown option {word}"),
        }
    }
    Ok(arguments)
}
