//! Deliveries: what is to be sent, and the history of what was.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::message::Facts;
use super::outbox::json;
use super::send::Outcome;
use crate::leaks::RiskName;
use crate::store::{Connection, Page, Sql};
use crate::tenants::TenantId;
use crate::time::Time;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "DeliveryStatus")]
pub enum Status {
    /// To be sent, perhaps again.
    Waiting,
    /// It arrived.
    Delivered,
    /// It did not, and is not tried any more.
    Dead,
}

/// A delivery as people see it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub struct DeliveryView {
    /// Its key; receivers get it too.
    pub id: i64,
    /// The channel's key.
    pub channel: i64,
    /// The channel's name.
    pub channel_name: String,
    /// What it tells, or `test`.
    pub event: String,
    /// The worst risk of its leaks.
    #[schemars(with = "RiskName")]
    pub risk: String,
    /// Where it stands.
    #[schemars(with = "Status")]
    pub status: String,
    /// How often it was sent.
    pub tries: i64,
    /// When it is sent next.
    pub next_at: Option<Time>,
    /// Why the last try did not work.
    pub error: Option<String>,
    /// The HTTP status of the last answer.
    pub answer: Option<i64>,
    /// When it happened.
    pub created_at: Time,
    /// When it arrived, or was given up.
    pub finished_at: Option<Time>,
    /// What it tells of which leaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub facts: Option<Box<RawValue>>,
}

/// Which deliveries are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// To this channel.
    pub channel: Option<i64>,
    /// That stand there.
    pub status: Option<Status>,
    /// By their `id`.
    pub page: Page,
}

/// A delivery that this worker sends.
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) tenant: TenantId,
    pub(super) channel: i64,
    pub(super) event: String,
    pub(super) body: String,
    pub(super) tries: i64,
    pub(super) created_at: Time,
    /// Another worker takes it then.
    until: Time,
}

/// How long a worker has for one delivery: more than any way of sending takes.
const LEASE: Duration = Duration::from_mins(2);
/// After the first try, the second, and so on; then it is dead. A receiver may be away for most of a day.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(6),
    Duration::from_hours(12),
];
/// No delivery waits for longer: one that does was written down before the clock was set back.
const FAR: Duration = Duration::from_hours(48);
/// Deliveries that are kept of one tenant: some 20 MB.
const MAX_DELIVERIES: i64 = 10_000;

type ClaimedRow = (i64, TenantId, i64, String, String, i64, Time);

/// Takes up to so many deliveries that are due, one for each channel: a channel that does not answer holds up no other.
pub(super) async fn claim(db: &mut Connection, slots: i64, now: Time) -> Result<Vec<Claimed>, sqlx::Error> {
    let claimed_until = now.plus(LEASE);
    // The conditions stand once more outside: another replica may have claimed the row since the inner query saw it.
    let rows: Vec<ClaimedRow> = sqlx::query_as(
        "UPDATE notification_deliveries SET claimed_until = $1, tries = tries + 1
         WHERE id IN (
             SELECT MIN(d.id) FROM notification_deliveries d JOIN notification_channels c ON c.id = d.channel_id
             WHERE d.status = 'waiting' AND (d.next_at <= $2 OR d.next_at > $4) AND c.enabled = 1 AND NOT EXISTS (
                 SELECT 1 FROM notification_deliveries o
                 WHERE o.channel_id = d.channel_id AND o.status = 'waiting' AND o.claimed_until > $2 AND o.claimed_until <= $4
             )
             GROUP BY d.channel_id ORDER BY MIN(d.next_at) LIMIT $3
         ) AND status = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $2 OR claimed_until > $4)
         RETURNING id, tenant_id, channel_id, event, body, tries, created_at",
    )
    .bind(claimed_until)
    .bind(now)
    .bind(slots)
    .bind(now.plus(FAR))
    .fetch_all(db)
    .await?;
    let claimed = |(id, tenant, channel, event, body, tries, created_at)| Claimed {
        id,
        tenant,
        channel,
        event,
        body,
        tries,
        created_at,
        until: claimed_until,
    };
    Ok(rows.into_iter().map(claimed).collect())
}

/// Whether something is due: cheaper to ask than [`claim`].
pub(super) async fn any_due(db: &mut Connection, now: Time) -> Result<bool, sqlx::Error> {
    let query = "SELECT d.id FROM notification_deliveries d JOIN notification_channels c ON c.id = d.channel_id
         WHERE d.status = 'waiting' AND (d.next_at <= $1 OR d.next_at > $2) AND c.enabled = 1
           AND (d.claimed_until IS NULL OR d.claimed_until <= $1 OR d.claimed_until > $2) LIMIT 1";
    let due: Option<i64> = sqlx::query_scalar(query).bind(now).bind(now.plus(FAR)).fetch_optional(db).await?;
    Ok(due.is_some())
}

