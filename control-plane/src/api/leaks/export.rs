//! Leaks and attempts as files: written while they are read, page by page, so that a million rows take no more memory than one page,
//! and no transaction stays open while a slow reader reads.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::asked::{ExportLeaks, Format};
use crate::api::input::{Asked, LEAK_ID};
use crate::api::output::File;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::attempts::{self, AttemptView, Outcome};
use crate::leaks::{self, LeakSummary, parse_leak_id};
use crate::people::Caller;
use crate::store::Page;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportAttempts {
    /// Of this leak: `LK-7` or `7`.
    #[schemars(regex(pattern = LEAK_ID))]
    leak: Option<String>,
    outcome: Option<Outcome>,
    format: Option<Format>,
}

/// Rows that are read at once.
const PAGE: u32 = 500;
/// Pages that wait for a reader.
const WAITING: usize = 2;

const LEAK_COLUMNS: &[&str] = &[
    "id",
    "title",
    "risk",
    "risk_from",
    "status",
    "virtual_patch/applied_at",
    "virtual_patch/expires_at",
    "assignee",
    "source",
    "path",
    "token_count",
    "life",
    "life_since",
    "new_client/client",
    "new_client/at",
    "created_at",
    "updated_at",
];
const ATTEMPT_COLUMNS: &[&str] = &[
    "id",
    "leak",
    "token",
    "outcome",
    "place",
    "header",
    "client",
    "method",
    "host",
    "path",
    "status",
    "first_seen_at",
    "last_seen_at",
    "count",
    "gateway",
];

type Chunks = mpsc::Sender<Result<String, sqlx::Error>>;

/// How rows become text.
struct Writer {
    format: Format,
    columns: &'static [&'static str],
    is_first: bool,
}

pub(crate) async fn leaks(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ExportLeaks>,
) -> Answer<File<LeakSummary>> {
    let (filter, sort, tenant) = (asked.filter()?, asked.sort()?, caller.tenant.id);
    let (writer, format) = writer(asked.format, LEAK_COLUMNS);
    Ok(stream("leaks", format, |chunks| async move {
        let (mut writer, mut cursor) = (writer, None);
        loop {
            let mut db = app.store.read().await?;
            let page = leaks::list(&mut db, tenant, &filter, sort, cursor.as_ref(), PAGE).await?;
            drop(db);
            cursor = page.next;
            if !writer.send(&chunks, &page.leaks, cursor.is_none()).await || cursor.is_none() {
                return Ok(());
            }
        }
    }))
}

pub(crate) async fn attempts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ExportAttempts>,
) -> Answer<File<AttemptView>> {
    let bad = || Problem::Invalid { field: "leak", detail: "write it as LK-7 or 7".to_owned() };
    let leak = asked.leak.as_deref().map(|text| parse_leak_id(text).ok_or_else(bad)).transpose()?;
    let (outcome, tenant) = (asked.outcome, caller.tenant.id);
    let (writer, format) = writer(asked.format, ATTEMPT_COLUMNS);
    Ok(stream("attempts", format, |chunks| async move {
        let (mut writer, mut page) = (writer, Page::newest(PAGE));
        loop {
            let filter = attempts::Filter { leak, outcome, page };
            let mut db = app.store.read().await?;
            let found = attempts::list(&mut db, tenant, &filter).await?;
            drop(db);
            page.behind = page.next(&found, |attempt| attempt.id);
            let is_last = page.behind.is_none();
            if !writer.send(&chunks, &found, is_last).await || is_last {
                return Ok(());
            }
        }
    }))
}

fn writer(format: Option<Format>, columns: &'static [&'static str]) -> (Writer, Format) {
    let format = format.unwrap_or_default();
    (Writer { format, columns, is_first: true }, format)
}

/// An answer that is written while it is read. When reading fails, the connection breaks: a file that ends too early must not look
/// complete.
fn stream<T, F: Future<Output = Result<(), sqlx::Error>> + Send + 'static>(
    name: &'static str,
    format: Format,
    write: impl FnOnce(Chunks) -> F,
) -> File<T> {
    let (chunks, receiver) = mpsc::channel(WAITING);
    let writing = write(chunks.clone());
    tokio::spawn(async move {
        if let Err(error) = writing.await {
            tracing::error!(%error, "an export broke off");
            // Nobody reads it any more: then nobody has to be told.
            let _ = chunks.send(Err(error)).await;
        }
    });
    let (media_type, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Json => ("application/json", "json"),
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
    ];
    File::new((headers, Body::from_stream(ReceiverStream::<Result<String, sqlx::Error>>::new(receiver))).into_response())
}

impl Writer {
    /// Whether the reader still reads.
    async fn send<T: Serialize>(&mut self, chunks: &Chunks, rows: &[T], is_last: bool) -> bool {
        let mut text = String::new();
        if self.is_first {
            text.push_str(&match self.format {
                Format::Csv => line(self.columns.iter().map(|column| column.replace('/', "_"))),
                Format::Json => "[".to_owned(),
            });
        }
        for row in rows {
            let row = serde_json::to_value(row).unwrap_or_default();
            match self.format {
                Format::Csv => text.push_str(&line(self.columns.iter().map(|column| cell(&row, column)))),
                Format::Json => {
                    text.push_str(if self.is_first { "\n" } else { ",\n" });
                    text.push_str(&row.to_string());
                }
            }
            self.is_first = false;
        }
        if is_last && self.format == Format::Json {
            text.push_str("\n]\n");
        }
        chunks.send(Ok(text)).await.is_ok()
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.map(|text| quoted(&text)).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

fn cell(row: &Value, column: &str) -> String {
    match row.pointer(&format!("/{column}")) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// As RFC 4180 has it. Paths and hosts come from whoever called a gateway: a spreadsheet would run a text that begins like a formula,
/// so it gets an apostrophe before it.
fn quoted(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '|', '%']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r', ';', '\t']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_its_line() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("  =1", "'  =1"),
            ("=cmd|'/c calc'!A1,\"x\"", "\"'=cmd|'/c calc'!A1,\"\"x\"\"\""),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}
