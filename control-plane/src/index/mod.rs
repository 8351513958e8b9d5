//! The publisher: from the database to a sealed index, for every tenant.
//!
//! What is published is a pure function of the database: the same epoch gives the same bytes, also after a restart. A change
//! commits together with the next epoch and then wakes the publisher, which reads what has changed and builds the shards that it
//! touches; changes that come meanwhile are built together. What was built is [proved](proof) by the very module that gateways run: an
//! index that it cannot read, or judges wrongly by, is not published, and the last good one stays.

mod settings;
mod source;
mod probe;
mod proof;
mod trial;
mod recent;
mod encoded;
mod push;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stopleak_contract::index::SealedHeader;
use stopleak_filter_host::{FilterModule, SharedData};
use tokio::sync::{Notify, watch};

pub use self::encoded::Encoded;
pub use self::proof::Unproved;
pub use self::push::{Push, welcome};
use self::recent::worth_keeping;
use self::source::Source;
pub use self::trial::Trial;
use crate::keys::Keys;
use crate::metrics::Metrics;
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
    /// Bytes of its shards.
    pub bytes: u64,
    sealed: SealedHeader,
    /// Those that did not change are shared with the index before.
    shards: Vec<Arc<[u8]>>,
    differences: push::Differences,
}

/// Builds and hands out the newest index of each tenant.
pub struct Publisher {
    store: Store,
    keys: Arc<Keys>,
    channels: Mutex<BTreeMap<TenantId, Arc<Channel>>>,
    opening: tokio::sync::Mutex<()>,
    /// What gateways run. Without it nothing is proved.
    module: Option<Arc<FilterModule>>,
    metrics: Arc<Metrics>,
    /// Tenants whose newest index was not proved.
    unproved: Mutex<BTreeSet<TenantId>>,
    /// Makes shards that do not hold what they should: a test's fault.
    #[cfg(test)]
    faulty: AtomicBool,
}

struct Channel {
    tenant: Tenant,
    wake: Notify,
    newest: watch::Sender<Arc<Published>>,
    /// What gateways that come back may still have: they are sent the difference.
    recent: Mutex<VecDeque<Arc<Published>>>,
    /// Whether the tenant's module is on.
    on: AtomicBool,
    /// By which requests are tried; `None` as long as nothing is proved.
    trial: Mutex<Option<Trial>>,
}

/// An index that was built, and what its proof left.
struct Built {
    source: Source,
    published: Arc<Published>,
    shared_data: Option<SharedData>,
    proved_in: Duration,
}

/// Between two tries to build an index that could not be proved: a large one takes a second to be read and built. Every change is a try,
/// too.
const PROVE_AGAIN: Duration = Duration::from_secs(10);

/// Between two tries when the database cannot be read.
const RETRY: Duration = Duration::from_millis(500);

