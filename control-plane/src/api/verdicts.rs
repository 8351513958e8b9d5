//! `/api/v1/verdicts`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::input::Body;
use super::problem::{Answer, NoIndex, Problem};
use crate::app::App;
use crate::people::Caller;
use crate::secret::SecretText;
use crate::tenants;
use crate::verdicts::{self, Form, Headers, Parts, TryError, Verdict};

/// A request in one of three forms.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Try {
    /// The text of an HTTP/1.1 request, with line ends of any kind.
    pub(crate) raw: Option<SecretText>,
    /// A `curl` command. Nothing is read from files.
    pub(crate) curl: Option<SecretText>,
    /// `GET`, or `POST` with a body, when absent.
    pub(crate) method: Option<String>,
    /// Absolute, or a path.
    pub(crate) url: Option<SecretText>,
    /// A name has a value, or several.
    pub(crate) headers: Option<Headers>,
    pub(crate) body: Option<SecretText>,
}

/// Whoever waits longer for a turn had better come again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads only: what was sent is judged and forgotten.
pub(crate) async fn judge(State(app): State<Arc<App>>, caller: Caller, Body(asked): Body<Try>) -> Answer<Json<Verdict>> {
    let form = asked.form()?;
    let request = form.parse().map_err(|error| Problem::Invalid { field: form.field(), detail: error.to_string() })?;
    let tenant = caller.tenant.id;
    if !tenants::is_on(&mut *app.store.read().await?, tenant).await? {
        return Err(Problem::ModuleOff);
    }
    let missing = if app.publisher.proves() { NoIndex::Unproved } else { NoIndex::NoModule };
    let trial = app.publisher.trial(tenant).ok_or(Problem::NoIndex(missing))?;
    let turn = tokio::time::timeout(PATIENCE, app.trying.acquire()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or(Problem::Busy { what: "requests are being tried" })?;
    verdicts::judge(&app, tenant, trial, form, request, turn).await.map(Json).map_err(|error| match error {
        TryError::Store(error) => Problem::Store(error),
        error => Problem::Internal(error.into()),
    })
}

impl Try {
    fn form(self) -> Answer<Form> {
        let refuse = |field, detail: &str| Err(Problem::Invalid { field, detail: detail.to_owned() });
        let has_parts = self.method.is_some() || self.headers.is_some() || self.body.is_some();
        match (self.raw, self.curl, self.url) {
            (Some(SecretText(raw)), None, None) if !has_parts => Ok(Form::Raw(raw)),
            (None, Some(SecretText(curl)), None) if !has_parts => Ok(Form::Curl(curl)),
            (None, None, Some(SecretText(url))) => Ok(Form::Parts(Parts {
                method: self.method,
                url,
                headers: self.headers.unwrap_or_default(),
                body: self.body.map(|SecretText(body)| body),
            })),
            (None, None, None) => refuse("url", "is missing; send `raw`, `curl`, or `url` with method, headers and body"),
            _ => refuse("raw", "send one of `raw`, `curl` and `url`, and method, headers and body only with `url`"),
        }
    }
}
