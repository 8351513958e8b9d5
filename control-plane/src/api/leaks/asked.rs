//! Which leaks a caller asks for, in a query or in a body.

use serde::Deserialize;
use stopleak_detector::Risk;

use crate::api::input::line;
use crate::api::problem::{Answer, Problem};
use crate::leaks::{Cursor, Filter, NEWEST_FIRST, Sort, Status};

/// The query of lists and exports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListLeaks {
    status: Option<Status>,
    risk: Option<Risk>,
    patched: Option<bool>,
    source: Option<i64>,
    source_kind: Option<String>,
    assignee: Option<String>,
    text: Option<String>,
    rule: Option<String>,
    pub(super) sort: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<u32>,
    pub(super) format: Option<Format>,
}

/// The same in the body of a bulk decision.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterBody {
    status: Option<Status>,
    risk: Option<Risk>,
    patched: Option<bool>,
    source: Option<i64>,
    source_kind: Option<String>,
    assignee: Option<String>,
    text: Option<String>,
    rule: Option<String>,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Format {
    /// With a line of headings.
    #[default]
    Csv,
    /// An array of objects.
    Json,
}

/// Longest text that is looked for: as long as a title.
const MAX_TEXT: usize = 200;

impl ListLeaks {
    pub(super) fn filter(&self) -> Answer<Filter> {
        let Self { status, risk, patched, source, .. } = *self;
        let (source_kind, assignee) = (self.source_kind.clone(), self.assignee.clone());
        let (text, rule) = (self.text.clone(), self.rule.clone());
        FilterBody { status, risk, patched, source, source_kind, assignee, text, rule }.filter()
    }

    pub(super) fn sort(&self) -> Answer<Sort> {
        let Some(text) = &self.sort else { return Ok(NEWEST_FIRST) };
        let detail = || format!("one of {}, with a - before it for the largest first", Sort::NAMES);
        Sort::parse(text).ok_or_else(|| Problem::Invalid { field: "sort", detail: detail() })
    }

    pub(super) fn cursor(&self, sort: Sort) -> Answer<Option<Cursor>> {
        let detail = "is not what `next` of this list, in this order, has said; leave it out to begin at the first page";
        let bad = || Problem::Invalid { field: "cursor", detail: detail.to_owned() };
        self.cursor.as_deref().map(|text| Cursor::parse(text, sort).ok_or_else(bad)).transpose()
    }
}

impl FilterBody {
    pub(super) fn filter(self) -> Answer<Filter> {
        let Self { status, risk, patched, source, source_kind, assignee, text, rule } = self;
        let short = |field, text: Option<String>| text.map(|text| line(field, &text, MAX_TEXT)).transpose();
        Ok(Filter {
            status,
            risk,
            patched,
            source,
            source_kind: short("source_kind", source_kind)?,
            // Empty is nobody.
            assignee: match assignee {
                Some(nobody) if nobody.is_empty() => Some(nobody),
                somebody => short("assignee", somebody)?,
            },
            text: short("text", text)?,
            rule: short("rule", rule)?,
        })
    }
}
