//! The publisher: from the database to a sealed index, for every tenant.
//!
//! What is published is a pure function of the database: the same epoch gives the same bytes, also after a restart. A change
//! commits together with the next epoch and then wakes the publisher; changes that come while it builds are built together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use stopleak_contract::Fingerprint;
use stopleak_contract::feed::{parts, wire};
use stopleak_contract::index::{Action, Entry, Kind, LeakNumber, build};
use tokio::sync::{Notify, watch};

use crate::keys::Keys;
use crate::leaks::Status;
use crate::store::Store;
use crate::tenants::{self, Tenant, TenantId};
use crate::time::Time;

/// A sealed index as it goes over the feed.
pub struct Published {
    /// The epoch that it carries.
    pub epoch: u64,
    /// The hash that its signature signs.
    pub root: Vec<u8>,
    /// When the epoch began.
    pub built_at: Time,
    /// The tokens in it.
    pub tokens: u64,
    /// The header, then the shards' parts.
    pub messages: Vec<wire::ToGateway>,
}

/// Builds and hands out the newest index of each tenant.
pub struct Publisher {
    store: Store,
    keys: Arc<Keys>,
    tenants: Mutex<BTreeMap<TenantId, Arc<Channel>>>,
}

struct Channel {
    tenant: Tenant,
    wake: Notify,
    newest: watch::Sender<Arc<Published>>,
}

/// Between two tries when the database cannot be read.
const RETRY: Duration = Duration::from_millis(500);

impl Publisher {
    /// Publishes the index of every tenant, and goes on whenever it is woken.
    pub async fn start(store: Store, keys: Arc<Keys>) -> anyhow::Result<Arc<Self>> {
        let tenants = tenants::all(&mut *store.read().await?).await?;
        let publisher = Arc::new(Self { store, keys, tenants: Mutex::default() });
        for tenant in tenants {
            let first = publisher.build(&tenant).await?;
            let channel = Arc::new(Channel { wake: Notify::new(), newest: watch::Sender::new(Arc::new(first)), tenant });
            publisher.lock().insert(channel.tenant.id, Arc::clone(&channel));
            tokio::spawn(Arc::clone(&publisher).run(channel));
        }
        Ok(publisher)
    }

    /// Tells that the tenant's epoch has grown.
    pub fn wake(&self, tenant: TenantId) {
        if let Some(channel) = self.lock().get(&tenant) {
            channel.wake.notify_one();
        }
    }

    /// The newest index of the tenant, now and later.
    pub fn subscribe(&self, tenant: TenantId) -> Option<watch::Receiver<Arc<Published>>> {
        self.lock().get(&tenant).map(|channel| channel.newest.subscribe())
    }

    async fn run(self: Arc<Self>, channel: Arc<Channel>) {
        loop {
            channel.wake.notified().await;
            while let Err(error) = self.publish(&channel).await {
                tracing::error!(
                    tenant = channel.tenant.name,
                    error = format!("{error:#}"),
                    "the index cannot be built; trying again"
                );
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn publish(&self, channel: &Channel) -> anyhow::Result<()> {
        let started = std::time::Instant::now();
        let published = self.build(&channel.tenant).await?;
        tracing::info!(
            tenant = channel.tenant.name,
            epoch = published.epoch,
            tokens = published.tokens,
            built_us = started.elapsed().as_micros(),
            "index published"
        );
        channel.newest.send_replace(Arc::new(published));
        Ok(())
    }

    async fn build(&self, tenant: &Tenant) -> anyhow::Result<Published> {
        let (epoch, entries) = self.load(tenant.id).await.context("reading the index's entries")?;
        let (tenant, keys) = (tenant.clone(), Arc::clone(&self.keys));
        // A large set takes long enough to hold up every stream of this thread.
        tokio::task::spawn_blocking(move || seal(&tenant, epoch, entries, &keys)).await?
    }

    async fn load(&self, tenant: TenantId) -> Result<(tenants::Epoch, Vec<Entry>), sqlx::Error> {
        let mut db = self.store.read().await?;
        let epoch = tenants::epoch(&mut db, tenant).await?;
        let rows: Vec<(Vec<u8>, LeakNumber, bool, i64)> = sqlx::query_as(
            "SELECT t.fingerprint, t.leak, l.patched_at IS NOT NULL, t.length
             FROM tokens t JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak
             WHERE t.tenant_id = $1 AND l.status = $2",
        )
        .bind(tenant)
        .bind(Status::Open)
        .fetch_all(&mut *db)
        .await?;
        let entry = |(fingerprint, leak, patched, length): (Vec<u8>, _, _, _)| {
            let undecodable = |what: &str| sqlx::Error::Decode(what.into());
            let fingerprint = Fingerprint::from_stored(&fingerprint)
                .ok_or_else(|| undecodable("a stored fingerprint does not have 32 bytes"))?;
            let kind = Kind::of_length(usize::try_from(length).map_err(|_| undecodable("a stored length is negative"))?);
            Ok(Entry { fingerprint, leak, action: if patched { Action::Block } else { Action::Observe }, kind })
        };
        Ok((epoch, rows.into_iter().map(entry).collect::<Result<_, sqlx::Error>>()?))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, Arc<Channel>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seal(tenant: &Tenant, epoch: tenants::Epoch, entries: Vec<Entry>, keys: &Keys) -> anyhow::Result<Published> {
    let number = u64::try_from(epoch.epoch).context("a negative epoch")?;
    let built = build(&tenant.name, &keys.fingerprint(tenant.id), number, epoch.epoch_at.as_millis(), entries)?;
    let (root, tokens) = (built.header.root().to_vec(), built.header.tokens);
    let header = wire::IndexHeader::from(&keys.signing.seal(built.header));
    let message = |message| wire::ToGateway { message: Some(message) };
    let mut messages = vec![message(wire::to_gateway::Message::Header(header))];
    for (shard, bytes) in (0..).zip(&built.shards) {
        messages.extend(parts(number, shard, bytes).map(|part| message(wire::to_gateway::Message::Shard(part))));
    }
    Ok(Published { epoch: number, root, built_at: epoch.epoch_at, tokens, messages })
}
