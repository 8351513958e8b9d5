//! `/api/v1/attempts`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::{Asked, LEAK_ID};
use super::page::history_query;
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::attempts::{self, AttemptView, Filter, Outcome};
use crate::leaks::parse_leak_id;
use crate::people::Caller;

history_query! {
    pub(crate) struct ListAttempts by "id" {
        /// Of this leak: `LK-7` or `7`.
        #[schemars(regex(pattern = LEAK_ID))]
        leak: Option<String>,
        outcome: Option<Outcome>,
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct AttemptList {
    pub(crate) attempts: Vec<AttemptView>,
    /// What to give as `cursor` for the next page.
    pub(crate) next: Option<i64>,
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListAttempts>,
) -> Answer<Json<AttemptList>> {
    let page = asked.page()?;
    let leak = asked.leak.map(|text| {
        parse_leak_id(&text).ok_or_else(|| Problem::Invalid { field: "leak", detail: "write it as LK-7 or 7".to_owned() })
    });
    let filter = Filter { leak: leak.transpose()?, outcome: asked.outcome, page };
    let attempts = attempts::list(&mut *app.store.read().await?, caller.tenant.id, &filter).await?;
    let next = page.next(&attempts, |attempt| attempt.id);
    Ok(Json(AttemptList { attempts, next }))
}
