//! Changes of a leak that no gateway has to know of: its title, whose it is, and how bad a person says it is.

use serde_json::json;
use stopleak_contract::index::LeakNumber;
use stopleak_detector::Risk;

use super::decide::{Action, Request};
use super::list::summary;
use super::record::{Asked, Carrier, Origin, RecordError, current, take};
use crate::audit;
use crate::people::Caller;
use crate::store::Store;
use crate::time::Time;

/// What is to be changed; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit<'a> {
    /// What people call it.
    pub title: Option<&'a str>,
    /// Whose it is; empty: nobody's.
    pub assignee: Option<&'a str>,
    /// How bad it is; on record as a decision.
    pub risk: Option<Risk>,
}

/// Why nothing was changed.
pub type EditError = RecordError;

/// Changes the leak, when it has not changed since the author saw it.
pub async fn edit(
    store: &Store,
    caller: &Caller,
    leak: LeakNumber,
    edit: &Edit<'_>,
    expected: Option<i64>,
    now: Time,
) -> Result<(), EditError> {
    let tenant = caller.tenant.id;
    let mut db = store.write().await?;
    let found = current(&mut db, tenant, leak).await?.ok_or(RecordError::NoSuchLeak)?;
    if expected.is_some_and(|version| version != found.version) {
        return Err(RecordError::Changed(Box::new(found)));
    }
    if edit.title.is_some() || edit.assignee.is_some() {
        let before = summary(&mut db, tenant, leak).await?;
        let done = sqlx::query(
            "UPDATE leaks SET title = coalesce($4, title), assignee = coalesce($5, assignee), updated_at = $6, version = version + 1
             WHERE tenant_id = $1 AND number = $2 AND version = $3",
        )
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(found.version)
        .bind(edit.title)
        .bind(edit.assignee)
        .bind(now)
        .execute(&mut *db)
        .await?;
        if done.rows_affected() == 0 {
            return Err(RecordError::Changed(Box::new(found)));
        }
        let after = json!({"title": edit.title, "assignee": edit.assignee});
        audit::record(&mut db, caller, "leak.change", &format!("leak/{leak}"), audit::seen(&before), Some(after)).await?;
    }
    if let Some(risk) = edit.risk {
        let request = Request { risk: Some(risk), ..Request::of(Action::SetRisk) };
        let asked = Asked::of(caller, Origin::Person, request);
        take(&mut db, tenant, leak, &asked, &mut Carrier::default(), now).await?;
    }
    db.commit().await?;
    Ok(())
}
