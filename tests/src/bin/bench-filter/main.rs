//! What the filter costs on a real Envoy, beside the alternatives: `just bench-filter [--quick] [--json] [--rounds N] [--requests N] [--warm-up N]
//! [--only WORD]`.
//!
//! Every variant is an Envoy with one worker. All are up during the run and one at a time gets requests, in rounds that go through all
//! of them: what the machine does beside hits all alike, and the least of the rounds is what counts.

mod cpu;
mod load;
mod gateway;
mod variants;
mod ext_authz;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use stopleak_tests::traffic::samples;
use stopleak_tests::{Indexed, Tools, command, eventually};

use self::ext_authz::ExtAuthz;
use self::gateway::{Chain, Gateway, cluster};
use self::load::{Connections, Load, bytes};
use self::report::{Report, Run};
use self::variants::Variant;

const USAGE: &str = "usage: just bench-filter [--quick] [--json] [--rounds N] [--requests N] [--warm-up N] [--only WORD]

Measures what a request costs Envoy without a filter, with a no-op Wasm filter, with Stopleak's and with other filters.
--quick     a smoke run: few requests and 10,000 tokens instead of 1,000,000
--json      machine-readable
--rounds    how often each variant is measured
--requests  sent to a variant in a round, of each kind
--warm-up   sent before the first round
--only      only the variants with this word in their name, and the no-op filter";

struct Arguments {
    rounds: usize,
    requests: usize,
    warm_up: usize,
    only: Option<String>,
    most_tokens: u64,
    json: bool,
}

/// A variant that is up.
struct Measured {
    gateway: Gateway,
    connections: Connections,
    /// Whose gateway it is.
    _indexed: Option<Indexed>,
}

fn main() -> ExitCode {
    command("bench-filter", USAGE, Arguments::parse, run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let tools = Tools::find()?;
    let dir = tempfile::Builder::new().prefix("stopleak-bench-").tempdir()?;
    let load = Load::start()?;
    let authorization = ExtAuthz::start()?;
    let variants: Vec<Variant> = [
        Variant::NoFilter,
        Variant::NoopWasm,
        Variant::Stopleak(0),
        Variant::Stopleak(1_000),
        Variant::Stopleak(arguments.most_tokens),
        Variant::Lua,
        Variant::ExtAuthz,
        Variant::Rbac,
    ]
    .into_iter()
    .filter(|variant| {
        *variant == Variant::NoopWasm || arguments.only.as_ref().is_none_or(|word| variant.name().contains(word.as_str()))
    })
    .collect();
    let mut measured = Vec::new();
    for &variant in &variants {
        eprintln!("starting: {}", variant.name());
        measured.push(start(variant, &tools, dir.path(), &load, &authorization)?);
    }

    let mut reports: Vec<Report> = samples().into_iter().map(|sample| Report::new(sample, &variants)).collect();
    for round in 0..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        // Modules are compiled anew, and better, once they have run often enough.
        let is_warm_up = round == 0;
        let requests = if is_warm_up { arguments.warm_up } else { arguments.requests };
        for report in &mut reports {
            let request = bytes(&report.sample, None);
            for (of_variant, series) in measured.iter_mut().zip(&mut report.series) {
                let process = of_variant.gateway.process();
                let before = (cpu::of_process(process)?, authorization.cpu()?);
                let latencies = load.run(&mut of_variant.connections, &request, requests).with_context(|| {
                    format!("{}, {}\n{}", series.variant.name(), report.sample.name, of_variant.gateway.log())
                })?;
                let after = (cpu::of_process(process)?, authorization.cpu()?);
                if !is_warm_up {
                    series.add(Run::new(after.0 - before.0, after.1 - before.1, &latencies));
                }
            }
        }
    }

    if arguments.json {
        let reports: Vec<_> = reports.iter().map(Report::json).collect();
        let json = json!({"rounds": arguments.rounds, "requests": arguments.requests, "reports": reports});
        println!("{}", serde_json::to_string_pretty(&json)?);
    } else {
        let texts: Vec<_> = reports.iter().map(Report::text).collect();
        println!("{}", texts.join("\n"));
    }
    Ok(())
}

fn start(variant: Variant, tools: &Tools, dir: &Path, load: &Load, authorization: &ExtAuthz) -> Result<Measured> {
    let mut chain = Chain { filters: Vec::new(), clusters: Vec::new(), environment: Vec::new() };
    let mut indexed = None;
    match variant {
        Variant::NoFilter => {}
        Variant::NoopWasm => chain.filters.push(variants::wasm(&tools.noop_filter()?)),
        Variant::Stopleak(tokens) => {
            let made = Indexed::start(tools, &dir.join(format!("control-plane-{tokens}")), tokens)?;
            chain.filters.push(variants::wasm(&tools.filter));
            chain.clusters.push(cluster("stopleak_feed", made.control_plane.feed(), true));
            chain.environment.push(("STOPLEAK_CREDENTIAL", made.credential.clone()));
            chain.environment.push(("STOPLEAK_PUBLIC_KEY", made.public_key.clone()));
            indexed = Some(made);
        }
        Variant::Lua => chain.filters.push(variants::lua()),
        Variant::ExtAuthz => {
            let (filter, cluster) = variants::ext_authz(authorization.address);
            chain.filters.push(filter);
            chain.clusters.push(cluster);
        }
        Variant::Rbac => chain.filters.push(variants::rbac()),
    }
    let gateway = Gateway::start(tools, &dir.join(variant.slug()), load.upstream(), chain)?;
    let mut connections = load.connect(gateway.address)?;
    let [sample, ..] = samples();
    // Before its index is there, the filter answers 503.
    eventually("requests pass", Duration::from_mins(2), || {
        Ok((load.status(&mut connections, &bytes(&sample, None))? == 200).then_some(()))
    })
    .with_context(|| format!("{}\n{}", variant.name(), gateway.log()))?;
    if let Some(probe) = indexed.as_ref().and_then(|indexed| indexed.probe.as_deref()) {
        let status = load.status(&mut connections, &bytes(&sample, Some(probe)))?;
        ensure!(status == 403, "a patched token is answered {status}");
    }
    Ok(Measured { gateway, connections, _indexed: indexed })
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments =
            Self { rounds: 15, requests: 8_000, warm_up: 40_000, only: None, most_tokens: 1_000_000, json: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => arguments.json = true,
                "--quick" => arguments = Self { rounds: 1, requests: 400, warm_up: 400, most_tokens: 10_000, ..arguments },
                "--rounds" => arguments.rounds = number(words.next())?,
                "--warm-up" => arguments.warm_up = number(words.next())?,
                "--only" => arguments.only = Some(words.next().context("a word is missing")?),
                "--requests" => arguments.requests = number(words.next())?,
                word => bail!("unknown option {word}"),
            }
        }
        Ok(arguments)
    }
}

fn number(word: Option<String>) -> Result<usize> {
    let word = word.context("a number is missing")?;
    word.parse().ok().filter(|number| *number > 0).with_context(|| format!("{word} is no number above 0"))
}
