//! Lists of what people make by hand, such as users and sources: some thousands at most. They are read whole, filtered, sorted by one of
//! their members and shown in pages. What machines write has no bound, and has lists that an index answers.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};

use super::input::limit;
use super::problem::{Answer, Problem};
use crate::store::{self, Order};

/// Which page of a list, and in which order.
pub(super) struct Asked<'a> {
    /// The members that it may be sorted by; the first one when nothing is said.
    pub(super) sorts: &'static [&'static str],
    pub(super) sort: Option<&'a str>,
    pub(super) cursor: Option<&'a str>,
    pub(super) limit: Option<u32>,
}

/// A page, and where the list goes on.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// Makes the query of a list: its filters, and what all lists have.
macro_rules! list_query {
    ($(#[$about:meta])* $visible:vis struct $name:ident by [$first:literal $(, $other:literal)*] { $($members:tt)* }) => {
        #[derive(serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        $visible struct $name {
            $($members)*
            /// In which order, with a `-` before it for the largest first.
            #[schemars(regex(pattern = concat!("^-?(", $first, $("|", $other,)* ")$")))]
            sort: Option<String>,
            /// What `next` has said: the next page, with the same `sort` and filters.
            cursor: Option<String>,
            /// Most entries of the page.
            #[schemars(range(min = 1, max = crate::api::input::MAX_LIMIT))]
            limit: Option<u32>,
        }

        impl $name {
            fn page(&self) -> crate::api::page::Asked<'_> {
                let (sort, cursor) = (self.sort.as_deref(), self.cursor.as_deref());
                crate::api::page::Asked { sorts: &[$first $(, $other)*], sort, cursor, limit: self.limit }
            }
        }
    };
}
pub(super) use list_query;

/// Makes the query of a list that grows at one end: its filters, and what all such lists have.
macro_rules! history_query {
    ($visible:vis struct $name:ident by $by:literal { $($members:tt)* }) => {
        #[derive(serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $visible struct $name {
            $($members)*
            /// In which order: the newest first, when nothing is said, or the oldest first.
            #[schemars(regex(pattern = concat!("^-?", $by, "$")))]
            sort: Option<String>,
            /// What `next` has said: the next page, with the same `sort` and filters.
            cursor: Option<i64>,
            /// Most entries of the page.
            #[schemars(range(min = 1, max = crate::api::input::MAX_LIMIT))]
            limit: Option<u32>,
        }

        impl $name {
            fn page(&self) -> crate::api::problem::Answer<crate::store::Page> {
                crate::api::page::of_history($by, self.sort.as_deref(), self.cursor, self.limit)
            }
        }
    };
}
pub(super) use history_query;

/// Which page is asked for, of a list in the order in which its entries came.
pub(super) fn of_history(by: &str, sort: Option<&str>, cursor: Option<i64>, asked: Option<u32>) -> Answer<store::Page> {
    let order = match sort.map(|sort| sort.strip_prefix('-').map_or((false, sort), |sort| (true, sort))) {
        None => Order::NewestFirst,
        Some((true, sort)) if sort == by => Order::NewestFirst,
        Some((false, sort)) if sort == by => Order::OldestFirst,
        Some(_) => {
            let detail = format!("-{by} for the newest first, or {by} for the oldest");
            return Err(Problem::Invalid { field: "sort", detail });
        }
    };
    Ok(store::Page { behind: cursor, order, limit: limit(asked)? })
}

impl Asked<'_> {
    /// In this order when nothing is said.
    pub(super) fn by_default(self, sort: &'static str) -> Self {
        Self { sort: self.sort.or(Some(sort)), ..self }
    }

    /// The page of these entries, each of which has an `id` or a `name` of its own.
    pub(super) fn of<T: Serialize>(&self, entries: Vec<T>) -> Answer<Page<T>> {
        let limit = limit(self.limit)? as usize;
        let sort = self.sort.or(self.sorts.first().copied()).unwrap_or_default();
        let (descending, by) = sort.strip_prefix('-').map_or((false, sort), |by| (true, by));
        if !self.sorts.contains(&by) {
            let detail = format!("one of {}, with a - before it for the largest first", self.sorts.join(", "));
            return Err(Problem::Invalid { field: "sort", detail });
        }
        let behind = self.cursor.map(|cursor| read(cursor, sort)).transpose()?;
        let order = |one: &Key, other: &Key| if descending { other.compare(one) } else { one.compare(other) };
        let keyed = entries.into_iter().map(|entry| (Key::of(&entry, by), entry));
        let is_ahead = |key: &Key| behind.as_ref().is_none_or(|behind| order(key, behind).is_gt());
        let mut found: Vec<(Key, T)> = keyed.filter(|(key, _)| is_ahead(key)).collect();
        found.sort_by(|(one, _), (other, _)| order(one, other));
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|(key, _)| key.write(sort));
        Ok(Page { items: found.into_iter().map(|(_, entry)| entry).collect(), next })
    }
}

