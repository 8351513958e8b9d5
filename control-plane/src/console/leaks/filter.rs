//! What the URL of the list may ask for, and the links that ask for something else.

use std::collections::BTreeMap;

use crate::console::forms::Pairs;
use crate::console::words;
use crate::sources::Source;

/// A condition that is met, and the list without it.
pub(super) struct Chip {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) href: String,
}

/// A condition with its values.
pub(super) struct Choice {
    pub(super) field: &'static str,
    pub(super) name: &'static str,
    /// The value, what it is called, and whether it is chosen.
    pub(super) options: Vec<(String, String, bool)>,
}

/// A column, and the list sorted by it.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// `ascending`, `descending` or `none`; empty when one cannot sort by it.
    pub(super) order: &'static str,
    pub(super) href: String,
    pub(super) class: &'static str,
}

/// What stays when one more condition is asked for. A cursor does not: it is a place in another list.
pub(super) const KEPT: &[&str] =
    &["text", "status", "risk", "patched", "source", "kind", "assignee", "rule", "life", "new_client", "sort"];
/// What says which part of which list is shown.
pub(super) const PLACE: &[&str] =
    &["text", "status", "risk", "patched", "source", "kind", "assignee", "rule", "life", "new_client", "sort", "cursor"];
/// Sources that may be chosen from; there may be thousands, and charts and links lead to the others.
const SOURCES: usize = 200;
/// What nobody is called.
const NOBODY: &str = "-";

/// The columns, what the API sorts by, and whether its largest comes first when one asks for it.
const COLUMNS: [(&str, &str, bool, &str); 9] = [
    ("Risk", "risk", true, ""),
    ("Leak", "number", true, ""),
    ("Title", "title", false, "wide"),
    ("Source", "source", false, ""),
    ("Tokens", "token_count", true, ""),
    ("Status", "status", true, ""),
    ("Assignee", "assignee", false, ""),
    ("Attempts", "", true, "number"),
    ("Age", "created_at", true, "number"),
];

/// The path with a query.
pub(super) fn link(base: &str, asked: &Pairs) -> String {
    if asked.is_empty() { base.to_owned() } else { format!("{base}?{asked}") }
}

/// The same question as the API would be asked.
pub(super) fn for_api(asked: &Pairs) -> Pairs {
    let mut pairs = asked.only(PLACE);
    if let Some(kind) = asked.get("kind") {
        pairs = pairs.without("kind").with("source_kind", kind);
    }
    // Nothing can be left empty and be meant in a form.
    if asked.get("assignee") == Some(NOBODY) {
        pairs = pairs.with("assignee", "");
    }
    pairs
}

pub(super) fn chips(kept: &Pairs, sources: &BTreeMap<i64, Source>, base: &str) -> Vec<Chip> {
    let mut chips = Vec::new();
    for (field, name) in [
        ("text", "Text"),
        ("status", "Status"),
        ("risk", "Risk"),
        ("patched", "Patch"),
        ("life", "Life"),
        ("new_client", "Use"),
        ("source", "Source"),
        ("kind", "Kind"),
        ("assignee", "Assignee"),
        ("rule", "Rule"),
    ] {
        let Some(value) = kept.get(field) else { continue };
        let shown = match field {
            "source" => {
                let source = value.parse().ok().and_then(|id: i64| sources.get(&id));
                source.map_or(words::GONE_SOURCE, |source| source.title.as_str()).to_owned()
            }
            "text" | "assignee" if value != NOBODY => value.to_owned(),
            "rule" => value.to_owned(),
            _ => options(field).iter().find(|(known, _)| known == value).map_or(value.to_owned(), |(_, name)| name.clone()),
        };
        chips.push(Chip { name, value: shown, href: link(base, &kept.without(field)) });
    }
    chips
}

pub(super) fn choices(kept: &Pairs, sources: &BTreeMap<i64, Source>, user: &str) -> Vec<Choice> {
    let mut choices = Vec::new();
    for (field, name) in [
        ("status", "Status"),
        ("risk", "Risk"),
        ("patched", "Patch"),
        ("life", "Life"),
        ("new_client", "Use"),
        ("source", "Source"),
        ("kind", "Kind of source"),
        ("assignee", "Assignee"),
    ] {
        let options = match field {
            "source" => sources.values().take(SOURCES).map(|source| (source.id.to_string(), source.title.clone())).collect(),
            // Whoever has it now can be chosen also where it is neither of the usual.
            "assignee" => {
                let others = kept.get(field).filter(|name| *name != NOBODY && *name != user);
                let people = std::iter::once(user).chain(others).map(|name| (name.to_owned(), name.to_owned()));
                options(field).into_iter().chain(people).collect()
            }
            _ => options(field),
        };
        let is_chosen = |value: &str| kept.has(field, value);
        let options = options.into_iter().map(|(value, name)| (value.clone(), name, is_chosen(&value))).collect();
        choices.push(Choice { field, name, options });
    }
    choices
}

pub(super) fn columns(kept: &Pairs, base: &str) -> Vec<Column> {
    let sort = kept.get("sort").unwrap_or("-number");
    let (descending, by) = sort.strip_prefix('-').map_or((false, sort), |by| (true, by));
    let column = |&(name, field, largest_first, class): &(&'static str, &str, bool, &'static str)| {
        let is_now = by == field;
        let order = match (field.is_empty(), is_now, descending) {
            (true, ..) => "",
            (_, false, _) => "none",
            (_, true, true) => "descending",
            (_, true, false) => "ascending",
        };
        let next = if is_now { !descending } else { largest_first };
        let next = format!("{}{field}", if next { "-" } else { "" });
        Column { name, order, href: link(base, &kept.with("sort", next)), class }
    };
    COLUMNS.iter().map(column).collect()
}

/// The values that a condition may have, and what they are called.
fn options(field: &str) -> Vec<(String, String)> {
    let own = |(value, name): (&str, &str)| (value.to_owned(), name.to_owned());
    match field {
        "status" => words::STATUSES.into_iter().map(|status| own((status.as_str(), words::status(status)))).collect(),
        "risk" => words::RISKS.into_iter().map(|risk| own((risk.as_str(), words::risk(risk.as_str())))).collect(),
        "patched" => [("true", "With a patch"), ("false", "Without a patch")].map(own).into(),
        "life" => words::LIVES.into_iter().map(|life| own((life, words::life_name(life)))).collect(),
        "new_client" => [("true", "From a new client"), ("false", "From known clients only")].map(own).into(),
        "kind" => words::SOURCE_KINDS.map(own).into(),
        "assignee" => vec![own((NOBODY, "Nobody"))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_click_on_a_column_turns_it_around() {
        let href = |asked: &str, name: &str| {
            let columns = columns(&Pairs::of(asked.as_bytes()), "/leaks");
            let column = columns.into_iter().find(|column| column.name == name).unwrap();
            (column.order, column.href)
        };
        assert_eq!(href("status=open", "Risk"), ("none", "/leaks?status=open&sort=-risk".to_owned()));
        assert_eq!(href("sort=-risk", "Risk"), ("descending", "/leaks?sort=risk".to_owned()));
        assert_eq!(href("sort=title", "Title"), ("ascending", "/leaks?sort=-title".to_owned()));
        assert_eq!(href("", "Leak").0, "descending", "the newest first");
    }

    #[test]
    fn the_api_is_asked_in_its_own_words() {
        let asked = Pairs::of(b"kind=manual&assignee=-&text=a&leaks=LK-1&cursor=c");
        assert_eq!(for_api(&asked).to_string(), "text=a&cursor=c&source_kind=manual&assignee=");
    }
}
