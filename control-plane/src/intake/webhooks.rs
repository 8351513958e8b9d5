//! Webhooks: names under which others may send reports, each with a secret that its deliveries are signed with.
//!
//! The secret is derived of a stored nonce and of a key that is not in the database, so that a stolen database lets nobody sign.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Delivery, IntakeError, NotGenuine, Receipt, take};
use crate::app::App;
use crate::audit;
use crate::findings::Target;
use crate::imports::report::{self, Lack, Reported, Sink};
use crate::imports::{ReportError, taking};
use crate::keys::{Keys, TenantKeys};
use crate::people::Caller;
use crate::secret::{Purpose, Secret};
use crate::signature::{self, Signature};
use crate::sources;
use crate::store::Connection;
use crate::tenants::{Tenant, TenantId};
use crate::time::Time;

/// A webhook as people see it.
#[derive(Clone, Debug, Serialize, JsonSchema, sqlx::FromRow)]
#[schemars(rename = "Webhook")]
pub struct WebhookView {
    /// Its key.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// The source that its findings belong to.
    pub source: i64,
    /// Who made it.
    pub author: String,
    /// When.
    pub created_at: Time,
    /// Since when nothing is taken of it.
    pub revoked_at: Option<Time>,
    /// Deliveries that were taken; one that was repeated counts once.
    pub deliveries: i64,
    /// Their findings.
    pub findings: i64,
    /// Tokens among them that no leak had before.
    pub found_new: i64,
    /// The newest.
    pub last_delivered_at: Option<Time>,
}

/// What a delivery is verified by.
#[derive(sqlx::FromRow)]
struct Sender {
    tenant_id: TenantId,
    tenant: String,
    source_id: i64,
    title: String,
    nonce: Vec<u8>,
}

/// Puts what is read aside until it is written down.
struct Reader<'a> {
    app: &'a App,
    key: &'a TenantKeys,
    delivery: Delivery,
}

const COLUMNS: &str = "SELECT id, name, source_id AS source, author, created_at, revoked_at, deliveries, findings, found_new,
    last_delivered_at FROM webhooks";

/// Makes a webhook and its secret; `None` when one of the name is in force.
pub async fn add(
    db: &mut Connection,
    keys: &Keys,
    tenant: TenantId,
    name: &str,
    author: &str,
    now: Time,
) -> Result<Option<(WebhookView, Secret)>, sqlx::Error> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let location = format!("{}/{name}", sources::WEBHOOK);
    let (source, _) = sources::add(&mut *db, tenant, sources::WEBHOOK, &location, name, now).await?;
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO webhooks (tenant_id, source_id, name, nonce, author, created_at, key_number) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, name) WHERE revoked_at IS NULL DO NOTHING RETURNING id",
    )
    .bind(tenant)
    .bind(source.id)
    .bind(name)
    .bind(nonce.as_slice())
    .bind(author)
    .bind(now)
    .bind(keys.fingerprint(tenant).number())
    .fetch_optional(&mut *db)
    .await?;
    let Some(id) = id else { return Ok(None) };
    let view = get(db, tenant, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Some((view, secret(keys, tenant, &nonce)?)))
}

/// One webhook.
pub async fn get(db: &mut Connection, tenant: TenantId, id: i64) -> Result<Option<WebhookView>, sqlx::Error> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE tenant_id = $1 AND id = $2")))
        .bind(tenant)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// The tenant's webhooks, the newest first.
pub async fn list(db: &mut Connection, tenant: TenantId) -> Result<Vec<WebhookView>, sqlx::Error> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE tenant_id = $1 ORDER BY id DESC")))
        .bind(tenant)
        .fetch_all(db)
        .await
}

/// Takes nothing more of it; `false` when the tenant has no such webhook in force.
pub async fn revoke(db: &mut Connection, tenant: TenantId, id: i64, now: Time) -> Result<bool, sqlx::Error> {
    sqlx::query("UPDATE webhooks SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL")
        .bind(tenant)
        .bind(id)
        .bind(now)
        .execute(db)
        .await
        .map(|done| done.rows_affected() == 1)
}

