//! How the demo looks on a terminal, and in a log.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use serde_json::Value;
use stopleak_tests::Reply;

/// Numbers the steps, and colours them on a terminal.
pub struct Show {
    colours: bool,
    steps: Cell<u32>,
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";

impl Show {
    pub fn new() -> Self {
        Self { colours: stdout().is_terminal(), steps: Cell::new(0) }
    }

    pub fn step(&self, text: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n{}", self.paint(BOLD, &format!("{}. {text}", self.steps.get())));
    }

    pub fn fact(&self, name: &str, value: impl Display) {
        println!("   {} {value}", self.paint(DIM, &format!("{name:<30}")));
    }

    pub fn command(&self, command: &str) {
        println!("   {}", self.paint(DIM, &format!("$ {command}")));
    }

    pub fn reply(&self, reply: &Reply) {
        let line = reply.head.lines().next().unwrap_or_default();
        println!("   {}", self.paint(if reply.status == 200 { GREEN } else { RED }, line));
        println!("   {}", reply.body.trim_end());
    }

    pub fn leaks(&self, leaks: &[Value]) {
        println!("   {}", self.paint(DIM, &format!("{:<8}{:<10}{:<10}{}", "LEAK", "RISK", "STATUS", "TITLE")));
        for leak in leaks {
            let [id, risk, status, title] = ["id", "risk", "status", "title"].map(|key| text(leak, key));
            println!("   {id:<8}{risk:<10}{status:<10}{title}");
        }
        if leaks.is_empty() {
            println!("   none");
        }
    }

    pub fn attempts(&self, attempts: &[Value]) {
        let head = format!("{:<10}{:<8}{:<16}{:<16}{:<20}{}", "OUTCOME", "LEAK", "CLIENT", "PLACE", "REQUEST", "UPSTREAM");
        println!("   {}", self.paint(DIM, &head));
        for attempt in attempts {
            let request = format!("{} {}", text(attempt, "method"), text(attempt, "path"));
            let [outcome, leak, client, place] = ["outcome", "leak", "client", "place"].map(|key| text(attempt, key));
            let status = attempt["status"].as_u64().filter(|status| *status > 0).map_or("-".to_owned(), |s| s.to_string());
            println!("   {outcome:<10}{leak:<8}{client:<16}{place:<16}{request:<20}{status}");
        }
    }

    pub fn result(&self, text: &str) {
        println!("\n{}", self.paint(GREEN, text));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

pub fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or("?")
}
