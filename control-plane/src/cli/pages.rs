//! Which page of a list that grows at one end.

use clap::Args;
use serde_json::{Value, json};

#[derive(Args)]
pub(super) struct Pages {
    /// Begin with the oldest
    #[arg(long)]
    oldest_first: bool,
    /// What `next` of the page before was, as --json shows it
    #[arg(long, value_name = "NEXT")]
    cursor: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Pages {
    /// With the query of the list, whose entries have their place as this member.
    pub(super) fn with<'a>(&self, by: &str, query: &[(&'a str, Value)]) -> Vec<(&'a str, Value)> {
        let sort = self.oldest_first.then_some(by);
        [query, &[("sort", json!(sort)), ("cursor", json!(self.cursor)), ("limit", json!(self.limit))]].concat()
    }
}
