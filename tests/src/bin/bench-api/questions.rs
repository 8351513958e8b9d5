//! What is read: lists with their worst filters, and everything else that pages show.

use std::time::Duration;

use crate::cursors::{ABSENT, Cursors, ORDERS};
use crate::seed::Seeded;
use crate::spread::{PEOPLE, rules};

/// One kind of request.
pub struct Question {
    pub group: &'static str,
    pub name: String,
    /// For the slowest of twenty.
    pub goal: Option<Duration>,
    /// Asked one after the other.
    pub paths: Vec<String>,
}

const LIST: Option<Duration> = Some(Duration::from_millis(50));
const CHARTS: Option<Duration> = Some(Duration::from_millis(100));
/// Different leaks, people or sources that one kind of request is about.
const DIFFERENT: i64 = 500;

pub fn all(seeded: &Seeded, cursors: &Cursors) -> Vec<Question> {
    let filters = filters(seeded);
    let mut all: Vec<Question> = filters.iter().map(|(name, queries)| leaks(name, queries)).collect();
    let newest = cursors.get("-number").map(Vec::as_slice).unwrap_or_default();
    all.extend(filters.iter().filter_map(|(name, queries)| deep(name, "-number", queries, newest)));
    let orders = ORDERS.iter().filter(|order| **order != "-number");
    for order in orders {
        all.push(leaks(&format!("by {order}"), &[format!("sort={order}")]));
        let places = cursors.get(order).map(Vec::as_slice).unwrap_or_default();
        all.extend(deep(&format!("by {order}"), order, &[String::new()], places));
        for (name, query) in [("closed", "status=closed".to_owned()), ("text that no title has", format!("text={ABSENT}"))] {
            all.push(leaks(&format!("by {order}, {name}"), &[format!("sort={order}&{query}")]));
        }
    }
    all.push(leaks("a thousand at once", &["limit=1000".to_owned()]));
    all.extend(others(seeded));
    all
}

fn filters(seeded: &Seeded) -> Vec<(String, Vec<String>)> {
    let (common, rare) = rules();
    let people = (0..PEOPLE).map(|n| format!("person-{n}"));
    let sources = (1..=seeded.sizes.sources()).step_by(3);
    let one = |name: &str, query: String| (name.to_owned(), vec![query]);
    vec![
        one("all", String::new()),
        one("open", "status=open".to_owned()),
        one("closed, critical", "status=closed&risk=critical".to_owned()),
        one("false, high, nobody's", "status=false_positive&risk=high&assignee=".to_owned()),
        one("patched", "patched=true".to_owned()),
        one("patched, critical", "patched=true&risk=critical".to_owned()),
        one("open, not patched, low", "status=open&patched=false&risk=low".to_owned()),
        ("of a person".to_owned(), people.clone().map(|person| format!("assignee={person}")).collect()),
        (
            "of a person, open, critical".to_owned(),
            people.map(|person| format!("assignee={person}&status=open&risk=critical")).collect(),
        ),
        one("of nobody that there is", "assignee=nobody-at-all".to_owned()),
        ("of a source".to_owned(), sources.clone().map(|source| format!("source={source}")).collect()),
        (
            "of a source, closed, high".to_owned(),
            sources.map(|source| format!("source={source}&status=closed&risk=high")).collect(),
        ),
        one("alive", "life=alive".to_owned()),
        one("dead", "life=dead".to_owned()),
        one("unseen, closed, critical", "life=unseen&status=closed&risk=critical".to_owned()),
        one("dead, patched", "life=dead&patched=true".to_owned()),
        one("used from a new client", "new_client=true".to_owned()),
        one("alive, used from a new client", "life=alive&new_client=true".to_owned()),
        one("added by hand", "source_kind=manual".to_owned()),
        one("of Git", "source_kind=git".to_owned()),
        one("of a kind that there is not", "source_kind=none".to_owned()),
        one("text that many titles have", "text=Team-12".to_owned()),
        one("text that few titles have", "text=repository-77%20".to_owned()),
        one("text that no title has", format!("text={ABSENT}")),
        one("text that no title has, closed", format!("text={ABSENT}&status=closed")),
        one("with a token of a common rule", format!("rule={common}")),
        one("with a token of a rare rule", format!("rule={rare}")),
        one("with a token of no rule", "rule=none".to_owned()),
        one("of no rule, open, not patched", "rule=none&status=open&patched=false".to_owned()),
    ]
}

fn others(seeded: &Seeded) -> Vec<Question> {
    let sizes = seeded.sizes;
    let some = |most: i64| (0..DIFFERENT).map(move |n| 1 + n * 7919 % most);
    let (largest, busiest) = (sizes.largest(), seeded.busiest);
    let list = |name: &str, queries: Vec<String>| {
        question("attempts", name, LIST, queries.iter().map(|q| format!("/attempts?{q}")).collect())
    };
    let leak = |name: &str, paths: Vec<String>| question("one leak", name, None, paths);
    vec![
        list("all", vec![String::new()]),
        list("all, further on", some(sizes.attempts).map(|id| format!("cursor={id}")).collect()),
        list("blocked", vec!["outcome=blocked".to_owned()]),
        list("blocked, further on", some(sizes.attempts).map(|id| format!("outcome=blocked&cursor={id}")).collect()),
        list("of a leak", some(sizes.leaks).map(|leak| format!("leak={leak}")).collect()),
        list("of a leak, blocked", some(sizes.leaks).map(|leak| format!("leak={leak}&outcome=blocked")).collect()),
        list("of the busiest leak", vec![format!("leak={busiest}")]),
        list(
            "of the busiest leak, of both outcomes",
            vec![format!("leak={busiest}&outcome=blocked"), format!("leak={busiest}&outcome=observed")],
        ),
        list("of a leak that there is not", vec![format!("leak={}", sizes.leaks + 1)]),
        leak("any", some(sizes.leaks).map(|leak| format!("/leaks/{leak}")).collect()),
        leak("the largest", vec![format!("/leaks/{largest}")]),
        leak("the busiest", vec![format!("/leaks/{busiest}")]),
        leak("impact of any", some(sizes.leaks).map(|leak| format!("/leaks/{leak}/impact")).collect()),
        leak("impact of the busiest", vec![format!("/leaks/{busiest}/impact")]),
        leak(
            "impact of the busiest, in a scope",
            vec![format!("/leaks/{busiest}/impact?path_prefixes=/v1/orders&exempt_networks=10.7.0.0/16,2001:db8::/32")],
        ),
        question("charts' numbers", "30 days", CHARTS, vec!["/leaks/summary".to_owned()]),
        question("charts' numbers", "a year", CHARTS, vec!["/leaks/summary?days=366".to_owned()]),
    ]
}

fn leaks(name: &str, queries: &[String]) -> Question {
    question("leaks", name, LIST, queries.iter().map(|query| format!("/leaks?{query}")).collect())
}

/// The same from pages on that are further within.
fn deep(name: &str, order: &str, queries: &[String], places: &[String]) -> Option<Question> {
    let paths: Vec<_> = places
        .iter()
        .zip(queries.iter().cycle())
        .map(|(place, query)| format!("/leaks?sort={order}&cursor={place}&{query}").trim_end_matches('&').to_owned())
        .collect();
    (!paths.is_empty()).then(|| question("leaks", &format!("{name}, further on"), LIST, paths))
}

fn question(group: &'static str, name: &str, goal: Option<Duration>, paths: Vec<String>) -> Question {
    Question { group, name: name.to_owned(), goal, paths }
}
