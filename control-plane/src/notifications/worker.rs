//! Sends what is due.
//!
//! Any number of replicas may do so at once: each delivery is claimed for a while, and whoever dies with one leaves it to the next.

use std::sync::Arc;
use std::time::Duration;

use stopleak_detector::Risk;
use tokio::task::JoinSet;

use super::deliveries::{self, Claimed, Status};
use super::message::{Facts, Message};
use super::send::Outcome;
use super::{Topic, channels};
use crate::app::App;
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// A test that is written down and not sent yet.
pub struct Test(Claimed);

/// Deliveries under way at once.
const SLOTS: usize = 16;
/// How often the database is asked.
const STEP: Duration = Duration::from_secs(1);

/// Sends until the control plane stops.
pub async fn work(app: Arc<App>) {
    let mut tick = tokio::time::interval(STEP);
    let mut sending = JoinSet::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // A slot is free again.
            Some(_) = sending.join_next() => {}
            () = app.stopped() => break,
        }
        match claim(&app, SLOTS - sending.len(), Time::now()).await {
            Ok(claimed) => {
                for claimed in claimed {
                    sending.spawn(deliver(Arc::clone(&app), claimed, Time::now));
                }
            }
            Err(error) => tracing::error!(%error, "notifications cannot be sent; trying again"),
        }
    }
    // What does not end in time is sent again after the next start.
    while sending.join_next().await.is_some() {}
}

/// Sends what is due at that time, and returns how many there were.
pub async fn send_due(app: &Arc<App>, now: Time) -> Result<usize, sqlx::Error> {
    let mut count = 0;
    loop {
        let claimed = claim(app, SLOTS, now).await?;
        if claimed.is_empty() {
            return Ok(count);
        }
        count += claimed.len();
        let sending: JoinSet<_> = claimed.into_iter().map(|claimed| deliver(Arc::clone(app), claimed, move || now)).collect();
        sending.join_all().await;
    }
}

/// A message to a channel, however it is set; to be sent when the transaction has committed.
pub async fn test(db: &mut Connection, tenant: TenantId, channel: i64, now: Time) -> Result<Test, sqlx::Error> {
    let facts = Facts { count: 0, risk: Risk::Low, leaks: Vec::new() };
    deliveries::insert_test(db, tenant, channel, &facts, now).await.map(Test)
}

impl Test {
    /// The delivery's number.
    #[must_use]
    pub fn delivery(&self) -> i64 {
        self.0.id
    }

    /// Sends it once, also when whoever waits for that goes away.
    pub async fn send(self, app: &Arc<App>) {
        // A panic is logged by whoever catches it, and leaves the delivery to the workers.
        let _ = tokio::spawn(deliver(Arc::clone(app), self.0, Time::now)).await;
    }
}

async fn claim(app: &App, slots: usize, now: Time) -> Result<Vec<Claimed>, sqlx::Error> {
    // Most of the time there is nothing, and readers disturb nobody.
    if slots == 0 || !deliveries::any_due(&mut *app.store.read().await?, now).await? {
        return Ok(Vec::new());
    }
    let mut db = app.store.write().await?;
    let claimed = deliveries::claim(&mut db, i64::try_from(slots).unwrap_or(i64::MAX), now).await?;
    db.commit().await?;
    Ok(claimed)
}

async fn deliver(app: Arc<App>, claimed: Claimed, clock: impl Fn() -> Time) {
    let outcome = attempt(&app, &claimed, clock()).await;
    let (delivery, channel, tries) = (claimed.id, claimed.channel, claimed.tries);
    let finish = async {
        let mut db = app.store.write().await?;
        let status = deliveries::finish(&mut db, &claimed, &outcome, clock()).await?;
        db.commit().await?;
        Ok::<_, sqlx::Error>(status)
    };
    match (finish.await, &outcome.error) {
        (Ok(Status::Delivered), _) => tracing::info!(delivery, channel, tries, "notification delivered"),
        (Ok(Status::Dead), error) => tracing::warn!(delivery, channel, tries, error, "notification given up"),
        (Ok(Status::Waiting), error) => tracing::info!(delivery, channel, tries, error, "notification not delivered yet"),
        (Err(error), _) => {
            tracing::error!(delivery, %error, "what became of a notification was not written down; it is sent again");
        }
    }
}

async fn attempt(app: &Arc<App>, claimed: &Claimed, now: Time) -> Outcome {
    let failed = |error: String| Outcome { answer: None, error: Some(error) };
    let reading = async {
        let mut db = app.store.read().await.map_err(channels::ChannelError::from)?;
        let key = app.keys.sealing(claimed.tenant);
        let address = channels::address(&mut db, claimed.tenant, &key, claimed.channel).await?;
        let tenant: String =
            sqlx::query_scalar("SELECT name FROM tenants WHERE id = $1").bind(claimed.tenant).fetch_one(&mut *db).await?;
        Ok::<_, channels::ChannelError>((address, tenant))
    };
    let (address, tenant) = match reading.await {
        Ok(read) => read,
        Err(error) => return failed(error.to_string()),
    };
    let Ok(facts) = serde_json::from_str::<Facts>(&claimed.body) else {
        return failed("the message in the database cannot be read".to_owned());
    };
    let (app, delivery, topic, created_at) = (Arc::clone(app), claimed.id, Topic::parse(&claimed.event), claimed.created_at);
    let sending = tokio::task::spawn_blocking(move || {
        let public_url = app.notifications.public_url.as_deref();
        let message = Message { delivery, topic, tenant: &tenant, created_at, facts: &facts, public_url };
        app.notifications.send(&address, &message, now)
    });
    sending.await.unwrap_or_else(|_| failed("sending broke off by a defect".to_owned()))
}
