//! What was measured, as a table for people and as JSON for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use stopleak_tests::traffic::Sample;

use crate::load::Latencies;
use crate::variants::Variant;

/// One run of one variant with one kind of request, in microseconds.
pub struct Run {
    /// Of Envoy, for a request.
    pub cpu: f64,
    /// Of the authorization service, for a request.
    pub service_cpu: f64,
    pub p50: f64,
    pub p99: f64,
}

/// All runs of one variant with one kind of request.
pub struct Series {
    pub variant: Variant,
    runs: Vec<Run>,
}

/// All series of one kind of request.
pub struct Report {
    pub sample: Sample,
    pub series: Vec<Series>,
}

impl Run {
    pub fn new(cpu: u64, service_cpu: u64, latencies: &Latencies) -> Self {
        let requests = u32::try_from(latencies.count()).unwrap_or(u32::MAX).max(1);
        let of_request = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6 / f64::from(requests);
        Self {
            cpu: of_request(cpu),
            service_cpu: of_request(service_cpu),
            p50: latencies.percentile(50),
            p99: latencies.percentile(99),
        }
    }
}

impl Series {
    pub fn new(variant: Variant) -> Self {
        Self { variant, runs: Vec::new() }
    }

    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// The least of all rounds: whatever else the machine does only adds.
    fn least(&self, of: fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(of).fold(f64::INFINITY, f64::min)
    }

    fn cpu(&self) -> f64 {
        self.least(|run| run.cpu)
    }

    /// The median over the rounds of what this one took in a round, to what the other took in the same round: both had the same of
    /// whatever the machine did beside, and neither has a lucky round to itself.
    fn paired(&self, other: &Self) -> f64 {
        let mut ratios: Vec<f64> = self.runs.iter().zip(&other.runs).map(|(run, other)| run.cpu / other.cpu).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// How far the third-best round is from the best, in percent: small when the minimum can be trusted.
    fn spread(&self) -> f64 {
        let mut all: Vec<f64> = self.runs.iter().map(|run| run.cpu).collect();
        all.sort_unstable_by(f64::total_cmp);
        match (all.first(), all.get(2).or(all.last())) {
            (Some(best), Some(third)) => (third / best - 1.0) * 100.0,
            _ => 0.0,
        }
    }
}

impl Report {
    pub fn new(sample: Sample, variants: &[Variant]) -> Self {
        Self { sample, series: variants.iter().map(|variant| Series::new(*variant)).collect() }
    }

    /// What the ratios are of.
    fn base(&self) -> Option<&Series> {
        self.series.iter().find(|series| series.variant == Variant::NoopWasm)
    }

    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.sample.name, self.sample.what);
        text.push_str(
            "| | CPU of Envoy, µs | to no-op Wasm | paired | p50, µs | p99, µs | spread, % |\n|---|---|---|---|---|---|---|\n",
        );
        let base = self.base().map_or(f64::NAN, Series::cpu);
        for series in &self.series {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} |",
                series.variant.name(),
                series.cpu(),
                series.cpu() / base,
                self.base().map_or(f64::NAN, |base| series.paired(base)),
                series.least(|run| run.p50),
                series.least(|run| run.p99),
                series.spread(),
            );
        }
        if let Some(series) = self.series.iter().find(|series| series.variant == Variant::ExtAuthz) {
            let service = series.least(|run| run.service_cpu);
            let _ = writeln!(text, "\nThe authorization service takes {service:.1} µs more for each request.");
        }
        text
    }

    pub fn json(&self) -> Value {
        let base = self.base().map_or(f64::NAN, Series::cpu);
        let series = |series: &Series| {
            json!({
                "variant": series.variant.name(),
                "cpu_us": series.cpu(),
                "to_noop_wasm": series.cpu() / base,
                "paired": self.base().map_or(f64::NAN, |base| series.paired(base)),
                "p50_us": series.least(|run| run.p50),
                "p99_us": series.least(|run| run.p99),
                "spread_percent": series.spread(),
                "service_cpu_us": series.least(|run| run.service_cpu),
            })
        };
        json!({"request": self.sample.name, "variants": self.series.iter().map(series).collect::<Vec<_>>()})
    }
}