/// A delivery that tests a channel, claimed by whoever asked for it.
pub(super) async fn insert_test(
    db: &mut Connection,
    tenant: TenantId,
    channel: i64,
    facts: &Facts,
    now: Time,
) -> Result<Claimed, sqlx::Error> {
    let (event, body, claimed_until) = ("test".to_owned(), json(facts)?, now.plus(LEASE));
    let id = sqlx::query_scalar(
        "INSERT INTO notification_deliveries
             (tenant_id, channel_id, event, risk, body, status, tries, next_at, claimed_until, created_at)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 1, $6, $7, $6) RETURNING id",
    )
    .bind(tenant)
    .bind(channel)
    .bind(&event)
    .bind(facts.risk.as_str())
    .bind(&body)
    .bind(now)
    .bind(claimed_until)
    .fetch_one(&mut *db)
    .await?;
    remove_oldest(db, tenant).await?;
    Ok(Claimed { id, tenant, channel, event, body, tries: 1, created_at: now, until: claimed_until })
}

/// Writes down what became of a try. Nothing is written when another worker has taken the delivery meanwhile.
pub(super) async fn finish(db: &mut Connection, claimed: &Claimed, outcome: &Outcome, now: Time) -> Result<Status, sqlx::Error> {
    let pause = usize::try_from(claimed.tries - 1).ok().and_then(|tried| PAUSES.get(tried));
    let (status, next_at) = match (&outcome.error, pause) {
        (None, _) => (Status::Delivered, now),
        // Whoever tests a channel has the answer, and tries again themselves.
        (Some(_), Some(&pause)) if !claimed.is_test() => (Status::Waiting, now.plus(pause)),
        (Some(_), _) => (Status::Dead, now),
    };
    sqlx::query(
        "UPDATE notification_deliveries
         SET status = $4, next_at = $5, claimed_until = NULL, last_error = $6, last_status = $7, finished_at = $8
         WHERE tenant_id = $1 AND id = $2 AND status = 'waiting' AND claimed_until = $3",
    )
    .bind(claimed.tenant)
    .bind(claimed.id)
    .bind(claimed.until)
    .bind(status.as_str())
    .bind(next_at)
    .bind(&outcome.error)
    .bind(outcome.answer)
    .bind((status != Status::Waiting).then_some(now))
    .execute(db)
    .await?;
    Ok(status)
}

/// Sends a dead delivery again, as if it were new. `None` when there is none of this number, `false` when it is not dead.
pub async fn retry(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<Option<bool>, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE notification_deliveries SET status = 'waiting', tries = 0, next_at = $3, finished_at = NULL
         WHERE tenant_id = $1 AND id = $2 AND status = 'dead' AND event <> 'test'",
    )
    .bind(tenant)
    .bind(id)
    .bind(now)
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Some(true));
    }
    Ok(find(db, tenant, id).await?.map(|_| false))
}

const DELIVERIES: &str =
    "SELECT d.id, d.channel_id, c.name, d.event, d.risk, d.status, d.tries, d.next_at, d.last_error, d.last_status,
     d.created_at, d.finished_at
     FROM notification_deliveries d JOIN notification_channels c ON c.id = d.channel_id WHERE d.tenant_id = ";
type Row = (i64, i64, String, String, String, String, i64, Time, Option<String>, Option<i64>, Time, Option<Time>);

/// The deliveries that the filter wants.
pub async fn list(db: &mut Connection, tenant: TenantId, filter: &Filter) -> Result<Vec<DeliveryView>, sqlx::Error> {
    let mut sql = Sql::new(DELIVERIES);
    sql.int(tenant.0);
    if let Some(channel) = filter.channel {
        sql.push(" AND d.channel_id = ").int(channel);
    }
    if let Some(status) = filter.status {
        sql.push(" AND d.status = ").text(status.as_str());
    }
    sql.page("d.id", &filter.page);
    let rows: Vec<Row> = sql.fetch_all(db).await?;
    Ok(rows.into_iter().map(DeliveryView::of).collect())
}

/// One of them, with its facts.
pub async fn find(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<DeliveryView>, sqlx::Error> {
    let mut sql = Sql::new(DELIVERIES);
    sql.int(tenant.0).push(" AND d.id = ").int(id);
    let Some(row) = sql.fetch_all::<Row>(&mut *db).await?.pop() else { return Ok(None) };
    let body: String = sqlx::query_scalar("SELECT body FROM notification_deliveries WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .fetch_one(db)
        .await?;
    // Written by this program as JSON; what somebody else broke is left out.
    Ok(Some(DeliveryView { facts: RawValue::from_string(body).ok(), ..DeliveryView::of(row) }))
}

/// The history has an end.
pub(super) async fn remove_oldest(db: &mut Connection, tenant: TenantId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM notification_deliveries WHERE tenant_id = $1 AND id <= (
             SELECT id FROM notification_deliveries WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2
         )",
    )
    .bind(tenant)
    .bind(MAX_DELIVERIES)
    .execute(db)
    .await?;
    Ok(())
}

impl Status {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl Claimed {
    pub(super) fn is_test(&self) -> bool {
        self.event == "test"
    }
}

impl DeliveryView {
    fn of((id, channel, channel_name, event, risk, status, tries, next_at, error, answer, created_at, finished_at): Row) -> Self {
        let next_at = (status == Status::Waiting.as_str()).then_some(next_at);
        Self {
            id,
            channel,
            channel_name,
            event,
            risk,
            status,
            tries,
            next_at,
            error,
            answer,
            created_at,
            finished_at,
            facts: None,
        }
    }
}
