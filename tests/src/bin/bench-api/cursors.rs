//! Places deep within the lists: gone to as a caller would, page by page.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::client::Client;

/// For each order, where pages begin.
pub type Cursors = BTreeMap<&'static str, Vec<String>>;

/// Every order that leaks are listed in.
pub const ORDERS: [&str; 11] = [
    "-number",
    "title",
    "-risk",
    "status",
    "-virtual_patch",
    "source",
    "path",
    "assignee",
    "-token_count",
    "-updated_at",
    "updated_at",
];
/// No title has it: a page that finds nothing says how far it has looked, which is as far as one page can.
pub const ABSENT: &str = "no%20such%20title";
/// Pages that are gone through. Half a million leaks, with five thousand to a page.
const PAGES: usize = 100;
/// Each of so many pages is remembered.
const STEP: usize = 5;

pub fn collect(client: &Client) -> Result<Cursors> {
    let mut all = Cursors::new();
    for order in ORDERS {
        let mut cursors = Vec::new();
        let mut path = format!("/leaks?sort={order}&text={ABSENT}");
        for page in 0..PAGES {
            let answer = client.get_json(&path)?;
            let Some(next) = answer["next"].as_str() else { break };
            path = format!("/leaks?sort={order}&text={ABSENT}&cursor={next}");
            if page % STEP == STEP - 1 {
                cursors.push(next.to_owned());
            }
        }
        eprintln!("{order}: {} places", cursors.len());
        all.insert(order, cursors);
    }
    Ok(all)
}
