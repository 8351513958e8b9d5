//! `/api/v1/attempts`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::{Asked, LEAK_ID, MAX_LIMIT, limit};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::attempts::{self, AttemptView, Filter, Outcome};
use crate::leaks::parse_leak_id;
use crate::people::Caller;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListAttempts {
    /// Of this leak: `LK-7` or `7`.
    #[schemars(regex(pattern = LEAK_ID))]
    leak: Option<String>,
    outcome: Option<Outcome>,
    /// What `next` has said: the next page.
    #[serde(alias = "before")]
    cursor: Option<i64>,
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct AttemptList {
    attempts: Vec<AttemptView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListAttempts>,
) -> Answer<Json<AttemptList>> {
    let leak = asked.leak.map(|text| {
        parse_leak_id(&text).ok_or_else(|| Problem::Invalid { field: "leak", detail: "write it as LK-7 or 7".to_owned() })
    });
    let filter = Filter { leak: leak.transpose()?, outcome: asked.outcome, before: asked.cursor, limit: limit(asked.limit)? };
    let attempts = attempts::list(&mut *app.store.read().await?, caller.tenant.id, &filter).await?;
    let full = attempts.len() == filter.limit as usize;
    let next = attempts.last().filter(|_| full).map(|attempt| attempt.id);
    Ok(Json(AttemptList { attempts, next }))
}
