//! How fast a decision is in force: `just bench-feed`.
//!
//! At one real Envoy, over thousands of simulated gateways, and how long a large index takes to a real Envoy that has none.

mod enforced;
mod fleet;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use stopleak_tests::{FirstLoad, Tools, command};

use self::enforced::Enforced;
use self::fleet::FleetReport;

const USAGE: &str = "usage: just bench-feed [--only envoy|fleet|load] [--decisions N] [--streams N,N…] [--rounds N] [--tokens N]
                      [--workers N] [--shared N] [--indexed N] [--quick] [--json]

Measures what lies between a decision and its enforcement.
--decisions  on one real Envoy with two workers (200)
--streams    of simulated gateways, one control plane after the other (1000,10000)
--rounds     decisions that all of them get (20)
--workers    VMs that each of them acknowledges for (3: two workers and the main thread's)
--shared     streams that share a connection (1: each gateway has its own, as in reality)
--indexed    tokens that their control plane has (1000)
--tokens     of the index that a real Envoy gets when it has none (1000000)
--quick      a smoke run
--json       machine-readable";

struct Arguments {
    only: Option<String>,
    decisions: usize,
    streams: Vec<usize>,
    sizes: fleet::Sizes,
    tokens: u64,
    baseline: Duration,
    json: bool,
}

fn main() -> ExitCode {
    command("bench-feed", USAGE, Arguments::parse, run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let tools = Tools::find()?;
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    let enforced = wanted("envoy").then(|| Enforced::measure(arguments.decisions)).transpose()?;
    let mut fleets = Vec::new();
    for &streams in arguments.streams.iter().filter(|_| wanted("fleet")) {
        fleets.push(FleetReport::measure(&tools, streams, arguments.sizes)?);
    }
    let first_load = wanted("load").then(|| FirstLoad::measure(&tools, arguments.tokens, arguments.baseline)).transpose()?;
    if arguments.json {
        let json = json!({
            "enforced": enforced.as_ref().map(Enforced::to_json),
            "fleets": fleets.iter().map(FleetReport::to_json).collect::<Vec<_>>(),
            "first_load": first_load.as_ref().map(FirstLoad::to_json),
        });
        println!("{}", serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    if let Some(enforced) = enforced {
        enforced.print();
    }
    for fleet in fleets {
        fleet.print();
    }
    if let Some(first_load) = first_load {
        first_load.print();
    }
    Ok(())
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let sizes = fleet::Sizes { rounds: 20, workers: 3, shared: 1, indexed: 1_000 };
        let mut arguments = Self {
            only: None,
            decisions: 200,
            streams: vec![1_000, 10_000],
            sizes,
            tokens: 1_000_000,
            baseline: Duration::from_secs(20),
            json: false,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => arguments.json = true,
                "--quick" => {
                    arguments.decisions = 5;
                    arguments.streams = vec![20];
                    arguments.sizes = fleet::Sizes { rounds: 3, ..sizes };
                    (arguments.tokens, arguments.baseline) = (2_000, Duration::from_millis(100));
                }
                "--only" => arguments.only = Some(words.next().context("a part is missing")?),
                "--decisions" => arguments.decisions = number(words.next().as_deref())?,
                "--streams" => {
                    let list = words.next().context("a number is missing")?;
                    arguments.streams = list.split(',').map(|word| number(Some(word))).collect::<Result<_>>()?;
                }
                "--rounds" => arguments.sizes.rounds = number(words.next().as_deref())?,
                "--workers" => arguments.sizes.workers = number(words.next().as_deref())?,
                "--shared" => arguments.sizes.shared = number(words.next().as_deref())?,
                "--indexed" => arguments.sizes.indexed = number(words.next().as_deref())?,
                "--tokens" => arguments.tokens = number(words.next().as_deref())?,
                word => bail!("unknown option {word}"),
            }
        }
        Ok(arguments)
    }
}

fn number<T: TryFrom<u32>>(word: Option<&str>) -> Result<T> {
    let word = word.context("a number is missing")?;
    let parsed = word.parse::<u32>().ok().filter(|number| *number > 0).and_then(|number| T::try_from(number).ok());
    parsed.with_context(|| format!("{word} is no number above 0"))
}
