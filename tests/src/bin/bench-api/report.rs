//! What was measured, as tables for people and as JSON for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::database::{Kind, SETTINGS};
use crate::milliseconds;
use crate::questions::Question;
use crate::seed::Seeded;

/// All answers to one kind of request.
pub struct Series {
    question: Question,
    asked: usize,
    /// Sorted, for each round.
    rounds: Vec<Vec<Duration>>,
}

pub struct Report {
    kind: Kind,
    pub seeded: Seeded,
    start: Duration,
    resident_at_start: u64,
    pub resident_bytes: u64,
    pub peak_bytes: u64,
    /// How long after the last decision its index was published.
    pub publishing: Option<Duration>,
    pub series: Vec<Series>,
}

impl Series {
    pub fn asking(question: Question) -> Self {
        Self { question, asked: 0, rounds: Vec::new() }
    }

    pub fn next_path(&mut self) -> &str {
        self.asked += 1;
        &self.question.paths[self.asked % self.question.paths.len()]
    }

    pub fn add(&mut self, mut latencies: Vec<Duration>) {
        latencies.sort_unstable();
        self.rounds.push(latencies);
    }

    /// So many of a hundred took no longer: the median over the rounds.
    fn percentile(&self, hundredths: usize) -> Duration {
        let mut all: Vec<_> = self.rounds.iter().filter_map(|round| at(round, hundredths)).collect();
        all.sort_unstable();
        at(&all, 50).unwrap_or_default()
    }

    fn worst(&self) -> Duration {
        self.rounds.iter().filter_map(|round| round.last()).max().copied().unwrap_or_default()
    }

    fn misses(&self) -> bool {
        self.question.goal.is_some_and(|goal| self.percentile(95) > goal)
    }
}

fn at(sorted: &[Duration], hundredths: usize) -> Option<Duration> {
    let place = (sorted.len() * hundredths).div_ceil(100).max(1) - 1;
    sorted.get(place).copied()
}

impl Report {
    pub fn new(kind: Kind, seeded: Seeded, start: Duration, resident_at_start: u64) -> Self {
        let (resident_bytes, peak_bytes) = (resident_at_start, resident_at_start);
        Self { kind, seeded, start, resident_at_start, resident_bytes, peak_bytes, publishing: None, series: Vec::new() }
    }

    pub fn text(&self) -> String {
        let mut text = self.heading();
        let mut group = "";
        for series in &self.series {
            let Question { group: of, name, goal, .. } = &series.question;
            if *of != group {
                group = *of;
                let _ = writeln!(
                    text,
                    "\n| {group} | p50, ms | p95, ms | p99, ms | worst, ms | goal for p95, ms |\n|---|---|---|---|---|---|"
                );
            }
            let of_hundred = |hundredths| milliseconds(series.percentile(hundredths));
            let goal = goal.map_or(String::new(), |goal| goal.as_millis().to_string());
            let mark = if series.misses() { " **missed**" } else { "" };
            let (p50, p95, p99, worst) = (of_hundred(50), of_hundred(95), of_hundred(99), milliseconds(series.worst()));
            let _ = writeln!(text, "| {name} | {p50:.1} | {p95:.1} | {p99:.1} | {worst:.1} | {goal}{mark} |");
        }
        let missed = self.series.iter().filter(|series| series.misses()).count();
        let _ = writeln!(text, "\n{missed} of {} miss their goal.", self.series.len());
        text
    }

    fn heading(&self) -> String {
        let Seeded { sizes, indexed, bytes, took, .. } = self.seeded;
        let settings = if self.kind == Kind::Postgres { format!(" ({})", SETTINGS.join(", ")) } else { String::new() };
        let filled = took.map_or(String::new(), |took| format!(", filled in {:.0} s", took.as_secs_f64()));
        let mut text = format!(
            "{}{settings}: {} leaks, {} tokens, {indexed} of them in the index, {} attempts; {} MB{filled}\n",
            self.kind.name(),
            sizes.leaks,
            sizes.tokens,
            sizes.attempts,
            bytes / 1_000_000,
        );
        let published = self.publishing.unwrap_or_default().as_secs_f64();
        let _ = writeln!(
            text,
            "control plane: starts in {:.1} s, {} MB then, {} MB at the end, {} MB at most; an index is published {published:.2} s after the last decision",
            self.start.as_secs_f64(),
            self.resident_at_start / 1_000_000,
            self.resident_bytes / 1_000_000,
            self.peak_bytes / 1_000_000,
        );
        text
    }

    pub fn json(&self) -> Value {
        let series = |series: &Series| {
            json!({
                "group": series.question.group,
                "name": series.question.name,
                "p50_ms": milliseconds(series.percentile(50)),
                "p95_ms": milliseconds(series.percentile(95)),
                "p99_ms": milliseconds(series.percentile(99)),
                "worst_ms": milliseconds(series.worst()),
                "goal_ms": series.question.goal.map(milliseconds),
                "missed": series.misses(),
            })
        };
        let Seeded { sizes, indexed, bytes, .. } = self.seeded;
        json!({
            "database": self.kind.name(),
            "leaks": sizes.leaks,
            "tokens": sizes.tokens,
            "indexed_tokens": indexed,
            "attempts": sizes.attempts,
            "database_bytes": bytes,
            "start_seconds": self.start.as_secs_f64(),
            "resident_bytes_at_start": self.resident_at_start,
            "resident_bytes": self.resident_bytes,
            "peak_resident_bytes": self.peak_bytes,
            "published_after_seconds": self.publishing.map(|publishing| publishing.as_secs_f64()),
            "series": self.series.iter().map(series).collect::<Vec<_>>(),
        })
    }
}
