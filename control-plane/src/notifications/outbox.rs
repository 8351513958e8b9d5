//! How an event becomes deliveries: in the transaction of the change, so that there are no messages of what did not happen, and none
//! is lost of what did.
//!
//! A scan may bring ten thousand leaks, and a leaked token may be used a thousand times a second. Neither is as many messages: what
//! happens while a delivery waits is added to it, and of a leak's attempts a channel hears once an hour.

use std::collections::BTreeMap;
use std::time::Duration;

use stopleak_detector::Risk;

use super::channels::topics;
use super::deliveries::remove_oldest;
use super::message::{Attempt, Decision, Facts, Item, LISTED};
use super::{Event, Topic, Used};
use crate::leaks::{LeakNumber, Origin, Status, stored_risk};
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// How long a delivery waits for company.
pub(super) const GATHER: Duration = Duration::from_secs(2);
/// A channel hears of one kind of event so often at most.
pub(super) const PACE: Duration = Duration::from_mins(1);
/// A channel hears of one leak's attempts so often at most.
const ATTEMPTS_PACE: Duration = Duration::from_hours(1);
/// Leaks of one batch of attempts whose channels are looked up: the batch is written under the lock that decisions wait for. A leak
/// beyond that is told of by the next batch that has it.
const LEAKS_AT_ONCE: usize = 50;
/// Tokens of a leak that are shown.
const PREVIEWS: i64 = 3;
/// Longest title, path and reason in a message.
const MAX_TEXT: usize = 300;

struct Wanting {
    channel: i64,
    topics: Vec<Topic>,
    min_risk: Risk,
}

/// One event of one leak.
struct Happening<'a> {
    topic: Topic,
    leak: LeakNumber,
    decision: Option<Decision>,
    used: Option<Used<'a>>,
}

/// Tells the channels that want to know. Costs one query when there are none, and nothing when nothing happened.
pub async fn tell(db: &mut Connection, tenant: TenantId, event: &Event<'_>, now: Time) -> Result<(), sqlx::Error> {
    if event.is_empty() {
        return Ok(());
    }
    let channels = channels(db, tenant).await?;
    let wanted = |topic: Topic| channels.iter().any(|channel| channel.topics.contains(&topic));
    let happenings: Vec<_> = happenings(event).into_iter().filter(|happening| wanted(happening.topic)).collect();
    let mut told: BTreeMap<(i64, Topic), Vec<Item>> = BTreeMap::new();
    for (position, happening) in happenings.into_iter().enumerate() {
        // Those who are not listed are counted.
        let Some(item) = item(db, tenant, &happening, position < LISTED).await? else { continue };
        for channel in channels.iter().filter(|channel| channel.wants(&happening, item.risk)) {
            if happening.used.is_none() || note_attempt(db, tenant, channel.channel, &happening, now).await? {
                told.entry((channel.channel, happening.topic)).or_default().push(item.clone());
            }
        }
    }
    let any = !told.is_empty();
    for ((channel, topic), items) in told {
        put(db, tenant, channel, topic, items, now).await?;
    }
    if any { remove_oldest(db, tenant).await } else { Ok(()) }
}

async fn channels(db: &mut Connection, tenant: TenantId) -> Result<Vec<Wanting>, sqlx::Error> {
    let query = "SELECT id, events, min_risk FROM notification_channels WHERE tenant_id = $1 AND enabled = 1 ORDER BY id";
    let rows: Vec<(i64, String, String)> = sqlx::query_as(query).bind(tenant).fetch_all(db).await?;
    let wanting = |(channel, events, min_risk): (i64, String, String)| {
        Ok(Wanting { channel, topics: topics(&events), min_risk: stored_risk(&min_risk)? })
    };
    rows.into_iter().map(wanting).collect()
}

fn happenings<'a>(event: &Event<'a>) -> Vec<Happening<'a>> {
    let each = |topic, leaks: &'a [LeakNumber]| {
        leaks.iter().map(|&leak| Happening { topic, leak, decision: None, used: None }).collect()
    };
    match *event {
        Event::Added(leaks) => each(Topic::LeakAdded, leaks),
        Event::Grown(leaks) => each(Topic::LeakGrown, leaks),
        Event::Decided { leak, action, author, reason, origin } => {
            let topic = if origin == Origin::Regression { Topic::LeakReopened } else { Topic::LeakDecided };
            let decision = Decision { action, author: author.to_owned(), reason: reason.map(cut) };
            vec![Happening { topic, leak, decision: Some(decision), used: None }]
        }
        Event::Attempts(uses) => first_of_leaks(uses, |used| Topic::of(used.outcome)),
        Event::NewClients(uses) => first_of_leaks(uses, |_| Topic::LeakNewClient),
        Event::UsedAgain(uses) => first_of_leaks(uses, |_| Topic::LeakUsedAgain),
    }
}

