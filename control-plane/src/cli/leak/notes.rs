//! What people say about a leak, and whose it is.

use clap::Args;
use serde_json::json;

use super::Which;
use crate::cli::Fault;
use crate::cli::table::{self, cell, items};

#[derive(Args)]
pub(super) struct Comment {
    #[command(flatten)]
    which: Which,
    /// What to say; no token, but its preview
    text: Option<String>,
}

#[derive(Args)]
pub(super) struct Assign {
    #[command(flatten)]
    which: Which,
    /// Whose it is
    #[arg(required_unless_present = "nobody", conflicts_with = "nobody")]
    assignee: Option<String>,
    /// It is nobody's
    #[arg(long)]
    nobody: bool,
}

impl Comment {
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.which.remote.client()?;
        let path = format!("/leaks/{}/comments", self.which.leak);
        let answer = match self.text {
            Some(text) => client.post(&path, &json!({"text": text}))?,
            None => client.get(&path)?,
        };
        if self.which.remote.json {
            return table::json(&answer);
        }
        let one = [answer.clone()];
        let comments = if answer["id"].is_null() { items(&answer, "comments") } else { &one };
        for comment in comments.iter().rev() {
            let [at, author] = ["created_at", "author"].map(|member| cell(comment, member));
            table::print(&format!("{at}  {author}"))?;
            // Control characters of a text must not steer the terminal; its lines stay lines.
            for line in comment["text"].as_str().unwrap_or_default().lines() {
                table::print(&format!("    {}", cell(&json!({"line": line}), "line")))?;
            }
        }
        Ok(())
    }
}

impl Assign {
    pub(super) fn run(self) -> Result<(), Fault> {
        let client = self.which.remote.client()?;
        let assignee = self.assignee.unwrap_or_default();
        let leak = client.patch(&format!("/leaks/{}", self.which.leak), &json!({"assignee": assignee}))?;
        if self.which.remote.json {
            return table::json(&leak);
        }
        let [id, assignee] = ["id", "assignee"].map(|member| cell(&leak, member));
        table::print(&if leak["assignee"].is_null() { format!("{id} is nobody's") } else { format!("{id} is {assignee}'s") })
    }
}
