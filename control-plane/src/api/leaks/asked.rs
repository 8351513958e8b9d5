//! Which leaks a caller asks for, in a query or in a body.

use schemars::JsonSchema;
use serde::Deserialize;
use stopleak_detector::Risk;

use crate::api::input::{MAX_LIMIT, line};
use crate::api::problem::{Answer, Problem};
use crate::attempts::Life;
use crate::leaks::{Cursor, Filter, NEWEST_FIRST, RiskName, Sort, Status};

macro_rules! with_filters {
    ($(#[$about:meta])* $visible:vis struct $name:ident { $($members:tt)* }) => {
        #[derive(Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        $visible struct $name {
            status: Option<Status>,
            #[schemars(with = "Option<RiskName>")]
            risk: Option<Risk>,
            /// With or without a virtual patch.
            patched: Option<bool>,
            /// Found in the source with this `id`.
            source: Option<i64>,
            /// Found in a source of this kind; `manual`: added by hand.
            #[schemars(length(min = 1, max = MAX_TEXT))]
            source_kind: Option<String>,
            /// Whose they are; empty: nobody's.
            #[schemars(length(max = MAX_TEXT))]
            assignee: Option<String>,
            /// A part of the title, in any case.
            #[schemars(length(min = 1, max = MAX_TEXT))]
            text: Option<String>,
            /// With a token that this rule found.
            #[schemars(length(min = 1, max = MAX_TEXT))]
            rule: Option<String>,
            /// Whose tokens work (`alive`: one of them does), or not (`dead`: all of them are refused).
            life: Option<Life>,
            /// With or without a use from a new client that no person has decided on since.
            new_client: Option<bool>,
            $($members)*
        }

        impl $name {
            pub(crate) fn filter(&self) -> Answer<Filter> {
                let short = |field, text: &Option<String>| text.as_deref().map(|text| line(field, text, MAX_TEXT)).transpose();
                Ok(Filter {
                    status: self.status,
                    risk: self.risk,
                    patched: self.patched,
                    source: self.source,
                    source_kind: short("source_kind", &self.source_kind)?,
                    // Empty is nobody.
                    assignee: match self.assignee.as_deref() {
                        Some("") => self.assignee.clone(),
                        _ => short("assignee", &self.assignee)?,
                    },
                    text: short("text", &self.text)?,
                    rule: short("rule", &self.rule)?,
                    life: self.life,
                    new_client: self.new_client,
                })
            }
        }
    };
}

with_filters! {
    /// The query of a list.
    pub(crate) struct ListLeaks {
        /// In which order, with a `-` before it for the largest first; the newest first when absent.
        #[schemars(regex(pattern = SORTS))]
        sort: Option<String>,
        /// What `next` has said: the next page, with the same `sort` and filters.
        cursor: Option<String>,
        #[schemars(range(min = 1, max = MAX_LIMIT))]
        pub(crate) limit: Option<u32>,
    }
}

with_filters! {
    /// The query of an export, which has no pages.
    pub(crate) struct ExportLeaks {
        /// In which order, with a `-` before it for the largest first; the newest first when absent.
        #[schemars(regex(pattern = SORTS))]
        sort: Option<String>,
        /// `csv` when absent.
        pub(super) format: Option<Format>,
    }
}

with_filters! {
    /// Which leaks a bulk decision is about.
    #[schemars(rename = "LeakFilter")]
    pub(crate) struct FilterBody {}
}

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Format {
    /// With a line of headings.
    #[default]
    Csv,
    /// An array of objects.
    Json,
}

/// The names of [`Sort::NAMES`].
const SORTS: &str = "^-?(number|title|risk|status|virtual_patch|source|path|assignee|token_count|created_at|updated_at)$";
/// Longest text that is looked for: as long as a title.
const MAX_TEXT: usize = 200;

impl ListLeaks {
    pub(crate) fn sort(&self) -> Answer<Sort> {
        sort(self.sort.as_deref())
    }

    pub(super) fn cursor(&self, sort: Sort) -> Answer<Option<Cursor>> {
        let detail = "is not what `next` of this list, in this order, has said; leave it out to begin at the first page";
        let bad = || Problem::Invalid { field: "cursor", detail: detail.to_owned() };
        self.cursor.as_deref().map(|text| Cursor::parse(text, sort).ok_or_else(bad)).transpose()
    }
}

impl ExportLeaks {
    pub(crate) fn sort(&self) -> Answer<Sort> {
        sort(self.sort.as_deref())
    }
}

fn sort(text: Option<&str>) -> Answer<Sort> {
    let Some(text) = text else { return Ok(NEWEST_FIRST) };
    let detail = || format!("one of {}, with a - before it for the largest first", Sort::NAMES);
    Sort::parse(text).ok_or_else(|| Problem::Invalid { field: "sort", detail: detail() })
}