/// Of each leak the first use that is told in each topic.
fn first_of_leaks<'a>(uses: &[Used<'a>], topic: impl Fn(&Used<'a>) -> Topic) -> Vec<Happening<'a>> {
    let mut first = BTreeMap::new();
    for used in uses {
        first.entry((used.attempt.leak, topic(used))).or_insert(*used);
    }
    let first = first.into_iter().take(LEAKS_AT_ONCE);
    first.map(|((leak, topic), used)| Happening { topic, leak, decision: None, used: Some(used) }).collect()
}

impl Wanting {
    fn wants(&self, happening: &Happening<'_>, risk: Risk) -> bool {
        self.topics.contains(&happening.topic) && self.min_risk <= risk
    }
}

/// Whether the channel has not heard of this leak's attempts for a while; from now on it has.
async fn note_attempt(
    db: &mut Connection,
    tenant: TenantId,
    channel: i64,
    happening: &Happening<'_>,
    now: Time,
) -> Result<bool, sqlx::Error> {
    let since = Time::from_millis(now.as_millis().saturating_sub(u64::try_from(ATTEMPTS_PACE.as_millis()).unwrap_or(u64::MAX)));
    let done = sqlx::query(
        "INSERT INTO notification_attempts_told (tenant_id, event, leak, channel_id, told_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, event, leak, channel_id) DO UPDATE SET told_at = excluded.told_at
         WHERE notification_attempts_told.told_at <= $6 OR notification_attempts_told.told_at > $5",
    )
    .bind(tenant)
    .bind(happening.topic.as_str())
    .bind(i64::from(happening.leak))
    .bind(channel)
    .bind(now)
    .bind(since)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What there is to say of it; `None` when the leak is not there.
async fn item(
    db: &mut Connection,
    tenant: TenantId,
    happening: &Happening<'_>,
    listed: bool,
) -> Result<Option<Item>, sqlx::Error> {
    let row: Option<(String, String, Status, Option<Time>)> =
        sqlx::query_as("SELECT title, risk, status, patched_at FROM leaks WHERE tenant_id = $1 AND number = $2")
            .bind(tenant)
            .bind(i64::from(happening.leak))
            .fetch_optional(&mut *db)
            .await?;
    let Some((title, risk, status, patched_at)) = row else { return Ok(None) };
    let tokens = if listed {
        sqlx::query_scalar("SELECT preview FROM tokens WHERE tenant_id = $1 AND leak = $2 ORDER BY id LIMIT $3")
            .bind(tenant)
            .bind(i64::from(happening.leak))
            .bind(PREVIEWS)
            .fetch_all(&mut *db)
            .await?
    } else {
        Vec::new()
    };
    let attempt = match (&happening.used, listed) {
        (Some(used), true) => Some(attempt(db, tenant, used).await?),
        _ => None,
    };
    Ok(Some(Item {
        number: happening.leak,
        title: cut(&title),
        risk: stored_risk(&risk)?,
        status,
        virtual_patch: patched_at.is_some(),
        tokens,
        decision: happening.decision.clone(),
        attempt,
    }))
}

async fn attempt(db: &mut Connection, tenant: TenantId, used: &Used<'_>) -> Result<Attempt, sqlx::Error> {
    let gateway: Option<String> = sqlx::query_scalar("SELECT name FROM gateways WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(used.gateway)
        .fetch_optional(db)
        .await?;
    let [client, method, host, path] =
        [&used.attempt.client, &used.attempt.method, &used.attempt.host, &used.attempt.path].map(|text| cut(text));
    Ok(Attempt { client, method, host, path, gateway: gateway.unwrap_or_default(), count: used.attempt.count })
}

/// Adds to the delivery that waits, or makes one.
async fn put(
    db: &mut Connection,
    tenant: TenantId,
    channel: i64,
    topic: Topic,
    items: Vec<Item>,
    now: Time,
) -> Result<(), sqlx::Error> {
    let last: Option<(i64, Time, Time, String)> = sqlx::query_as(
        "SELECT id, created_at, next_at, body FROM notification_deliveries
         WHERE tenant_id = $1 AND channel_id = $2 AND event = $3 ORDER BY id DESC LIMIT 1",
    )
    .bind(tenant)
    .bind(channel)
    .bind(topic.as_str())
    .fetch_optional(&mut *db)
    .await?;
    if let Some((id, _, next_at, body)) = &last
        && *next_at > now
        // One that waits for longer is of a clock that was set back since.
        && *next_at <= now.plus(PACE).plus(GATHER)
        && let Ok(mut facts) = serde_json::from_str::<Facts>(body)
    {
        facts.take(items.clone());
        // Not when somebody has begun to send it, nor when another transaction has added to it since it was read.
        let taken = sqlx::query(
            "UPDATE notification_deliveries SET body = $3, risk = $4
             WHERE tenant_id = $1 AND id = $2 AND body = $5 AND status = 'waiting' AND tries = 0 AND claimed_until IS NULL",
        )
        .bind(tenant)
        .bind(id)
        .bind(json(&facts)?)
        .bind(facts.risk.as_str())
        .bind(body)
        .execute(&mut *db)
        .await?;
        if taken.rows_affected() == 1 {
            return Ok(());
        }
    }
    let facts = Facts::new(items);
    let paced = last.map(|(_, created_at, _, _)| created_at.min(now).plus(PACE));
    sqlx::query(
        "INSERT INTO notification_deliveries (tenant_id, channel_id, event, risk, body, status, next_at, created_at)
         VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7)",
    )
    .bind(tenant)
    .bind(channel)
    .bind(topic.as_str())
    .bind(facts.risk.as_str())
    .bind(json(&facts)?)
    .bind(paced.map_or(now.plus(GATHER), |paced| paced.max(now.plus(GATHER))))
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) fn json(facts: &Facts) -> Result<String, sqlx::Error> {
    serde_json::to_string(facts).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text).to_owned()
}