/// Takes a delivery: its own signature says who sent it.
pub async fn receive(
    app: &Arc<App>,
    id: i64,
    signature: Signature,
    body: Zeroizing<Vec<u8>>,
    now: Time,
) -> Result<Receipt, IntakeError> {
    let sender = sender(&mut *app.store.read().await?, id).await?;
    // Of nobody's webhook too, so that the time that this takes does not tell which there are.
    let (tenant, nonce) = sender.as_ref().map_or((TenantId(0), [].as_slice()), |sender| (sender.tenant_id, &sender.nonce));
    // Under every key, whichever it is.
    let by = app.keys.webhook(tenant, nonce).map(|key| signature.is_by(Secret::derived(Purpose::Webhook, &key).expose(), &body));
    let genuine = by.fold(false, |genuine, by| genuine | by);
    let Some(Sender { tenant_id: tenant, tenant: name, source_id: source, title, .. }) = sender.filter(|_| genuine) else {
        return Err(NotGenuine::Signature.into());
    };
    if was_taken(&mut *app.store.read().await?, tenant, id, &signature).await? {
        return Ok(Receipt { replayed: true, ..Receipt::default() });
    }
    let caller = Caller::system(&format!("webhook {title}"), Tenant { id: tenant, name });
    let receipt = take(app, &Target { tenant, source, title }, move |app, key| read(&body, app, key)).await?;
    let mut db = app.store.write().await?;
    if note(&mut db, tenant, id, &signature, receipt, now).await? {
        audit::record(&mut db, &caller, "webhook.deliver", &format!("webhook/{id}"), None, audit::seen(&receipt)).await?;
    }
    db.commit().await?;
    tracing::info!(webhook = id, findings = receipt.findings, found_new = receipt.found_new, "delivery taken");
    Ok(receipt)
}

fn secret(keys: &Keys, tenant: TenantId, nonce: &[u8]) -> Result<Secret, sqlx::Error> {
    let key = keys.webhook(tenant, nonce).next();
    key.map(|key| Secret::derived(Purpose::Webhook, &key)).ok_or_else(|| sqlx::Error::Protocol("there is no key".to_owned()))
}

fn read(body: &[u8], app: &App, key: &TenantKeys) -> Result<Delivery, ReportError> {
    let mut reader = Reader { app, key, delivery: Delivery::default() };
    report::read(body, &mut reader).map(|()| reader.delivery)
}

impl Sink for Reader<'_> {
    fn found(&mut self, finding: Reported) -> bool {
        self.delivery.push(taking::take(self.app, self.key, &finding));
        true
    }

    fn lacks(&mut self, _: Lack) -> bool {
        self.delivery.push(None);
        true
    }
}

/// Whoever it is that sends there: this is how a tenant becomes known.
async fn sender(db: &mut Connection, id: i64) -> Result<Option<Sender>, sqlx::Error> {
    sqlx::query_as(
        "SELECT w.tenant_id, t.name AS tenant, w.source_id, s.title, w.nonce FROM webhooks w
         JOIN tenants t ON t.id = w.tenant_id JOIN sources s ON s.id = w.source_id
         WHERE w.id = $1 AND w.revoked_at IS NULL",
    )
    .bind(id)
    .fetch_optional(db)
    .await
}

async fn was_taken(db: &mut Connection, tenant: TenantId, id: i64, signature: &Signature) -> Result<bool, sqlx::Error> {
    let taken: i64 =
        sqlx::query_scalar("SELECT count(*) FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND signature = $3")
            .bind(tenant)
            .bind(id)
            .bind(signature.mac().as_slice())
            .fetch_one(db)
            .await?;
    Ok(taken > 0)
}

/// Remembers a delivery for as long as it could be repeated, and counts it; `false` when another request was quicker and did all of it.
async fn note(
    db: &mut Connection,
    tenant: TenantId,
    id: i64,
    signature: &Signature,
    receipt: Receipt,
    now: Time,
) -> Result<bool, sqlx::Error> {
    // Some time longer: a delivery that was timely when it began may still be on its way.
    sqlx::query("DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND expires_at < $2")
        .bind(tenant)
        .bind(now.minus(signature::TOLERANCE))
        .execute(&mut *db)
        .await?;
    let first = sqlx::query(
        "INSERT INTO webhook_deliveries (tenant_id, webhook_id, signature, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (webhook_id, signature) DO NOTHING",
    )
    .bind(tenant)
    .bind(id)
    .bind(signature.mac().as_slice())
    .bind(signature.expires_at())
    .execute(&mut *db)
    .await?
    .rows_affected()
        == 1;
    // Of the same delivery twice at once, either may have been the one that found something new.
    if !first && receipt.found_new == 0 {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE webhooks SET deliveries = deliveries + $3, findings = findings + $4, found_new = found_new + $5,
             last_delivered_at = $6 WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(i64::from(first))
    .bind(if first { receipt.findings } else { 0 })
    .bind(receipt.found_new)
    .bind(now)
    .execute(db)
    .await?;
    Ok(true)
}
