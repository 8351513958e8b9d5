//! What a notification says: facts, which are kept with the delivery, and how they read in each kind of channel.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stopleak_detector::Risk;

use super::Topic;
use crate::leaks::{Action, LeakNumber, Status, leak_id};
use crate::time::Time;

/// The facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// How many there are; the first of them are listed.
    pub(super) count: u64,
    /// The worst of their leaks.
    pub(super) risk: Risk,
    pub(super) leaks: Vec<Item>,
}

/// What happened to one leak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) number: LeakNumber,
    pub(super) title: String,
    pub(super) risk: Risk,
    pub(super) status: Status,
    pub(super) virtual_patch: bool,
    /// Previews of the first of its tokens.
    pub(super) tokens: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) attempt: Option<Attempt>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) action: Action,
    pub(super) author: String,
    pub(super) reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) client: String,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) gateway: String,
    pub(super) count: u32,
}

/// Facts on their way.
pub(super) struct Message<'a> {
    /// The delivery's key.
    pub(super) delivery: i64,
    /// `None` when somebody tests the channel.
    pub(super) topic: Option<Topic>,
    pub(super) tenant: &'a str,
    pub(super) created_at: Time,
    pub(super) facts: &'a Facts,
    /// Of the server.
    pub(super) public_url: Option<&'a str>,
}

/// What happened to so many leaks is told one by one.
pub(super) const LISTED: usize = 20;
/// Who reads wants the worst, and chats cut what is long.
const LISTED_FOR_PEOPLE: usize = 10;

impl Facts {
    /// Of one or more.
    pub(super) fn new(items: Vec<Item>) -> Self {
        let mut facts = Self { count: 0, risk: Risk::Low, leaks: Vec::new() };
        facts.take(items);
        facts
    }

    /// Takes further ones in.
    pub(super) fn take(&mut self, items: Vec<Item>) {
        for item in items {
            self.count += 1;
            self.risk = self.risk.max(item.risk);
            if self.leaks.len() < LISTED {
                self.leaks.push(item);
            }
        }
    }
}

impl Message<'_> {
    /// The body of a webhook.
    pub(super) fn json(&self) -> Value {
        let leak = |item: &Item| {
            let mut leak = serde_json::to_value(item).unwrap_or_default();
            leak["id"] = json!(leak_id(item.number));
            leak["url"] = json!(self.link(item));
            leak
        };
        json!({
            "delivery": self.delivery,
            "event": self.event(),
            "tenant": self.tenant,
            "created_at": self.created_at,
            "count": self.facts.count,
            "risk": self.facts.risk,
            "leaks": self.facts.leaks.iter().map(leak).collect::<Vec<_>>(),
        })
    }

    /// One line.
    pub(super) fn subject(&self) -> String {
        let Some(topic) = self.topic else { return format!("Stopleak ({}): this is a test", one_line(self.tenant)) };
        let (count, risk) = (self.facts.count, self.facts.risk);
        let one = (count == 1).then(|| self.facts.leaks.first()).flatten();
        let which = one.map_or_else(
            || format!("{count} leaks, the worst of {risk} risk"),
            |item| format!("{}, {risk} risk", leak_id(item.number)),
        );
        format!("Stopleak ({}): {}: {which}", one_line(self.tenant), describe(topic))
    }

    /// For people: a line for each leak, with links.
    pub(super) fn text(&self) -> String {
        let mut text = match self.topic {
            Some(_) => String::new(),
            None => "A test of this channel. Notifications will arrive here.\n".to_owned(),
        };
        for item in self.facts.leaks.iter().take(LISTED_FOR_PEOPLE) {
            text.push_str(&one_line(&describe_item(item)));
            if let Some(link) = self.link(item) {
                // Writing to a string cannot fail.
                let _ = write!(text, " {link}");
            }
            text.push('\n');
        }
        let more = self.facts.count.saturating_sub(LISTED_FOR_PEOPLE as u64);
        if more > 0 {
            let _ = writeln!(text, "and {more} more");
        }
        text
    }

    /// The text of a Slack message: three characters have a meaning there.
    pub(super) fn slack(&self) -> String {
        let text = format!("{}\n{}", self.subject(), self.text());
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    pub(super) fn event(&self) -> &'static str {
        self.topic.map_or("test", Topic::as_str)
    }

    fn link(&self, item: &Item) -> Option<String> {
        self.public_url.map(|url| format!("{}/leaks/{}", url.trim_end_matches('/'), item.number))
    }
}

const fn describe(topic: Topic) -> &'static str {
    match topic {
        Topic::LeakAdded => "new leak",
        Topic::LeakGrown => "further tokens in a leak",
        Topic::LeakDecided => "decision on a leak",
        Topic::LeakReopened => "a closed leak is back",
        Topic::AttemptObserved => "a leaked token was used",
        Topic::AttemptBlocked => "use of a leaked token was blocked",
        Topic::LeakNewClient => "a leaked token was used from a new client",
        Topic::LeakUsedAgain => "a closed leak's token was used",
    }
}

fn describe_item(item: &Item) -> String {
    let mut text = format!("{} ({} risk) {}", leak_id(item.number), item.risk, item.title);
    if !item.tokens.is_empty() {
        let _ = write!(text, ": {}", item.tokens.join(", "));
    }
    if let Some(decision) = &item.decision {
        let _ = write!(text, " - {} by {}", words(decision.action), decision.author);
        if let Some(reason) = &decision.reason {
            let _ = write!(text, ": {reason}");
        }
    }
    if let Some(Attempt { client, method, host, path, gateway, count }) = &item.attempt {
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let _ = write!(text, " - {times} from {client}: {method} {host}{path} at gateway {gateway}");
    }
    text
}

const fn words(action: Action) -> &'static str {
    match action {
        Action::ApplyVirtualPatch => "virtual patch applied",
        Action::RemoveVirtualPatch => "virtual patch removed",
        Action::MarkFalse => "marked as false",
        Action::Close => "closed",
        Action::Reopen => "reopened",
        Action::SetRisk => "risk changed",
    }
}

/// Paths and hosts come from whoever called a gateway: nothing of theirs begins a line, or turns the text around.
fn one_line(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_its_line_and_in_its_order() {
        assert_eq!(one_line("a\r\nb\u{2028}c\u{202e}d\u{2066}e é"), "a··b·c·d·e é");
    }
}
