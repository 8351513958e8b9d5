//! Which leaks are wanted, in which order, and from where on.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use stopleak_contract::index::LeakNumber;
use stopleak_detector::Risk;

use super::Status;
use crate::attempts::Life;
use crate::store::Sql;

/// Which leaks are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub status: Option<Status>,
    /// How bad they are.
    pub risk: Option<Risk>,
    /// With or without a virtual patch.
    pub patched: Option<bool>,
    /// Found in this source.
    pub source: Option<i64>,
    /// Found in a source of this kind; `manual` is none.
    pub source_kind: Option<String>,
    /// Whose they are; empty: nobody's.
    pub assignee: Option<String>,
    /// A part of the title, in any case.
    pub text: Option<String>,
    /// With a token that this rule found.
    pub rule: Option<String>,
    /// As alive as the token that gives most reason to worry.
    pub life: Option<Life>,
    /// With or without a use from a new client that no person has decided on since.
    pub new_client: Option<bool>,
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: Column,
    /// The largest first.
    pub descending: bool,
}

/// What leaks are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The number, which is the order in which they were found.
    Number,
    /// The title.
    Title,
    /// How bad they are.
    Risk,
    /// Where they stand.
    Status,
    /// When the virtual patch was applied.
    VirtualPatch,
    /// The source.
    Source,
    /// The path within the source.
    Path,
    /// Whose they are.
    Assignee,
    /// How many tokens they have.
    TokenCount,
    /// When they last changed.
    UpdatedAt,
}

/// Where a page ended: opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// In which order.
    sort: String,
    /// What the last leak was sorted by.
    key: Key,
    /// The last leak.
    number: LeakNumber,
}

/// What a leak is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A number or a time.
    Int(i64),
    /// A text.
    Text(String),
}

/// The newest first.
pub const NEWEST_FIRST: Sort = Sort { by: Column::Number, descending: true };

impl Sort {
    /// Reads `title`, or `-title` for the largest first.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let by = match name {
            // Leaks are numbered as they are found.
            "number" | "id" | "created_at" => Column::Number,
            "title" => Column::Title,
            "risk" => Column::Risk,
            "status" => Column::Status,
            "virtual_patch" => Column::VirtualPatch,
            "source" => Column::Source,
            "path" => Column::Path,
            "assignee" => Column::Assignee,
            "token_count" => Column::TokenCount,
            "updated_at" => Column::UpdatedAt,
            _ => return None,
        };
        Some(Self { by, descending })
    }

    /// The columns that it may be by.
    pub const NAMES: &str =
        "number, title, risk, status, virtual_patch, source, path, assignee, token_count, created_at, updated_at";

    fn name(self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.by.sql())
    }
}

impl Column {
    /// The column that an index has.
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Title => "title",
            Self::Risk => "risk_rank",
            Self::Status => "status",
            Self::VirtualPatch => "patched_rank",
            Self::Source => "source_rank",
            Self::Path => "path_rank",
            Self::Assignee => "assignee",
            Self::TokenCount => "token_count",
            Self::UpdatedAt => "updated_at",
        }
    }

    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Title | Self::Status | Self::Path | Self::Assignee)
    }
}

impl Cursor {
    /// Behind this leak.
    pub(super) fn behind(sort: Sort, key: Key, number: LeakNumber) -> Self {
        Self { sort: sort.name(), key, number }
    }

    /// Reads what an answer said; `None` when it did not, or in another order.
    #[must_use]
    pub fn parse(text: &str, sort: Sort) -> Option<Self> {
        let cursor: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let fits = matches!(cursor.key, Key::Text(_)) == sort.by.is_text();
        (fits && cursor.sort == sort.name()).then_some(cursor)
    }

    /// ` AND (column, number) > ($2, $3)`
    pub(super) fn condition(&self, sort: Sort, sql: &mut Sql) {
        let comparison = if sort.descending { ") < (" } else { ") > (" };
        if sort.by == Column::Number {
            sql.push(" AND (number").push(comparison).int(self.number.into()).push(")");
            return;
        }
        sql.push(" AND (").push(sort.by.sql()).push(", number").push(comparison);
        match &self.key {
            Key::Int(key) => sql.int(*key),
            Key::Text(key) => sql.text(key),
        };
        sql.push(", ").int(self.number.into()).push(")");
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).map_err(|_| std::fmt::Error)?))
    }
}

