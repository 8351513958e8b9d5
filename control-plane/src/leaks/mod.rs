//! Leaks: sets of tokens that must not work any more, and what was decided about them.
//!
//! Tokens come in by [`add`] (or from a scan), [`decide()`](decide::decide) says what a decision does, [`record`] writes it down
//! together with the epoch that carries it, and [`list`] and [`show`] are what people see. A closed leak is watched for a while.

mod decide;
mod intake;
mod mentions;
mod record;
mod pending;
mod bulk;
mod impact;
mod due;
mod closed;
mod edit;
mod comments;
mod filter;
mod list;
mod view;
mod summary;
mod glance;
mod spread;
mod standing;

pub use bulk::{BULK, Bulk, BulkResult, Verdict, decide_all};
pub use closed::{ClosedLeaks, OnUse, choose_closed_leaks, closed_leaks, used_after_close};
pub use comments::{CommentView, add_comment, list_comments};
pub use decide::{Action, Change, Refusal, Request, State, Status, decide};
pub use due::run as run_due;
pub use edit::{Edit, EditError, edit};
pub use filter::{Column, Cursor, CursorText, Filter, NEWEST_FIRST, Sort};
pub use glance::{Glance, glance};
pub use impact::{Impact, Route, impact};
pub(crate) use intake::recognise;
pub use intake::{AddError, Added, Known, NewLeak, NewToken, add, find_token, insert_leak, insert_token};
pub use list::{LeakSummary, NewClient, Page, VirtualPatch, list, summary as show_summary};
pub use mentions::{mentions_one_of, mentions_token};
pub use pending::{APPROVAL_LIFE, Answered, PendingView, SettleError, answer, approve, ask, drop_pending, list_pending};
pub use record::{Asked, Carrier, Current, Decided, Origin, RecordError, current, judge, record, take};
pub use spread::{Spread, spread};
pub use standing::{Standing, standing};
pub use summary::{Counts, Day, SourceCounts, Summary, summarise};
pub use view::{AttemptSummary, DecisionView, LeakDetail, OccurrenceView, TokenView, show};

use schemars::JsonSchema;
pub use stopleak_contract::index::LeakNumber;
use stopleak_detector::Risk;

/// The names of [`Risk`], which belongs to another crate, for the document of the API.
#[derive(JsonSchema)]
#[schemars(rename = "Risk", rename_all = "lowercase")]
#[expect(missing_docs, reason = "said at the other one")]
pub enum RiskName {
    Low,
    Medium,
    High,
    Critical,
}

/// How a leak is called: `LK-7`.
#[must_use]
pub fn leak_id(number: LeakNumber) -> String {
    format!("LK-{number}")
}

/// Reads `LK-7`, `lk-7` or `7`.
#[must_use]
pub fn parse_leak_id(text: &str) -> Option<LeakNumber> {
    let digits = text.strip_prefix("LK-").or_else(|| text.strip_prefix("lk-")).unwrap_or(text);
    // `parse` alone would take a sign.
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Reads what the database has; its CHECK lets nothing else in.
pub(crate) fn stored_risk(text: &str) -> Result<Risk, sqlx::Error> {
    [Risk::Low, Risk::Medium, Risk::High, Risk::Critical]
        .into_iter()
        .find(|risk| risk.as_str() == text)
        .ok_or_else(|| sqlx::Error::Decode("unknown risk".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risks_have_one_set_of_names() {
        let names = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical].map(Risk::as_str);
        assert_eq!(schemars::schema_for!(RiskName).to_value()["enum"], serde_json::json!(names));
    }

    #[test]
    fn leaks_are_named_with_or_without_prefix() {
        for text in ["7", "LK-7", "lk-7"] {
            assert_eq!(parse_leak_id(text), Some(7));
        }
        for text in ["", "LK-", "+7", "-7", "LK-7x", "99999999999"] {
            assert_eq!(parse_leak_id(text), None, "{text}");
        }
    }
}
