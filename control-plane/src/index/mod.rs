//! The publisher: from the database to a sealed index, for every tenant.
//!
//! What is published is a pure function of the database: the same epoch gives the same bytes, also after a restart. A change
//! commits together with the next epoch and then wakes the publisher, which reads what has changed and builds the shards that it
//! touches; changes that come meanwhile are built together.

mod source;
mod push;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stopleak_contract::index::SealedHeader;
use tokio::sync::{Notify, watch};

pub use self::push::Push;
use self::source::Source;
use crate::keys::Keys;
use crate::store::Store;
use crate::tenants::{self, Tenant, TenantId};
use crate::time::Time;

/// A sealed index.
pub struct Published {
    /// The epoch that it carries.
    pub epoch: u64,
    /// The hash that its signature signs.
    pub root: [u8; 32],
    /// When the epoch began.
    pub built_at: Time,
    /// The tokens in it.
    pub tokens: u64,
    sealed: SealedHeader,
    /// Those that did not change are shared with the index before.
    shards: Vec<Arc<[u8]>>,
}

/// Builds and hands out the newest index of each tenant.
pub struct Publisher {
    store: Store,
    keys: Arc<Keys>,
    channels: Mutex<BTreeMap<TenantId, Arc<Channel>>>,
    opening: tokio::sync::Mutex<()>,
}

struct Channel {
    tenant: Tenant,
    wake: Notify,
    newest: watch::Sender<Arc<Published>>,
    /// What gateways that come back may still have: they are sent the difference.
    recent: Mutex<VecDeque<Arc<Published>>>,
    /// Whether the tenant's module is on.
    on: AtomicBool,
}

/// Between two tries when the database cannot be read.
const RETRY: Duration = Duration::from_millis(500);

/// Indexes that are kept to tell the difference from. They share the shards that did not change, so that most cost little more than
/// their header.
const RECENT: usize = 16;

/// Bytes of shards that are kept for that, when the newest index has fewer: changes of many tokens each leave nothing to share, and a
/// difference from before them would be as large as the index.
const RECENT_BYTES: usize = 16 * 1024 * 1024;

impl Publisher {
    /// Publishes the index of every tenant, and goes on whenever it is woken.
    pub async fn start(store: Store, keys: Arc<Keys>) -> anyhow::Result<Arc<Self>> {
        let tenants = tenants::all(&mut *store.read().await?).await?;
        let publisher = Arc::new(Self { store, keys, channels: Mutex::default(), opening: tokio::sync::Mutex::default() });
        for tenant in tenants {
            publisher.open(&tenant).await?;
        }
        Ok(publisher)
    }

    /// Publishes nothing: for a process that serves no gateways.
    #[must_use]
    pub fn silent(store: Store, keys: Arc<Keys>) -> Arc<Self> {
        Arc::new(Self { store, keys, channels: Mutex::default(), opening: tokio::sync::Mutex::default() })
    }

    /// Publishes the tenant's index from now on, if that is not done already: tenants are made while the control plane runs.
    pub async fn open(self: &Arc<Self>, tenant: &Tenant) -> anyhow::Result<()> {
        // Two who make the same channel would each build, and gateways would hear of one of them only.
        let _turn = self.opening.lock().await;
        if lock(&self.channels).contains_key(&tenant.id) {
            return Ok(());
        }
        let source = Source::load(&self.store, tenant.id).await?;
        let (source, first) = self.build(tenant, source).await?;
        let first = Arc::new(first);
        let on = AtomicBool::new(tenants::is_on(&mut *self.store.read().await?, tenant.id).await?);
        let newest = watch::Sender::new(Arc::clone(&first));
        let channel = Arc::new(Channel { wake: Notify::new(), newest, recent: Mutex::default(), on, tenant: tenant.clone() });
        channel.remember(first);
        lock(&self.channels).insert(tenant.id, Arc::clone(&channel));
        tokio::spawn(Arc::clone(self).run(channel, source));
        Ok(())
    }

    /// Whether the tenant's API Leaks module is on, as far as this process has heard. While it is off nothing is pushed, not even to a
    /// gateway that comes newly.
    pub fn is_on(&self, tenant: TenantId) -> bool {
        lock(&self.channels).get(&tenant).is_some_and(|channel| channel.on.load(Ordering::Relaxed))
    }

    /// Whether the database is further than what is published here. A tenant that nobody asked for yet is opened when somebody does.
    pub fn is_behind(&self, tenant: TenantId, epoch: i64, on: bool) -> bool {
        let channels = lock(&self.channels);
        channels.get(&tenant).is_some_and(|channel| {
            let newest = channel.newest.borrow().epoch;
            channel.on.load(Ordering::Relaxed) != on || (on && u64::try_from(epoch).is_ok_and(|epoch| epoch > newest))
        })
    }

    /// Tells that the tenant's epoch has grown.
    pub fn wake(&self, tenant: TenantId) {
        if let Some(channel) = lock(&self.channels).get(&tenant) {
            channel.wake.notify_one();
        }
    }

    /// The newest index of the tenant, now and later.
    pub fn subscribe(&self, tenant: TenantId) -> Option<watch::Receiver<Arc<Published>>> {
        lock(&self.channels).get(&tenant).map(|channel| channel.newest.subscribe())
    }

