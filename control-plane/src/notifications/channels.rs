//! Channels: where notifications go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stopleak_detector::Risk;

use super::Topic;
use crate::keys::Keys;
use crate::leaks::RiskName;
use crate::leaks::stored_risk;
use crate::sealed::{SealingKey, Unopenable};
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// A channel as people see it: without its address and its secret, which nobody is shown again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Channel {
    /// Its key.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// How it is reached.
    pub kind: Kind,
    /// The host of its address, or the recipients.
    pub summary: String,
    /// What it is told.
    pub events: Vec<Topic>,
    /// It is told of leaks of this risk and worse ones.
    #[schemars(with = "RiskName")]
    pub min_risk: Risk,
    /// Whether it is told at all.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// How a channel is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ChannelKind")]
pub enum Kind {
    /// By a signed POST of JSON.
    Webhook,
    /// By a message to an incoming webhook of Slack, or of what understands the same.
    Slack,
    /// By e-mail.
    Email,
}

/// Where exactly. Kept sealed: whoever knows the address of a Slack webhook can write there.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// Of a webhook.
    Webhook {
        /// Where it is.
        url: String,
        /// Signs what is sent.
        secret: String,
    },
    /// Of a Slack webhook.
    Slack {
        /// Where it is.
        url: String,
    },
    /// Of people.
    Email {
        /// Their addresses.
        recipients: Vec<String>,
    },
}

/// What of a channel can be changed beside its address.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What people call it.
    pub name: String,
    /// What it is told.
    pub events: Vec<Topic>,
    /// It is told of leaks of this risk and worse ones.
    pub min_risk: Risk,
    /// Whether it is told at all.
    pub enabled: bool,
}

/// A channel to be.
pub struct NewChannel {
    /// Its settings.
    pub settings: Settings,
    /// Its address.
    pub address: Address,
    /// What of the address may be shown.
    pub summary: String,
}

/// Why a channel was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The tenant has no such channel.
    #[error("no such channel")]
    NoSuchChannel,
    /// The tenant has another one of this name.
    #[error("there is a channel of this name")]
    NameTaken,
    /// The tenant has as many as it may.
    #[error("there are {MAX_CHANNELS} channels, and no more can be added")]
    TooMany,
    /// Its address cannot be read.
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
    /// The system gave no random bytes.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// Channels of one tenant: each may cost a message for each event.
const MAX_CHANNELS: i64 = 50;

type Row = (i64, String, String, String, String, String, i64, Time, Time);
const COLUMNS: &str = "id, name, kind, summary, events, min_risk, enabled, created_at, updated_at";

/// Adds a channel.
pub async fn add(
    db: &mut Connection,
    tenant: TenantId,
    key: &SealingKey,
    new: &NewChannel,
    now: Time,
) -> Result<Channel, ChannelError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM notification_channels WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_one(&mut *db)
        .await?;
    if count >= MAX_CHANNELS {
        return Err(ChannelError::TooMany);
    }
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO notification_channels (tenant_id, name, kind, sealed, summary, events, min_risk, enabled, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT (tenant_id, name) DO NOTHING RETURNING id",
    )
    .bind(tenant)
    .bind(&new.settings.name)
    .bind(new.address.kind().as_str())
    .bind(new.address.seal(key)?)
    .bind(&new.summary)
    .bind(names(&new.settings.events))
    .bind(new.settings.min_risk.as_str())
    .bind(i64::from(new.settings.enabled))
    .bind(now)
    .fetch_optional(&mut *db)
    .await?;
    let id = id.ok_or(ChannelError::NameTaken)?;
    get(db, tenant, id).await?.ok_or(ChannelError::NoSuchChannel)
}

/// The channels of a tenant.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<Channel>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM notification_channels WHERE tenant_id = $1 ORDER BY id");
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant).fetch_all(db).await?;
    rows.into_iter().map(Channel::of).collect()
}

/// One of them.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<Channel>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM notification_channels WHERE tenant_id = $1 AND id = $2");
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant).bind(id).fetch_optional(db).await?;
    row.map(Channel::of).transpose()
}

/// Where exactly a channel is.
pub(super) async fn address(db: &mut Connection, tenant: TenantId, key: &SealingKey, id: i64) -> Result<Address, ChannelError> {
    let row: Option<(String, Vec<u8>)> =
        sqlx::query_as("SELECT kind, sealed FROM notification_channels WHERE tenant_id = $1 AND id = $2")
            .bind(tenant)
            .bind(id)
            .fetch_optional(db)
            .await?;
    let (kind, sealed) = row.ok_or(ChannelError::NoSuchChannel)?;
    let opened = key.open(&purpose(&kind), &sealed)?;
    serde_json::from_slice(&opened).map_err(|_| ChannelError::Unopenable(Unopenable))
}

