//! `stopleak index`: on this machine, without a server.

mod bench;
mod rivals;

use clap::{Args, Subcommand};
use serde_json::Value;
use stopleak_contract::index::MAX_SHARD_BITS;

use super::Fault;
use super::table;

/// Measure the index that gateways hold
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak index bench --tokens 1000000
  stopleak index bench --tokens 100000 --json")]
pub(super) struct Index {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build an index of made-up tokens, always the same, and tell its size, speed and error
    Bench(Bench),
}

#[derive(Args)]
struct Bench {
    /// How many tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    tokens: u32,
    /// Cut into 2^BITS shards instead of the number that the control plane would choose
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=i64::from(MAX_SHARD_BITS)))]
    shard_bits: Option<u8>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Index {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self.command {
            Command::Bench(bench) => bench.run(),
        }
    }
}

impl Bench {
    fn run(&self) -> Result<(), Fault> {
        let measured = bench::run(self.tokens, self.shard_bits).map_err(|error| Fault::Refused(error.to_string()))?;
        if self.json {
            return table::json(&measured);
        }
        let mut rows = Vec::new();
        flatten("", &measured, &mut rows);
        table::rows(&["WHAT", "VALUE"], &rows)
    }
}

/// A row for each number, named by its path.
fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let Value::Object(members) = value else {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return rows.push(vec![name.to_owned(), text]);
    };
    for (member, value) in members {
        flatten(format!("{name} {member}").replace('_', " ").trim(), value, rows);
    }
}