    /// The index with this root, as long as it is remembered.
    pub fn find(&self, tenant: TenantId, root: &[u8]) -> Option<Arc<Published>> {
        let channel = lock(&self.channels).get(&tenant).map(Arc::clone)?;
        lock(&channel.recent).iter().find(|published| published.root == root).map(Arc::clone)
    }

    async fn run(self: Arc<Self>, channel: Arc<Channel>, source: Source) {
        let mut source = Some(source);
        loop {
            channel.wake.notified().await;
            loop {
                match self.publish(&channel, source.take()).await {
                    Ok(built) => {
                        source = Some(built);
                        break;
                    }
                    Err(error) => {
                        let (tenant, error) = (&channel.tenant.name, format!("{error:#}"));
                        tracing::error!(tenant, error, "the index cannot be built; trying again");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// Publishes what the database says now. Without a source, all of it is read.
    async fn publish(&self, channel: &Channel, source: Option<Source>) -> anyhow::Result<Source> {
        let started = Instant::now();
        let on = tenants::is_on(&mut *self.store.read().await?, channel.tenant.id).await?;
        channel.on.store(on, Ordering::Relaxed);
        let source = match source {
            Some(source) => source.update(&self.store, channel.tenant.id).await?,
            None => Source::load(&self.store, channel.tenant.id).await?,
        };
        if !on {
            tracing::info!(tenant = channel.tenant.name, "the API Leaks module is off: nothing is pushed");
            return Ok(source);
        }
        let (source, published) = self.build(&channel.tenant, source).await?;
        tracing::info!(
            tenant = channel.tenant.name,
            epoch = published.epoch,
            tokens = published.tokens,
            shards = published.shards.len(),
            built_us = started.elapsed().as_micros(),
            "index published"
        );
        let published = Arc::new(published);
        channel.remember(Arc::clone(&published));
        channel.newest.send_replace(published);
        Ok(source)
    }

    async fn build(&self, tenant: &Tenant, mut source: Source) -> anyhow::Result<(Source, Published)> {
        source.fit(&self.store, tenant.id).await?;
        let (tenant, keys) = (tenant.clone(), Arc::clone(&self.keys));
        // A large set takes long enough to hold up every stream of this thread.
        tokio::task::spawn_blocking(move || {
            let published = source.build(&tenant, &keys)?;
            Ok((source, published))
        })
        .await?
    }
}

impl Channel {
    fn remember(&self, published: Arc<Published>) {
        let mut recent = lock(&self.recent);
        // Woken twice for one change.
        if recent.front().is_some_and(|newest| newest.root == published.root) {
            return;
        }
        recent.push_front(published);
        let kept = worth_keeping(&recent);
        recent.truncate(kept);
    }
}

/// How many indexes, the newest first, have shards of their own of no more bytes than the newest has in all.
fn worth_keeping(recent: &VecDeque<Arc<Published>>) -> usize {
    let most = recent.front().map_or(0, |newest| newest.shards.iter().map(|shard| shard.len()).sum()).max(RECENT_BYTES);
    let mut bytes = 0;
    let pairs = recent.iter().zip(recent.iter().skip(1));
    let kept = pairs.take_while(|(newer, older)| {
        bytes += older.bytes_beside(newer);
        bytes <= most
    });
    (kept.count() + 1).min(RECENT)
}

impl Published {
    /// Of the shards that it does not share with a newer one.
    fn bytes_beside(&self, newer: &Self) -> usize {
        let is_shared = |place: usize, shard: &Arc<[u8]>| newer.shards.get(place).is_some_and(|other| Arc::ptr_eq(shard, other));
        let own = self.shards.iter().enumerate().filter(|(place, shard)| !is_shared(*place, shard));
        own.map(|(_, shard)| shard.len()).sum()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use stopleak_contract::FingerprintKey;
    use stopleak_contract::index::{IndexSource, SigningKey};

    use super::*;

    fn published(shards: Vec<Arc<[u8]>>) -> Arc<Published> {
        let built = IndexSource::new(0).build("t", &FingerprintKey::new([7; 32]), 1, 0).unwrap();
        let sealed = SigningKey::new(&[3; 32]).seal(built.header);
        Arc::new(Published { epoch: 1, root: [0; 32], built_at: Time::now(), tokens: 0, sealed, shards })
    }

    #[test]
    fn indexes_that_share_little_are_soon_forgotten() {
        let shard = || Arc::<[u8]>::from(vec![0; RECENT_BYTES / 2]);
        let unlike = (0..40).map(|_| published(vec![shard(), shard()])).collect();
        assert_eq!(worth_keeping(&unlike), 2, "the newest, and as much again");
        let common = vec![shard(), shard(), shard(), shard()];
        let one_changes = (0..40).map(|n: usize| {
            let mut shards = common.clone();
            shards[n % 4] = shard();
            published(shards)
        });
        assert_eq!(worth_keeping(&one_changes.collect()), 3);
        let alike = (0..40).map(|_| published(common.clone())).collect();
        assert_eq!(worth_keeping(&alike), RECENT);
        assert_eq!(worth_keeping(&VecDeque::from([published(Vec::new())])), 1);
    }
}
