//! `/api/v1/audit`

use std::sync::Arc;

use axum::Json;
use axum::body::{Body as Stream, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::input::Asked;
use super::output::Lines;
use super::page::history_query;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit::{self, AuditFilter, AuditView};
use crate::people::Caller;
use crate::time::Time;

history_query! {
    pub(crate) struct ListAudit by "number" {
        /// The name of who did it.
        actor: Option<String>,
        /// What was done, such as `leak.add`.
        action: Option<String>,
        /// To what, such as `gateway/7`.
        object: Option<String>,
        /// At this time or later.
        #[schemars(with = "Option<Time>")]
        since: Option<String>,
        /// Before this time.
        #[schemars(with = "Option<Time>")]
        until: Option<String>,
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct AuditList {
    pub(crate) entries: Vec<AuditView>,
    /// What to give as `cursor` for the next page.
    pub(crate) next: Option<i64>,
    /// Number and hash of the newest entry: what an auditor remembers.
    pub(crate) head: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportAudit {
    #[serde(default)]
    format: Format,
    /// Only entries after this number.
    #[serde(default)]
    after: i64,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Format {
    #[default]
    Jsonl,
    Csv,
}

/// Entries that are read from the database at once.
const PAGE: u32 = 500;
/// Pages that wait for a slow reader.
const WAITING: usize = 2;
const COLUMNS: &str = "number,at,actor_kind,actor_id,actor,role,address,action,object,before,after,hash\r\n";

pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Asked(asked): Asked<ListAudit>) -> Answer<Json<AuditList>> {
    let page = asked.page()?;
    let filter = AuditFilter {
        actor: asked.actor,
        action: asked.action,
        object: asked.object,
        since: time("since", asked.since.as_deref())?,
        until: time("until", asked.until.as_deref())?,
        page,
    };
    let mut db = app.store.read().await?;
    let entries = audit::list(&mut db, caller.tenant.id, &filter).await?;
    let head = audit::head(&mut db, caller.tenant.id).await?.to_string();
    let next = page.next(&entries, |entry| entry.number);
    Ok(Json(AuditList { entries, next, head }))
}

/// All entries, the oldest first, page by page: the log may be larger than memory.
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ExportAudit>,
) -> Answer<Lines<AuditView>> {
    // The first page here, so that a database that does not answer is told as a problem.
    let first = audit::page_after(&mut *app.store.read().await?, caller.tenant.id, asked.after, PAGE).await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, sqlx::Error>>(WAITING);
    let (tenant, format) = (caller.tenant.id, asked.format);
    tokio::spawn(async move {
        let mut page = first;
        if matches!(format, Format::Csv) && sender.send(Ok(Bytes::from_static(COLUMNS.as_bytes()))).await.is_err() {
            return;
        }
        while let Some((last, _)) = page.last() {
            let last = last.number;
            let text: String = page.iter().map(|(entry, view)| format.row(entry, view)).collect();
            if sender.send(Ok(text.into())).await.is_err() {
                return;
            }
            let next = async { audit::page_after(&mut *app.store.read().await?, tenant, last, PAGE).await };
            match next.await {
                Ok(next) => page = next,
                // Breaks the answer off, so that it cannot be taken for the whole log.
                Err(error) => {
                    tracing::error!(%error, "an export of the audit log broke off");
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
    });
    let name = format!("attachment; filename=\"stopleak-audit-{}.{}\"", caller.tenant.name, format.ending());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(|error| Problem::Internal(error.into()))?),
    ];
    Ok(Lines::new((headers, Stream::from_stream(ReceiverStream::new(receiver))).into_response()))
}

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    fn row(self, entry: &audit::Entry, view: &AuditView) -> String {
        match self {
            Self::Jsonl => serde_json::to_string(view).unwrap_or_default() + "\n",
            Self::Csv => {
                let at = serde_json::to_value(entry.at).ok().and_then(|at| at.as_str().map(str::to_owned));
                let cells = [
                    entry.number.to_string(),
                    at.unwrap_or_default(),
                    entry.actor_kind.clone(),
                    entry.actor_id.map(|id| id.to_string()).unwrap_or_default(),
                    entry.actor.clone(),
                    entry.role.clone(),
                    entry.address.clone(),
                    entry.action.clone(),
                    entry.object.clone(),
                    entry.before.clone().unwrap_or_default(),
                    entry.after.clone().unwrap_or_default(),
                    view.hash.clone(),
                ];
                cells.map(|cell| csv_cell(&cell)).join(",") + "\r\n"
            }
        }
    }
}

/// Quoted, and nothing that a spreadsheet would take for a formula.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

fn time(field: &'static str, text: Option<&str>) -> Answer<Option<Time>> {
    let parse = |text| {
        let detail = "write it like 2026-01-31T12:00:00Z".to_owned();
        Time::parse(text).ok_or(Problem::Invalid { field, detail })
    };
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        for (text, cell) in [("a", "\"a\""), ("a\"b,c", "\"a\"\"b,c\""), ("=1+1", "\"'=1+1\""), ("@x", "\"'@x\""), ("", "\"\"")] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