impl Publisher {
    /// Publishes the index of every tenant, and goes on whenever it is woken.
    pub async fn start(
        store: Store,
        keys: Arc<Keys>,
        module: Option<Arc<FilterModule>>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Arc<Self>> {
        let tenants = tenants::all(&mut *store.read().await?).await?;
        let publisher = Self::of(store, keys, module, metrics);
        for tenant in tenants {
            publisher.open(&tenant).await?;
        }
        Ok(publisher)
    }

    /// Publishes nothing: for a process that serves no gateways.
    #[must_use]
    pub fn silent(store: Store, keys: Arc<Keys>, metrics: Arc<Metrics>) -> Arc<Self> {
        Self::of(store, keys, None, metrics)
    }

    fn of(store: Store, keys: Arc<Keys>, module: Option<Arc<FilterModule>>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            store,
            keys,
            channels: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            module,
            metrics,
            unproved: Mutex::default(),
            #[cfg(test)]
            faulty: AtomicBool::new(false),
        })
    }

    /// Publishes the tenant's index from now on, if that is not done already: tenants are made while the control plane runs.
    /// When its first index is not proved, that is tried again and again: gateways keep what they have, and people need the API.
    pub async fn open(self: &Arc<Self>, tenant: &Tenant) -> anyhow::Result<()> {
        // Somebody tries already.
        if self.is_unproved(tenant.id) {
            return Ok(());
        }
        match self.open_now(tenant).await {
            Err(error) if error.is::<Unproved>() => {
                tokio::spawn(Arc::clone(self).open_later(tenant.clone(), error));
                Ok(())
            }
            opened => opened,
        }
    }

    async fn open_now(self: &Arc<Self>, tenant: &Tenant) -> anyhow::Result<()> {
        // Two who make the same channel would each build, and gateways would hear of one of them only.
        let _turn = self.opening.lock().await;
        if lock(&self.channels).contains_key(&tenant.id) {
            return Ok(());
        }
        let source = Source::load(&self.store, &self.keys, tenant.id).await?;
        let Built { source, published: first, shared_data, .. } = self.build(tenant, source).await?;
        let on = AtomicBool::new(tenants::is_on(&mut *self.store.read().await?, tenant.id).await?);
        let newest = watch::Sender::new(Arc::clone(&first));
        let channel = Arc::new(Channel {
            wake: Notify::new(),
            newest,
            recent: Mutex::default(),
            on,
            trial: Mutex::default(),
            tenant: tenant.clone(),
        });
        self.offer_trial(&channel, &first, shared_data);
        channel.remember(first);
        lock(&self.channels).insert(tenant.id, Arc::clone(&channel));
        tokio::spawn(Arc::clone(self).run(channel, source));
        Ok(())
    }

    async fn open_later(self: Arc<Self>, tenant: Tenant, mut error: anyhow::Error) {
        loop {
            let (name, told) = (&tenant.name, format!("{error:#}"));
            tracing::error!(tenant = name, error = told, "the tenant has no index yet; trying again");
            tokio::time::sleep(PROVE_AGAIN).await;
            match self.open_now(&tenant).await {
                Ok(()) => return,
                Err(again) => error = again,
            }
        }
    }

    /// Whether the tenant's API Leaks module is on, as far as this process has heard. While it is off nothing is pushed, not even to a
    /// gateway that comes newly.
    pub fn is_on(&self, tenant: TenantId) -> bool {
        lock(&self.channels).get(&tenant).is_some_and(|channel| channel.on.load(Ordering::Relaxed))
    }

    /// Whether the database is further than what is published here. A tenant that nobody asked for yet is opened when somebody does,
    /// and one whose newest index is not proved is tried again anyway.
    pub fn is_behind(&self, tenant: TenantId, epoch: i64, on: bool) -> bool {
        if self.is_unproved(tenant) {
            return false;
        }
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

    /// The same, unless that epoch is published already: whoever has committed it may hear of it from the database, too.
    pub fn wake_for(&self, tenant: TenantId, epoch: i64) {
        if let Some(channel) = lock(&self.channels).get(&tenant)
            && u64::try_from(epoch).is_ok_and(|epoch| epoch > channel.newest.borrow().epoch)
        {
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

    /// The index of this epoch, as long as it is remembered.
    pub fn find_epoch(&self, tenant: TenantId, epoch: u64) -> Option<Arc<Published>> {
        let channel = lock(&self.channels).get(&tenant).map(Arc::clone)?;
        lock(&channel.recent).iter().find(|published| published.epoch == epoch).map(Arc::clone)
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
                        let pause = if error.is::<Unproved>() { PROVE_AGAIN } else { RETRY };
                        let (tenant, error) = (&channel.tenant.name, format!("{error:#}"));
                        tracing::error!(tenant, error, "the index is not published and the last good one stays; trying again");
                        // Another change may be what mends it.
                        let _ = tokio::time::timeout(pause, channel.wake.notified()).await;
                    }
                }
            }
        }
    }

    /// Publishes what the database says now. Without a source, all of it is read.
    async fn publish(&self, channel: &Channel, source: Option<Source>) -> anyhow::Result<Source> {
        let started = Instant::now();
        let on = tenants::is_on(&mut *self.store.read().await?, channel.tenant.id).await?;
        let was_on = channel.on.swap(on, Ordering::Relaxed);
        let source = match source {
            Some(source) => source.update(&self.store, &self.keys, channel.tenant.id).await?,
            None => Source::load(&self.store, &self.keys, channel.tenant.id).await?,
        };
        if !on {
            tracing::info!(tenant = channel.tenant.name, "the API Leaks module is off: nothing is pushed");
            return Ok(source);
        }
        // On PostgreSQL a server hears of its own commits, too, and by then has often built what they carry. Gateways that were left without
        // pushes while the module was off wait for one, though.
        if was_on && source.epoch() == channel.newest.borrow().epoch {
            return Ok(source);
        }
        let Built { source, published, shared_data, proved_in } = self.build(&channel.tenant, source).await?;
        tracing::info!(
            tenant = channel.tenant.name,
            epoch = published.epoch,
            tokens = published.tokens,
            shards = published.shards.len(),
            built_us = started.elapsed().as_micros(),
            proved_us = proved_in.as_micros(),
            "index published"
        );
        self.offer_trial(channel, &published, shared_data);
        channel.remember(Arc::clone(&published));
        channel.newest.send_replace(published);
        Ok(source)
    }

    /// Builds the index, and proves it.
    async fn build(&self, tenant: &Tenant, mut source: Source) -> anyhow::Result<Built> {
        source.fit(&self.store, &self.keys, tenant.id).await?;
        self.metrics.index_built();
        let (owner, keys, module) = (tenant.clone(), Arc::clone(&self.keys), self.module.clone());
        #[cfg(test)]
        let faulty = self.faulty.load(Ordering::Relaxed);
        // A large set takes long enough to hold up every stream of this thread.
        let built = tokio::task::spawn_blocking(move || {
            let published = source.build(&owner, &keys)?;
            #[cfg(test)]
            let published = if faulty { tests::damaged(published, &keys) } else { published };
            let published = Arc::new(published);
            let started = Instant::now();
            let shared_data = module.map(|module| source.prove(&module, &owner, &keys, &published)).transpose()?;
            Ok(Built { source, published, shared_data, proved_in: started.elapsed() })
        });
        let built: anyhow::Result<Built> = built.await.unwrap_or_else(|fell| Err(Unproved::Fell(fell).into()));
        self.note(tenant.id, built.as_ref().err());
        built
    }

    /// Remembers, and counts, whether the tenant's newest index could be proved. Other errors say nothing about that.
    fn note(&self, tenant: TenantId, error: Option<&anyhow::Error>) {
        match error {
            None => {
                lock(&self.unproved).remove(&tenant);
            }
            Some(error) if error.is::<Unproved>() => {
                lock(&self.unproved).insert(tenant);
                self.metrics.proof_failed();
            }
            Some(_) => {}
        }
    }

    /// Whether the tenant's newest index was not proved, and is not published.
    pub fn is_unproved(&self, tenant: TenantId) -> bool {
        lock(&self.unproved).contains(&tenant)
    }

    /// What requests of the tenant are tried by; `None` without a module, or without an index.
    pub fn trial(&self, tenant: TenantId) -> Option<Trial> {
        let channel = lock(&self.channels).get(&tenant).map(Arc::clone)?;
        lock(&channel.trial).clone()
    }

    /// Whether there is a module to prove with.
    pub fn proves(&self) -> bool {
        self.module.is_some()
    }

    fn offer_trial(&self, channel: &Channel, published: &Published, shared_data: Option<SharedData>) {
        if let Some((module, shared_data)) = self.module.clone().zip(shared_data) {
            *lock(&channel.trial) = Some(Trial::new(module, Arc::clone(&self.keys), shared_data, published.epoch));
        }
    }
}

impl Channel {
    fn remember(&self, published: Arc<Published>) {
        let mut recent = lock(&self.recent);
        // Woken twice for one change.
        if recent.front().is_some_and(|newest| newest.root == published.root) {
            return;
        }
        if let Some(old) = recent.front() {
            old.differences.forget();
        }
        recent.push_front(published);
        let kept = worth_keeping(&recent);
        recent.truncate(kept);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