/// Changes a channel's settings and, when there is a new one, its address with what may be shown of it.
pub async fn update(
    db: &mut Connection,
    tenant: TenantId,
    key: &SealingKey,
    id: i64,
    settings: &Settings,
    address: Option<(&Address, &str)>,
    now: Time,
) -> Result<Channel, ChannelError> {
    let other: Option<i64> =
        sqlx::query_scalar("SELECT id FROM notification_channels WHERE tenant_id = $1 AND name = $2 AND id <> $3")
            .bind(tenant)
            .bind(&settings.name)
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
    if other.is_some() {
        return Err(ChannelError::NameTaken);
    }
    sqlx::query(
        "UPDATE notification_channels SET name = $3, events = $4, min_risk = $5, enabled = $6, updated_at = $7
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(&settings.name)
    .bind(names(&settings.events))
    .bind(settings.min_risk.as_str())
    .bind(i64::from(settings.enabled))
    .bind(now)
    .execute(&mut *db)
    .await?;
    if let Some((new, summary)) = address {
        match (new, self::address(db, tenant, key, id).await?) {
            // Who checks signatures goes on with the secret that they have.
            (Address::Webhook { url, .. }, Address::Webhook { secret, .. }) => {
                set_address(db, tenant, key, id, &Address::Webhook { url: url.clone(), secret }, summary).await?;
            }
            _ => set_address(db, tenant, key, id, new, summary).await?,
        }
    }
    get(db, tenant, id).await?.ok_or(ChannelError::NoSuchChannel)
}

/// Gives a webhook another secret. `None` when the channel is none.
pub async fn renew_secret(
    db: &mut Connection,
    tenant: TenantId,
    key: &SealingKey,
    id: i64,
    new: &str,
) -> Result<Option<Channel>, ChannelError> {
    let channel = get(db, tenant, id).await?.ok_or(ChannelError::NoSuchChannel)?;
    let Address::Webhook { url, .. } = address(db, tenant, key, id).await? else { return Ok(None) };
    let address = Address::Webhook { url, secret: new.to_owned() };
    set_address(db, tenant, key, id, &address, &channel.summary).await?;
    Ok(Some(channel))
}

/// Removes a channel with what was and what was to be sent to it. Whether there was one.
pub async fn remove(db: &mut Connection, tenant: TenantId, id: i64) -> Result<bool, sqlx::Error> {
    for query in [
        "DELETE FROM notification_deliveries WHERE tenant_id = $1 AND channel_id = $2",
        "DELETE FROM notification_attempts_told WHERE tenant_id = $1 AND channel_id = $2",
    ] {
        sqlx::query(query).bind(tenant).bind(id).execute(&mut *db).await?;
    }
    let query = "DELETE FROM notification_channels WHERE tenant_id = $1 AND id = $2";
    Ok(sqlx::query(query).bind(tenant).bind(id).execute(db).await?.rows_affected() == 1)
}

/// Seals every channel's address under the first key.
pub(crate) async fn reseal(db: &mut Connection, keys: &Keys) -> Result<(), ChannelError> {
    let channels: Vec<(TenantId, i64, String)> =
        sqlx::query_as("SELECT tenant_id, id, summary FROM notification_channels ORDER BY id").fetch_all(&mut *db).await?;
    for (tenant, id, summary) in channels {
        let key = keys.sealing(tenant);
        let address = address(db, tenant, &key, id).await?;
        set_address(db, tenant, &key, id, &address, &summary).await?;
    }
    Ok(())
}

async fn set_address(
    db: &mut Connection,
    tenant: TenantId,
    key: &SealingKey,
    id: i64,
    address: &Address,
    summary: &str,
) -> Result<(), ChannelError> {
    let query = "UPDATE notification_channels SET sealed = $4, summary = $5 WHERE tenant_id = $1 AND id = $2 AND kind = $3";
    let query = sqlx::query(query).bind(tenant).bind(id).bind(address.kind().as_str());
    let done = query.bind(address.seal(key)?).bind(summary).execute(db).await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(ChannelError::NoSuchChannel) }
}

impl Channel {
    fn of((id, name, kind, summary, events, min_risk, enabled, created_at, updated_at): Row) -> Result<Self, sqlx::Error> {
        let kind = Kind::parse(&kind).ok_or_else(|| sqlx::Error::Decode("unknown kind of channel".into()))?;
        let (min_risk, events) = (stored_risk(&min_risk)?, topics(&events));
        Ok(Self { id, name, kind, summary, events, min_risk, enabled: enabled == 1, created_at, updated_at })
    }
}

impl Kind {
    /// Its name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Email => "email",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Webhook, Self::Slack, Self::Email].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Address {
    const fn kind(&self) -> Kind {
        match self {
            Self::Webhook { .. } => Kind::Webhook,
            Self::Slack { .. } => Kind::Slack,
            Self::Email { .. } => Kind::Email,
        }
    }

    fn seal(&self, key: &SealingKey) -> Result<Vec<u8>, ChannelError> {
        let json = zeroize::Zeroizing::new(serde_json::to_vec(self).map_err(|error| sqlx::Error::Encode(error.into()))?);
        Ok(key.seal(&purpose(self.kind().as_str()), &json)?)
    }
}

fn purpose(kind: &str) -> String {
    format!("address of a notification channel: {kind}")
}

fn names(events: &[Topic]) -> String {
    events.iter().map(|topic| topic.as_str()).collect::<Vec<_>>().join(",")
}

/// A name that is not known is one of a newer version.
pub(super) fn topics(names: &str) -> Vec<Topic> {
    names.split(',').filter_map(Topic::parse).collect()
}
