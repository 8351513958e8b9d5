//! Closed leaks are watched for a while: a token that was said to be dealt with, and is used, was not.
//!
//! How long, and whether use reopens the leak or raises an alarm, is the tenant's choice. While it goes on, the leak's tokens stand in
//! the index as observed ones; its end is a change of the index like any other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::decide::{Action, Request};
use super::record::{Asked, Carrier, Origin, RecordError, take};
use super::{LeakNumber, leak_id};
use crate::audit;
use crate::notifications::{self, Event, Used};
use crate::people::Caller;
use crate::store::{Connection, Store, number, text_enum};
use crate::tenants::{self, TenantId};
use crate::time::Time;

/// What becomes of closed leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClosedLeaks {
    /// For so many days after a leak is closed, its tokens are observed; 0: not at all.
    pub observe_days: u32,
    /// What happens when one of them is used.
    pub on_use: OnUse,
}

/// What happens when a token of a closed leak is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUse {
    /// The leak is open again.
    Reopen,
    /// The leak stays closed, says so, and channels are told.
    Alarm,
}

text_enum!(OnUse { Reopen = "reopen", Alarm = "alarm" });

/// The author of a decision to reopen a leak whose token was used.
pub const AUTHOR: &str = "use";
/// Leaks whose observation ends with one epoch: decisions wait meanwhile.
const AT_ONCE: i64 = 1_000;

/// What the tenant has chosen.
pub async fn closed_leaks(db: &mut Connection, tenant: TenantId) -> Result<ClosedLeaks, sqlx::Error> {
    let query = "SELECT closed_days, closed_use FROM tenants WHERE id = $1";
    let (days, on_use): (i64, OnUse) = sqlx::query_as(query).bind(tenant).fetch_one(db).await?;
    Ok(ClosedLeaks { observe_days: number(days)?, on_use })
}

/// Chooses. Leaks that are closed already keep the end that they have.
pub async fn choose_closed_leaks(store: &Store, caller: &Caller, wanted: ClosedLeaks) -> Result<(), sqlx::Error> {
    let tenant = caller.tenant.id;
    let mut db = store.write().await?;
    let before = closed_leaks(&mut db, tenant).await?;
    sqlx::query("UPDATE tenants SET closed_days = $2, closed_use = $3 WHERE id = $1")
        .bind(tenant)
        .bind(i64::from(wanted.observe_days))
        .bind(wanted.on_use)
        .execute(&mut *db)
        .await?;
    let [before, after] = [before, wanted].map(|chosen| Some(json!(chosen)));
    audit::record(&mut db, caller, "closed_leaks.change", "closed_leaks", before, after).await?;
    db.commit().await
}