impl Serialize for CursorText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Opaque to callers.
impl JsonSchema for CursorText {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// A cursor as answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorText(pub Cursor);

impl Filter {
    /// The one value whose index gives the leaks in the order of their numbers, the rarest first.
    pub(super) fn drive(&self, sql: &mut Sql) -> Option<Driver> {
        if let Some(source) = self.source {
            sql.push(" AND source_rank = ").int(source);
            Some(Driver::Source)
        } else if let Some(assignee) = &self.assignee {
            sql.push(" AND assignee = ").text(assignee);
            Some(Driver::Assignee)
        } else if self.new_client == Some(true) {
            sql.push(" AND has_new_client = ").int(1);
            Some(Driver::NewClient)
        } else if let Some(life) = self.life {
            sql.push(" AND life = ").text(life.as_str());
            Some(Driver::Life)
        } else if self.patched == Some(true) {
            sql.push(" AND is_patched = ").int(1);
            Some(Driver::Patched)
        } else if let Some(risk) = self.risk {
            sql.push(" AND risk_rank = ").int(rank(risk));
            Some(Driver::Risk)
        } else if let Some(status) = self.status {
            sql.push(" AND status = ").text(status.as_str());
            Some(Driver::Status)
        } else {
            None
        }
    }

    /// Whether anything is left to ask of each leak.
    pub(super) fn has_rest(&self, driver: Option<Driver>) -> bool {
        let driven = |which| driver == Some(which);
        self.source.is_some() && !driven(Driver::Source)
            || self.assignee.is_some() && !driven(Driver::Assignee)
            || self.new_client.is_some() && !driven(Driver::NewClient)
            || self.life.is_some() && !driven(Driver::Life)
            || self.patched.is_some() && !driven(Driver::Patched)
            || self.risk.is_some() && !driven(Driver::Risk)
            || self.status.is_some() && !driven(Driver::Status)
            || self.source_kind.is_some()
            || self.text.is_some()
            || self.rule.is_some()
    }

    /// Everything that is asked of the leak `w`; `$1` is the tenant.
    pub(super) fn conditions(&self, sql: &mut Sql) {
        if let Some(status) = self.status {
            sql.push(" AND w.status = ").text(status.as_str());
        }
        if let Some(risk) = self.risk {
            sql.push(" AND w.risk = ").text(risk.as_str());
        }
        match self.patched {
            Some(true) => _ = sql.push(" AND w.patched_at IS NOT NULL"),
            Some(false) => _ = sql.push(" AND w.patched_at IS NULL"),
            None => {}
        }
        if let Some(life) = self.life {
            sql.push(" AND w.life = ").text(life.as_str());
        }
        if let Some(new_client) = self.new_client {
            sql.push(" AND w.has_new_client = ").int(new_client.into());
        }
        if let Some(source) = self.source {
            sql.push(" AND w.source_id = ").int(source);
        }
        match self.source_kind.as_deref() {
            Some("manual") => _ = sql.push(" AND w.source_id IS NULL"),
            Some(kind) => {
                sql.push(" AND EXISTS (SELECT 1 FROM sources s WHERE s.tenant_id = $1 AND s.id = w.source_id AND s.kind = ");
                sql.text(kind).push(")");
            }
            None => {}
        }
        if let Some(assignee) = &self.assignee {
            sql.push(" AND w.assignee = ").text(assignee);
        }
        if let Some(text) = &self.text {
            let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            sql.push(" AND lower(w.title) LIKE lower(").text(&format!("%{escaped}%")).push(") ESCAPE '\\'");
        }
        if let Some(rule) = &self.rule {
            // A count is looked up for each leak that is looked at. Of an EXISTS, PostgreSQL makes a join with all leaks that have the rule.
            sql.push(" AND (SELECT count(*) FROM leak_rules r WHERE r.tenant_id = $1 AND r.leak = w.number AND r.rule = ");
            sql.text(rule).push(") = 1");
        }
    }
}

/// Whose index is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Source,
    Assignee,
    NewClient,
    Life,
    Patched,
    Risk,
    Status,
}

/// As the generated column `risk_rank` has it.
fn rank(risk: Risk) -> i64 {
    match risk {
        Risk::Low => 1,
        Risk::Medium => 2,
        Risk::High => 3,
        Risk::Critical => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_the_order_that_it_came_from() {
        let title = Sort::parse("-title").unwrap();
        let cursor = Cursor::behind(title, Key::Text("a leak".to_owned()), 7);
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text, title), Some(cursor));
        assert_eq!(Cursor::parse(&text, Sort::parse("title").unwrap()), None);
        assert_eq!(Cursor::parse(&text, NEWEST_FIRST), None);
        for bad in ["", "7", "LK-7", "e30", "bnVsbA", "%", &text[1..], &format!("{text}A")] {
            assert_eq!(Cursor::parse(bad, title), None, "{bad}");
        }
        // A number where the order wants a text, as somebody may make it up.
        let odd = Cursor::behind(title, Key::Int(7), 7).to_string();
        assert_eq!(Cursor::parse(&odd, title), None);
    }

    #[test]
    fn every_named_column_can_be_sorted_by() {
        for name in Sort::NAMES.split(", ") {
            assert!(Sort::parse(name).is_some() && Sort::parse(&format!("-{name}")).is_some(), "{name}");
        }
        for bad in ["", "-", "--title", "Title", "title;", "rowid"] {
            assert_eq!(Sort::parse(bad), None, "{bad}");
        }
    }
}
