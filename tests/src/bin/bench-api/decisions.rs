//! Decisions on leaks, one after the other: each makes an epoch, and while the next one is taken an index is built and proved.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stopleak_tests::eventually;

use crate::client::Client;
use crate::questions::Question;
use crate::report::Series;

pub struct Decisions {
    /// By what is decided.
    series: Vec<(&'static str, Series)>,
    /// A list, right behind each decision.
    beside: Series,
    leaks: i64,
    asked: i64,
    /// The newest, and when it was.
    last: Option<(u64, Instant)>,
}

/// What is decided; the last two are no decisions, and measured beside them.
const ACTIONS: [&str; 7] =
    ["apply_virtual_patch", "remove_virtual_patch", "close", "reopen", "mark_false", "set_risk", "assignee"];
const GOAL: Option<Duration> = Some(Duration::from_millis(20));
const LIST: Option<Duration> = Some(Duration::from_millis(50));
/// An index of ten million tokens takes some seconds.
const PATIENCE: Duration = Duration::from_mins(5);
/// Goes through the leaks without visiting one twice.
const STRIDE: i64 = 104_729;

impl Decisions {
    pub fn new(leaks: i64) -> Self {
        let question = |group, name: &str, goal| Question { group, name: name.to_owned(), goal, paths: Vec::new() };
        let series = ACTIONS.map(|action| (action, Series::asking(question("decisions", action, GOAL))));
        let beside = Series::asking(question("leaks", "open, while an index is built", LIST));
        Self { series: series.into(), beside, leaks, asked: 0, last: None }
    }

    /// So many of each.
    pub fn round(&mut self, client: &Client, requests: usize, counts: bool) -> Result<()> {
        let mut beside = Vec::new();
        for (action, series) in &mut self.series {
            let mut latencies = Vec::with_capacity(requests);
            while latencies.len() < requests {
                self.asked += 1;
                let leak = 1 + self.asked * STRIDE % self.leaks;
                let Some((took, epoch)) = change(client, leak, action)? else { continue };
                latencies.push(took);
                if let Some(epoch) = epoch {
                    self.last = Some((epoch, Instant::now()));
                }
                beside.push(client.get("/leaks?status=open")?.0);
            }
            if counts {
                series.add(latencies);
            }
        }
        if counts {
            self.beside.add(beside);
        }
        Ok(())
    }

    /// How long after the last decision the index that carries it was published.
    pub fn published(&self, client: &Client) -> Result<Duration> {
        let (epoch, at) = self.last.context("nothing was decided")?;
        let request = json!({"url": "https://api.example/"});
        eventually("the last decision is published", PATIENCE, || {
            let (_, status, answer) = client.send("POST", "/verdicts", &request)?;
            Ok((status == 200 && answer["epoch"].as_u64() >= Some(epoch)).then_some(()))
        })?;
        Ok(at.elapsed())
    }

    pub fn into_series(self) -> impl Iterator<Item = Series> {
        self.series.into_iter().map(|(_, series)| series).chain([self.beside])
    }
}

/// Does it, when the leak stands where that starts. How long it took, and the epoch that carries it.
fn change(client: &Client, leak: i64, action: &str) -> Result<Option<(Duration, Option<u64>)>> {
    let path = format!("/leaks/{leak}");
    let before = client.get_json(&path)?;
    let (status, patched) = (before["status"].as_str().unwrap_or_default(), !before["virtual_patch"].is_null());
    let starts = match action {
        "apply_virtual_patch" => status == "open" && !patched,
        "remove_virtual_patch" => patched,
        "close" => status == "open",
        "reopen" => status != "open",
        "mark_false" => status != "false_positive",
        _ => true,
    };
    if !starts {
        return Ok(None);
    }
    let (took, code, answer) = match action {
        "assignee" => client.send("PATCH", &path, &json!({"assignee": "person-7"}))?,
        "set_risk" => {
            let risk = if before["risk"] == "low" { "medium" } else { "low" };
            client.send("POST", &format!("{path}/decisions"), &json!({"action": action, "risk": risk}))?
        }
        _ => {
            let body = json!({"action": action, "reason": "seen with the team", "confirm": true});
            client.send("POST", &format!("{path}/decisions"), &body)?
        }
    };
    ensure!((200..300).contains(&code), "{action} on leak {leak}: {code} {answer}");
    Ok(Some((took, answer["epoch"].as_u64())))
}
