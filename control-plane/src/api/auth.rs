//! Who calls, and whether they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::Problem;
use crate::api_tokens::{self, Caller, Presented, Role};
use crate::app::App;
use crate::secret::{Purpose, Secret};
use crate::time::Time;

/// Anybody with an API token of the tenant: may read.
pub struct Reader(pub Caller);

/// An administrator: may change things.
pub struct Administrator(pub Caller);

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let secret = bearer(parts)?;
        let now = Time::now();
        let (presented, stale) = api_tokens::present(&mut *app.store.read().await?, &secret, now).await?;
        if let Some(id) = stale {
            note_use(app, id, now);
        }
        match presented {
            Presented::Known(caller) => Ok(Self(caller)),
            other => Err(Problem::Unauthenticated(refusal(&other, &secret))),
        }
    }
}

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Reader(caller) = Reader::from_request_parts(parts, app).await?;
        match caller.role {
            Role::Administrator => Ok(Self(caller)),
            Role::Analyst => Err(Problem::Forbidden),
        }
    }
}

fn bearer(parts: &Parts) -> Result<Secret, Problem> {
    let missing = || {
        Problem::Unauthenticated(
            "send an API token as `authorization: Bearer slk_…`; the first one is in the file admin-token of the data folder"
                .to_owned(),
        )
    };
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::presented(token)).ok_or_else(missing)
}

fn refusal(presented: &Presented, secret: &Secret) -> String {
    match presented {
        Presented::Expired(_) => "this API token has expired; use another".to_owned(),
        Presented::Revoked(_) => "this API token was revoked; use another".to_owned(),
        _ if secret.purpose() == Some(Purpose::Gateway) => {
            "this is a gateway's credential (slg_…); the API takes API tokens (slk_…)".to_owned()
        }
        _ => "this API token is not known here; the first one is in the file admin-token of the data folder".to_owned(),
    }
}

/// Nobody waits for this, and nothing depends on it.
fn note_use(app: &Arc<App>, id: i64, now: Time) {
    let store = app.store.clone();
    tokio::spawn(async move {
        let written = async {
            let mut db = store.write().await?;
            api_tokens::touch(&mut db, id, now).await?;
            db.commit().await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "the use of an API token was not written down");
        }
    });
}