/// Whether a part of the text is looked for, in any case; or nothing is.
pub(super) fn has(text: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| text.to_lowercase().contains(&wanted.to_lowercase()))
}

/// What an entry is sorted by, and who it is.
struct Key {
    by: Value,
    id: Value,
}

impl Key {
    fn of(entry: &impl Serialize, by: &str) -> Self {
        let mut entry = serde_json::to_value(entry).unwrap_or_default();
        let by = entry[by].clone();
        let id = if entry["id"].is_null() { entry["name"].take() } else { entry["id"].take() };
        Self { by, id }
    }

    fn compare(&self, other: &Self) -> Ordering {
        compare(&self.by, &other.by).then_with(|| compare(&self.id, &other.id))
    }

    /// A cursor behind this entry: opaque to callers.
    fn write(&self, sort: &str) -> String {
        URL_SAFE_NO_PAD.encode(json!([sort, self.by, self.id]).to_string())
    }
}

/// Reads what an answer said, in the same order.
fn read(cursor: &str, sort: &str) -> Answer<Key> {
    let read = || {
        let parts: (String, Value, Value) = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        (parts.0 == sort).then_some(Key { by: parts.1, id: parts.2 })
    };
    let detail = "is not what `next` of this list, in this order, has said; leave it out to begin at the first page";
    read().ok_or_else(|| Problem::Invalid { field: "cursor", detail: detail.to_owned() })
}

/// Nothing comes first; then what is false, what is true, numbers, texts.
fn compare(one: &Value, other: &Value) -> Ordering {
    fn rank(value: &Value) -> (u8, i64, &str) {
        match value {
            Value::Bool(value) => (1, i64::from(*value), ""),
            Value::Number(number) => (2, number.as_i64().unwrap_or(i64::MAX), ""),
            Value::String(text) => (3, 0, text),
            _ => (0, 0, ""),
        }
    }
    rank(one).cmp(&rank(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize)]
    struct Entry {
        id: i64,
        name: &'static str,
        seen: Option<i64>,
    }

    fn entries() -> Vec<Entry> {
        let entry = |(id, (name, seen))| Entry { id, name, seen };
        (1..).zip([("b", Some(5)), ("a", None), ("b", Some(-7)), ("c", None), ("a", Some(5))]).map(entry).collect()
    }

    fn asked<'a>(sort: Option<&'a str>, cursor: Option<&'a str>, limit: u32) -> Asked<'a> {
        Asked { sorts: &["name", "seen"], sort, cursor, limit: Some(limit) }
    }

    #[test]
    fn pages_of_any_size_have_every_entry_once_and_in_order() {
        for (sort, expected) in [
            (None, [2, 5, 1, 3, 4]),
            (Some("name"), [2, 5, 1, 3, 4]),
            (Some("-name"), [4, 3, 1, 5, 2]),
            (Some("seen"), [2, 4, 3, 1, 5]),
            (Some("-seen"), [5, 1, 3, 4, 2]),
        ] {
            for limit in 1..=6 {
                let (mut got, mut cursor) = (Vec::new(), None);
                loop {
                    let page = asked(sort, cursor.as_deref(), limit).of(entries()).unwrap();
                    assert!(page.items.len() <= limit as usize);
                    got.extend(page.items.iter().map(|entry| entry.id));
                    cursor = page.next;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(got, expected, "{sort:?} by {limit}");
            }
        }
    }

    #[test]
    fn what_is_new_or_gone_meanwhile_moves_nothing_else() {
        let first = asked(None, None, 2).of(entries()).unwrap();
        let mut changed = entries();
        changed.retain(|entry| entry.id != 5);
        changed.push(Entry { id: 6, name: "aa", seen: None });
        let second = asked(None, first.next.as_deref(), 9).of(changed).unwrap();
        assert_eq!(second.items.iter().map(|entry| entry.id).collect::<Vec<_>>(), [6, 1, 3, 4]);
    }

    #[test]
    fn cursors_and_orders_that_nobody_gave_are_refused() {
        let cursor = asked(Some("name"), None, 1).of(entries()).unwrap().next.unwrap();
        assert!(asked(Some("name"), Some(&cursor), 1).of(entries()).is_ok());
        for (sort, cursor) in [
            (Some("seen"), Some(cursor.as_str())),
            (Some("-name"), Some(&cursor)),
            (None, Some("")),
            (None, Some("7")),
            (None, Some("%")),
            (None, Some("bnVsbA")),
            (Some("id"), None),
            (Some(""), None),
            (Some("--name"), None),
        ] {
            assert!(asked(sort, cursor, 1).of(entries()).is_err(), "{sort:?} {cursor:?}");
        }
        assert!(asked(None, None, 0).of(entries()).is_err());
    }
}