/// Looks at uses of tokens whose leaks were closed just before, in the transaction that stores them; the new epoch, when a leak is open
/// again.
pub async fn used_after_close(
    db: &mut Connection,
    tenant: TenantId,
    uses: &[Used<'_>],
    now: Time,
) -> Result<Option<i64>, sqlx::Error> {
    let mut last: BTreeMap<LeakNumber, Used<'_>> = BTreeMap::new();
    for used in uses {
        let newest = last.entry(used.attempt.leak).or_insert(*used);
        if newest.attempt.last_seen_ms < used.attempt.last_seen_ms {
            *newest = *used;
        }
    }
    let mut again = Vec::new();
    for (leak, used) in last {
        let closed: Option<Time> = sqlx::query_scalar(
            "SELECT closed_at FROM leaks WHERE tenant_id = $1 AND number = $2 AND status = 'closed' AND observe_until > $3",
        )
        .bind(tenant)
        .bind(i64::from(leak))
        .bind(now)
        .fetch_optional(&mut *db)
        .await?;
        // What was seen before, and is reported late, was known to whoever closed it.
        if closed.is_some_and(|closed| closed < Time::from_millis(used.attempt.last_seen_ms)) {
            again.push(used);
        }
    }
    if again.is_empty() {
        return Ok(None);
    }
    match closed_leaks(db, tenant).await?.on_use {
        OnUse::Reopen => reopen(db, tenant, &again, now).await,
        OnUse::Alarm => raise_alarm(db, tenant, &again, now).await.map(|()| None),
    }
}

async fn reopen(db: &mut Connection, tenant: TenantId, uses: &[Used<'_>], now: Time) -> Result<Option<i64>, sqlx::Error> {
    let caller = Caller::system(AUTHOR, tenants::by_id(db, tenant).await?);
    let mut carrier = Carrier::default();
    for used in uses {
        // A gateway says who it was; nothing but an address is repeated.
        let client =
            used.attempt.client.parse().map_or_else(|_| "an unknown client".to_owned(), |client: IpAddr| client.to_string());
        let reason = format!("a token of it was used from {client} after it was closed");
        let asked = Asked::of(&caller, Origin::Regression, Request::of(Action::Reopen));
        let asked = Asked { reason: Some(reason.as_str()), ..asked };
        match take(db, tenant, used.attempt.leak, &asked, &mut carrier, now).await {
            Ok(_) => tracing::warn!(leak = leak_id(used.attempt.leak), "a closed leak's token was used: it is open again"),
            Err(RecordError::Store(error)) => return Err(error),
            Err(error) => tracing::debug!(leak = leak_id(used.attempt.leak), %error, "not reopened"),
        }
    }
    Ok(carrier.new_epoch())
}

async fn raise_alarm(db: &mut Connection, tenant: TenantId, uses: &[Used<'_>], now: Time) -> Result<(), sqlx::Error> {
    for used in uses {
        sqlx::query("UPDATE leaks SET used_closed_at = $3 WHERE tenant_id = $1 AND number = $2")
            .bind(tenant)
            .bind(i64::from(used.attempt.leak))
            .bind(now)
            .execute(&mut *db)
            .await?;
        tracing::warn!(leak = leak_id(used.attempt.leak), "a closed leak's token was used");
    }
    notifications::tell(db, tenant, &Event::UsedAgain(uses), now).await
}

/// When the tokens of a leak that a tenant closes now are not observed any more.
pub(super) async fn observe_until(db: &mut Connection, tenant: TenantId, now: Time) -> Result<Option<Time>, sqlx::Error> {
    let days = closed_leaks(db, tenant).await?.observe_days;
    Ok((days > 0).then(|| now.plus(Duration::from_hours(24 * u64::from(days)))))
}

/// Lets the tokens of leaks leave the index whose time is over, some of one tenant; the epoch that carries it.
pub(super) async fn end_observation(store: &Store, now: Time) -> Result<Option<(TenantId, i64)>, sqlx::Error> {
    const DUE: &str = "SELECT tenant_id FROM leaks WHERE observe_until <= $1 ORDER BY observe_until LIMIT 1";
    let due: Option<TenantId> = sqlx::query_scalar(DUE).bind(now).fetch_optional(&mut *store.read().await?).await?;
    let Some(tenant) = due else { return Ok(None) };
    let mut db = store.write().await?;
    let epoch = tenants::next_epoch(&mut db, tenant, now).await?;
    let ended = sqlx::query(
        "UPDATE leaks SET observe_until = NULL, observe_end = $3 WHERE tenant_id = $1 AND number IN
             (SELECT number FROM leaks WHERE tenant_id = $1 AND observe_until <= $2 ORDER BY observe_until LIMIT $4)",
    )
    .bind(tenant)
    .bind(now)
    .bind(epoch)
    .bind(AT_ONCE)
    .execute(&mut *db)
    .await?
    .rows_affected();
    // Another process was quicker: then there is no new epoch either.
    if ended == 0 {
        return Ok(None);
    }
    db.commit().await?;
    tracing::info!(leaks = ended, epoch, "closed leaks are not observed any more");
    Ok(Some((tenant, epoch)))
}
