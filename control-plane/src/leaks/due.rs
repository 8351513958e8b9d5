//! What happens by itself: scheduled decisions, requests that lapse, patches, pauses and the observation of closed leaks that end, and
//! policies.
//!
//! The database says what is due, and whoever does it changes that in the same transaction: it is done once however many do this at
//! the same time, and at the next start when it was due meanwhile.

use std::sync::Arc;
use std::time::Duration;

use stopleak_contract::index::LeakNumber;

use super::closed::end_observation;
use super::decide::{Action, Request};
use super::pending::settle_due;
use super::record::{Asked, Carrier, Origin, RecordError, take};
use crate::app::App;
use crate::people::Caller;
use crate::store::Store;
use crate::tenants::TenantId;
use crate::time::Time;
use crate::{pauses, policies, tenants};

/// How late something may be. A look costs some reads of short indexes.
const STEP: Duration = Duration::from_secs(1);
/// Things that are done before the next look: others write in between anyway, but a stop need not wait for all of them.
const AT_ONCE: usize = 200;

/// Does what is due until the control plane stops.
pub async fn run(app: Arc<App>) {
    let mut tick = tokio::time::interval(STEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = policies::Watch::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = app.stopped() => return,
        }
        if let Err(error) = pass(&app, &mut watch, Time::now()).await {
            tracing::error!(%error, "what is due cannot be done; trying again");
        }
    }
}

/// Everything that is due now, up to a bound.
async fn pass(app: &App, watch: &mut policies::Watch, now: Time) -> Result<(), sqlx::Error> {
    for _ in 0..AT_ONCE {
        let Some((tenant, epoch)) = settle_due(&app.store, now).await? else { break };
        committed(app, tenant, epoch);
    }
    for _ in 0..AT_ONCE {
        let Some((tenant, epoch)) = expire_patch(&app.store, now).await? else { break };
        committed(app, tenant, epoch);
    }
    for _ in 0..AT_ONCE {
        let Some((tenant, epoch)) = end_observation(&app.store, now).await? else { break };
        app.committed(tenant, epoch);
    }
    while let Some((tenant, epoch)) = pauses::end_due(&app.store, now).await? {
        tracing::info!(epoch, "the pause is over: virtual patches block again");
        app.committed(tenant, epoch);
    }
    for (tenant, epoch) in policies::apply(&app.store, &app.own_rules(), watch, now).await? {
        app.committed(tenant, epoch);
    }
    Ok(())
}

/// Ends one patch whose time is over, when there is one.
async fn expire_patch(store: &Store, now: Time) -> Result<Option<(TenantId, Option<i64>)>, sqlx::Error> {
    const DUE: &str = "SELECT tenant_id, number FROM leaks WHERE patch_expires_at <= $1 ORDER BY patch_expires_at LIMIT 1";
    let due: Option<(TenantId, i64)> = sqlx::query_as(DUE).bind(now).fetch_optional(&mut *store.read().await?).await?;
    let Some((tenant, number)) = due else { return Ok(None) };
    let leak = LeakNumber::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let mut db = store.write().await?;
    // A decision that came in between may have given the patch another end, or none.
    let still: Option<i64> =
        sqlx::query_scalar("SELECT number FROM leaks WHERE tenant_id = $1 AND number = $2 AND patch_expires_at <= $3")
            .bind(tenant)
            .bind(number)
            .bind(now)
            .fetch_optional(&mut *db)
            .await?;
    if still.is_none() {
        return Ok(Some((tenant, None)));
    }
    // Whoever approved the patch approved its end too.
    let request = Request { approved: true, ..Request::of(Action::RemoveVirtualPatch) };
    let reason = Some("the time of the virtual patch is over");
    let caller = Caller::system("expiry", tenants::by_id(&mut db, tenant).await?);
    let asked = Asked { reason, ..Asked::of(&caller, Origin::Expiry, request) };
    let mut carrier = Carrier::default();
    match take(&mut db, tenant, leak, &asked, &mut carrier, now).await {
        Ok(_) => db.commit().await?,
        Err(RecordError::Store(error)) => return Err(error),
        // Somebody else was quicker.
        Err(_) => return Ok(Some((tenant, None))),
    }
    Ok(Some((tenant, carrier.new_epoch())))
}

fn committed(app: &App, tenant: TenantId, epoch: Option<i64>) {
    if let Some(epoch) = epoch {
        app.committed(tenant, epoch);
    }
}
