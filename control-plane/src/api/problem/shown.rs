//! A problem as a page shows it to people.

use axum::http::StatusCode;

use super::{Problem, Told};

/// What a page says of a problem, beside the answer that programs get.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The status.
    pub(crate) status: StatusCode,
    /// The end of the type's name.
    pub(crate) kind: &'static str,
    /// In two words.
    pub(crate) title: &'static str,
    /// What to do.
    pub(crate) detail: String,
}

impl Shown {
    pub(super) fn of(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Self {
        Self { status, kind, title, detail }
    }
}

impl Problem {
    /// What a page says of it.
    pub(crate) fn shown(&self) -> Shown {
        let Told { status, kind, title, detail, .. } = self.told();
        Shown::of(status, kind, title, detail)
    }
}
