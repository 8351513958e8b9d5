//! `/api/v1/notifications`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stopleak_detector::Risk;

use super::input::{Asked, Body, IdInPath, IfMatchTag, line};
use super::output::{Accepted, Created, Once, Tagged, tag};
use super::page::{Page, has, history_query, list_query};
use super::problem::{Answer, Problem};
use crate::app::App;
use crate::audit;
use crate::leaks::RiskName;
use crate::notifications::{
    self, Address, Channel, ChannelError, DeliveryView, Filter, Kind, NewChannel, Settings, Status, Topic,
};
use crate::outbound;
use crate::people::Caller;
use crate::secret::{Purpose, Secret, SecretText};
use crate::time::Time;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddChannel {
    /// What people call it.
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Of a webhook.
    pub(crate) url: Option<SecretText>,
    /// Of e-mail.
    #[schemars(length(min = 1, max = MAX_RECIPIENTS))]
    pub(crate) recipients: Option<Vec<String>>,
    /// All when absent.
    #[schemars(length(min = 1))]
    pub(crate) events: Option<Vec<Topic>>,
    /// Low when absent.
    #[schemars(with = "Option<RiskName>")]
    pub(crate) min_risk: Option<Risk>,
    /// True when absent.
    pub(crate) enabled: Option<bool>,
}

/// What is absent stays as it is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeChannel {
    #[schemars(length(min = 1, max = MAX_NAME))]
    pub(crate) name: Option<String>,
    pub(crate) url: Option<SecretText>,
    #[schemars(length(min = 1, max = MAX_RECIPIENTS))]
    pub(crate) recipients: Option<Vec<String>>,
    #[schemars(length(min = 1))]
    pub(crate) events: Option<Vec<Topic>>,
    #[schemars(with = "Option<RiskName>")]
    pub(crate) min_risk: Option<Risk>,
    pub(crate) enabled: Option<bool>,
}

history_query! {
    pub(super) struct ListDeliveries by "id" {
        /// To the channel with this `id`.
        channel: Option<i64>,
        status: Option<Status>,
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ChannelList {
    channels: Vec<Channel>,
    /// What to give as `cursor` for the next page.
    next: Option<String>,
}

list_query! {
    pub(super) struct ListChannels by ["name", "id", "kind", "created_at", "updated_at"] {
        /// A part of the name, in any case.
        text: Option<String>,
        kind: Option<Kind>,
        enabled: Option<bool>,
    }
}

/// The only answers with a secret.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ChannelWithSecret {
    #[serde(flatten)]
    pub(crate) channel: Channel,
    /// Signs what a webhook gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct DeliveryList {
    deliveries: Vec<DeliveryView>,
    /// What to give as `cursor` for the next page.
    next: Option<i64>,
}

const MAX_NAME: usize = 100;
/// Each costs the mail server a copy of every message.
const MAX_RECIPIENTS: usize = 20;
const NO_CHANNEL: Problem = Problem::NotFound { what: "channel" };
const NO_DELIVERY: Problem = Problem::NotFound { what: "delivery" };

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(asked): Body<AddChannel>,
) -> Answer<Created<ChannelWithSecret>> {
    let settings = Settings {
        name: line("name", &asked.name, MAX_NAME)?,
        events: events(asked.events.unwrap_or_else(|| Topic::ALL.to_vec()))?,
        min_risk: asked.min_risk.unwrap_or(Risk::Low),
        enabled: asked.enabled.unwrap_or(true),
    };
    let (address, summary) = address(&app, asked.kind, asked.url, asked.recipients)?
        .ok_or_else(|| invalid(if asked.kind == Kind::Email { "recipients" } else { "url" }, "is missing"))?;
    let secret = match &address {
        Address::Webhook { secret, .. } => Some(secret.clone()),
        Address::Slack { .. } | Address::Email { .. } => None,
    };
    let (tenant, new) = (caller.tenant.id, NewChannel { settings, address, summary });
    let mut db = app.store.write().await?;
    let channel = notifications::add(&mut db, tenant, &app.keys.sealing(tenant), &new, Time::now()).await?;
    audit::record(&mut db, &caller, "channel.add", &object(channel.id), None, audit::seen(&channel)).await?;
    db.commit().await?;
    tracing::info!(channel = channel.id, kind = channel.kind.as_str(), author = caller.name, "notification channel added");
    let location = format!("/api/v1/notifications/channels/{}", channel.id);
    Ok(Created::at(location, ChannelWithSecret { channel, secret }).once())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListChannels>,
) -> Answer<Json<ChannelList>> {
    let mut channels = notifications::list(&mut *app.store.read().await?, caller.tenant.id).await?;
    channels.retain(|channel| {
        has(&channel.name, asked.text.as_deref())
            && asked.kind.is_none_or(|kind| channel.kind == kind)
            && asked.enabled.is_none_or(|enabled| channel.enabled == enabled)
    });
    let Page { items: channels, next } = asked.page().of(channels)?;
    Ok(Json(ChannelList { channels, next }))
}

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Tagged<Channel>> {
    let channel = notifications::get(&mut *app.store.read().await?, caller.tenant.id, id).await?;
    channel.map(Tagged::new).ok_or(NO_CHANNEL)
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
    seen: IfMatchTag,
    Body(asked): Body<ChangeChannel>,
) -> Answer<Tagged<Channel>> {
    let tenant = caller.tenant.id;
    let mut db = app.store.write().await?;
    let old = notifications::get(&mut db, tenant, id).await?.ok_or(NO_CHANNEL)?;
    seen.holds(&tag(&old))?;
    let before = audit::seen(&old);
    let settings = Settings {
        name: asked.name.map_or(Ok(old.name), |name| line("name", &name, MAX_NAME))?,
        events: asked.events.map_or(Ok(old.events), events)?,
        min_risk: asked.min_risk.unwrap_or(old.min_risk),
        enabled: asked.enabled.unwrap_or(old.enabled),
    };
    let new = address(&app, old.kind, asked.url, asked.recipients)?;
    let new = new.as_ref().map(|(address, summary)| (address, summary.as_str()));
    let channel = notifications::update(&mut db, tenant, &app.keys.sealing(tenant), id, &settings, new, Time::now()).await?;
    audit::record(&mut db, &caller, "channel.change", &object(id), before, audit::seen(&channel)).await?;
    db.commit().await?;
    tracing::info!(channel = id, author = caller.name, "notification channel changed");
    Ok(Tagged::new(channel))
}

pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<NoContent> {
    let mut db = app.store.write().await?;
    let before = notifications::get(&mut db, caller.tenant.id, id).await?.ok_or(NO_CHANNEL)?;
    notifications::remove(&mut db, caller.tenant.id, id).await?;
    audit::record(&mut db, &caller, "channel.remove", &object(id), audit::seen(&before), Some(json!({"removed": true}))).await?;
    db.commit().await?;
    tracing::info!(channel = id, author = caller.name, "notification channel removed");
    Ok(NoContent)
}

/// Gives a webhook another secret; the old one is of no use from now on.
pub(super) async fn renew_secret(
    State(app): State<Arc<App>>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Answer<Once<ChannelWithSecret>> {
    let (tenant, secret) = (caller.tenant.id, new_secret()?);
    let mut db = app.store.write().await?;
    let channel = notifications::renew_secret(&mut db, tenant, &app.keys.sealing(tenant), id, &secret).await?;
    let channel = channel.ok_or_else(|| invalid("kind", "only a webhook has a secret"))?;
    audit::record(&mut db, &caller, "channel.renew_secret", &object(id), None, audit::seen(&channel)).await?;
    db.commit().await?;
    tracing::info!(channel = id, author = caller.name, "secret of a notification channel renewed");
    Ok(Once(ChannelWithSecret { channel, secret: Some(secret) }))
}

/// Answers when the message has arrived or has not: the delivery says which.
pub(crate) async fn test(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<DeliveryView>> {
    let _turn = app.notifications.testing.try_acquire().map_err(|_| Problem::Busy { what: "channels are being tested" })?;
    let mut db = app.store.write().await?;
    notifications::get(&mut db, caller.tenant.id, id).await?.ok_or(NO_CHANNEL)?;
    let test = notifications::test(&mut db, caller.tenant.id, id, Time::now()).await?;
    let delivery = test.delivery();
    audit::record(&mut db, &caller, "channel.test", &object(id), None, Some(json!({"delivery": delivery}))).await?;
    db.commit().await?;
    test.send(&app).await;
    find(&app, &caller, delivery).await.map(Json)
}

pub(super) async fn deliveries(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ListDeliveries>,
) -> Answer<Json<DeliveryList>> {
    let page = asked.page()?;
    let filter = Filter { channel: asked.channel, status: asked.status, page };
    let deliveries = notifications::list_deliveries(&mut *app.store.read().await?, caller.tenant.id, &filter).await?;
    let next = page.next(&deliveries, |delivery| delivery.id);
    Ok(Json(DeliveryList { deliveries, next }))
}

pub(super) async fn delivery(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Json<DeliveryView>> {
    find(&app, &caller, id).await.map(Json)
}

/// 202 when the dead delivery is sent again.
pub(super) async fn retry(State(app): State<Arc<App>>, caller: Caller, IdInPath(id): IdInPath) -> Answer<Accepted<DeliveryView>> {
    let mut db = app.store.write().await?;
    match notifications::retry(&mut db, caller.tenant.id, id, Time::now()).await? {
        None => return Err(NO_DELIVERY),
        Some(false) => return Err(Problem::NotDead),
        Some(true) => {
            let after = notifications::find_delivery(&mut db, caller.tenant.id, id).await?;
            audit::record(&mut db, &caller, "delivery.retry", &format!("delivery/{id}"), None, audit::seen(&after)).await?;
            db.commit().await?;
        }
    }
    let delivery = find(&app, &caller, id).await?;
    Ok(Accepted::new(delivery))
}

async fn find(app: &App, caller: &Caller, id: i64) -> Answer<DeliveryView> {
    notifications::find_delivery(&mut *app.store.read().await?, caller.tenant.id, id).await?.ok_or(NO_DELIVERY)
}

/// Reads the part that says where the channel is; `None` when it is not given. Returns too what may be shown of it.
fn address(app: &App, kind: Kind, url: Option<SecretText>, recipients: Option<Vec<String>>) -> Answer<Option<(Address, String)>> {
    match (kind, url, recipients) {
        (_, None, None) => Ok(None),
        (Kind::Email, None, Some(recipients)) => email(app, &recipients).map(Some),
        (Kind::Email, Some(_), _) => Err(invalid("url", "belongs to webhook and slack; e-mail has \"recipients\"")),
        (_, _, Some(_)) => Err(invalid("recipients", "belong to e-mail; webhook and slack have \"url\"")),
        (_, Some(SecretText(url)), None) => {
            let url = url.trim().to_owned();
            let (_, host) = outbound::check(&url, app.notifications.destinations)
                .map_err(|error| Problem::Invalid { field: "url", detail: error.to_string() })?;
            let address = match kind {
                Kind::Slack => Address::Slack { url },
                _ => Address::Webhook { url, secret: new_secret()? },
            };
            Ok(Some((address, host)))
        }
    }
}

fn email(app: &App, recipients: &[String]) -> Answer<(Address, String)> {
    if !app.notifications.has_mail() {
        return Err(invalid("kind", "is email, and the server's configuration has no [smtp]"));
    }
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        return Err(invalid("recipients", "has none or too many: 1 to 20 addresses"));
    }
    let recipients: Vec<String> = recipients.iter().map(|recipient| recipient.trim().to_owned()).collect();
    if recipients.iter().any(|recipient| recipient.parse::<lettre::Address>().is_err()) {
        return Err(invalid("recipients", "has what is no address such as security@example.com"));
    }
    let summary = recipients.join(", ");
    Ok((Address::Email { recipients }, summary))
}

fn events(mut events: Vec<Topic>) -> Answer<Vec<Topic>> {
    events.sort_unstable();
    events.dedup();
    if events.is_empty() { Err(invalid("events", "is empty; to be told nothing, set \"enabled\": false")) } else { Ok(events) }
}

fn object(channel: i64) -> String {
    format!("channel/{channel}")
}

fn new_secret() -> Answer<String> {
    match Secret::generate(Purpose::Webhook) {
        Ok(secret) => Ok(secret.expose().to_owned()),
        Err(error) => Err(Problem::Internal(anyhow::Error::msg(error.to_string()))),
    }
}

fn invalid(field: &'static str, detail: &str) -> Problem {
    Problem::Invalid { field, detail: detail.to_owned() }
}

impl From<ChannelError> for Problem {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::NoSuchChannel => NO_CHANNEL,
            ChannelError::NameTaken => Self::NameTaken { what: "channel" },
            ChannelError::TooMany => Self::Invalid { field: "name", detail: error.to_string() },
            ChannelError::Store(error) => Self::Store(error),
            ChannelError::Unopenable(_) | ChannelError::Random(_) => Self::Internal(error.into()),
        }
    }
}
