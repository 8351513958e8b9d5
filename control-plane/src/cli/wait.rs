//! `--wait`: until a change is in force everywhere.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::Fault;
use super::client::Client;
use super::table::{self, cell, items};

#[derive(Args)]
pub(super) struct Wait {
    /// Wait, half a minute at most, until every connected gateway has it in force, and say how long that took
    #[arg(long)]
    wait: bool,
}

/// Gateways have it within a second, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(50);
/// Names that a message has room for.
const NAMED: usize = 5;

impl Wait {
    /// Shows what was changed, and then how far it has come.
    pub(super) fn after(
        &self,
        client: &Client,
        is_json: bool,
        changed: &mut Value,
        show: impl FnOnce(&Value) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let epoch = changed["epoch"].as_i64();
        // A decision may have changed nothing that gateways know.
        let needed = changed["decision"]["enforcement"] != "nothing_to_enforce";
        let epoch = epoch.filter(|_| self.wait && needed && changed["dry_run"] != true);
        if !is_json {
            show(changed)?;
        }
        let waited = epoch.map(|epoch| until_enforced(client, epoch)).transpose()?;
        if is_json {
            if let Some((state, _)) = &waited {
                changed["waited"] = state.clone();
            }
            table::json(changed)?;
        }
        match waited {
            Some((_, Err(fault))) => Err(fault),
            Some((state, Ok(()))) if !is_json => table::print(&in_words(&state)),
            None if self.wait && !needed && !is_json => table::print("gateways need not know of it"),
            _ => Ok(()),
        }
    }
}

/// What is so in the end, and whether that is what was waited for.
fn until_enforced(client: &Client, epoch: i64) -> Result<(Value, Result<(), Fault>), Fault> {
    let started = Instant::now();
    loop {
        let state = client.get(&format!("/epochs/{epoch}"))?;
        match state["enforcement"].as_str() {
            Some("pending") if started.elapsed() < PATIENCE => thread::park_timeout(STEP),
            Some("pending") => {
                let behind = client.ask("/gateways", &[("behind", json!(true)), ("limit", json!(NAMED))])?;
                let names: Vec<String> = items(&behind, "gateways").iter().map(|gateway| cell(gateway, "name")).collect();
                let count = cell(&state, "pending_gateways");
                let (seconds, names) = (PATIENCE.as_secs(), names.join(", "));
                let text = format!(
                    "it is decided, but not in force everywhere after {seconds} s: {count} connected gateways do not have it, \
                     among them {names}; `stopleak gateway list` says why"
                );
                return Ok((state, Err(Fault::Refused(text))));
            }
            Some("no_gateway") => {
                let text = "it is decided, but no gateway is connected that could enforce it; those that come are sent it";
                return Ok((state, Err(Fault::Refused(text.to_owned()))));
            }
            _ => return Ok((state, Ok(()))),
        }
    }
}

/// How far a decision or an epoch has come, in words.
pub(super) fn in_words(state: &Value) -> String {
    let [gateways, ms, pending] = ["enforced_gateways", "enforced_ms", "pending_gateways"].map(|member| cell(state, member));
    match state["enforcement"].as_str() {
        Some("everywhere") if pending == "0" => format!("in force on {gateways} of {gateways} gateways after {ms} ms"),
        Some("everywhere") => {
            format!("in force on {gateways} of {gateways} gateways after {ms} ms; {pending} have an older index now")
        }
        Some("pending") => format!("not in force everywhere: {pending} connected gateways do not have it"),
        Some("no_gateway") => "no gateway is connected".to_owned(),
        Some("nothing_to_enforce") => "gateways need not know of it".to_owned(),
        _ => "taken before this was measured".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_words() {
        let state = |enforcement: &str, pending: i64| json!({"enforcement": enforcement, "enforced_gateways": 12, "enforced_ms": 43, "pending_gateways": pending});
        for (state, expected) in [
            (state("everywhere", 0), "in force on 12 of 12 gateways after 43 ms"),
            (state("everywhere", 1), "in force on 12 of 12 gateways after 43 ms; 1 have an older index now"),
            (state("pending", 3), "not in force everywhere: 3 connected gateways do not have it"),
            (state("no_gateway", 0), "no gateway is connected"),
            (state("nothing_to_enforce", 0), "gateways need not know of it"),
            (state("unmeasured", 0), "taken before this was measured"),
        ] {
            assert_eq!(in_words(&state), expected);
        }
    }
}
