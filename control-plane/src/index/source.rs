//! What an index is built from: all of a tenant's entries, read once, and kept up to date by reading what has changed. They are the
//! tokens of open leaks, and of those that were closed lately.

use std::sync::Arc;

use anyhow::Context as _;
use stopleak_contract::Fingerprint;
use stopleak_contract::index::{Action, Change, Classes, Entry, IndexSource, Kind, LeakNumber};
use stopleak_contract::settings::Settings;
use stopleak_filter_host::{FilterModule, SharedData};
use tokio_stream::StreamExt as _;

use super::probe::Probe;
use super::proof::{self, Unproved, Witness};
use super::push::Differences;
use super::{Published, settings};
use crate::keys::{Keys, TenantKeys};
use crate::store::{Connection, Store, number};
use crate::tenants::{self, Epoch, Tenant, TenantId};

/// The entries as of an epoch.
pub struct Source {
    index: IndexSource,
    epoch: Epoch,
    /// The newest token that was read; tokens are neither changed nor removed.
    newest: i64,
    /// How it is enforced, encoded.
    settings: Vec<u8>,
    /// Stand in the index as soon as anything does: one under each fingerprint key.
    probes: Vec<Probe>,
    witness: Option<Witness>,
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    #[sqlx(try_from = "i64")]
    leak: LeakNumber,
    /// 0 or 1: whether it is to be in the index.
    is_in: i64,
    /// 0 or 1.
    patched: i64,
    key_number: i64,
    old_fingerprint: Option<Vec<u8>>,
    length: i64,
    classes: Option<i64>,
}

/// What a row takes of the token `t` and the leak `l`.
const ROW: &str =
    "SELECT t.fingerprint, t.leak, CASE WHEN l.status = 'open' OR l.observe_until IS NOT NULL THEN 1 ELSE 0 END AS is_in,
                          CASE WHEN l.patched_at IS NULL THEN 0 ELSE 1 END AS patched, t.length, t.classes,
                          t.key_number, t.old_fingerprint
                   FROM tokens t JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak";

impl Source {
    /// Reads all entries.
    pub async fn load(store: &Store, keys: &Keys, tenant: TenantId) -> anyhow::Result<Self> {
        let read = async {
            let mut db = store.read().await?;
            let (epoch, newest) = (tenants::epoch(&mut db, tenant).await?, newest(&mut db).await?);
            let shard_bits = tenants::shard_bits(&mut db, tenant).await?;
            let settings = settings::load(&mut db, tenant).await?;
            let query = sqlx::AssertSqlSafe(format!(
                "{ROW} WHERE t.tenant_id = $1 AND (l.status = 'open' OR l.observe_until IS NOT NULL)"
            ));
            let mut rows = sqlx::query_as::<_, Row>(query).bind(tenant).fetch(&mut *db);
            let (keys, mut entries) = (keys.fingerprint(tenant), Vec::new());
            while let Some(row) = rows.next().await {
                let row = row?;
                if row.is_recognised(&keys)? {
                    entries.push(row.entry()?);
                }
            }
            Ok::<_, sqlx::Error>((epoch, newest, shard_bits, settings, entries))
        };
        let (epoch, newest, shard_bits, settings, entries) = read.await.context("reading the index's entries")?;
        let index = tokio::task::spawn_blocking(move || IndexSource::from_entries(shard_bits, entries)).await??;
        Ok(Self { index, epoch, newest, settings, probes: Vec::new(), witness: None })
    }

    /// Reads what has changed since. On an error it is of no use any more, and is loaded again.
    pub async fn update(mut self, store: &Store, keys: &Keys, tenant: TenantId) -> anyhow::Result<Self> {
        let read = async {
            let mut db = store.read().await?;
            let (epoch, newest) = (tenants::epoch(&mut db, tenant).await?, newest(&mut db).await?);
            let settings = settings::load(&mut db, tenant).await?;
            let query = sqlx::AssertSqlSafe(format!(
                "{ROW} WHERE t.tenant_id = $1 AND t.id > $2
                 UNION ALL
                 {ROW} WHERE t.tenant_id = $1 AND t.rekeyed_epoch > $3
                 UNION ALL
                 {ROW} WHERE t.tenant_id = $1
                   AND t.leak IN (SELECT d.leak FROM decisions d WHERE d.tenant_id = $1 AND d.epoch > $3)
                 UNION ALL
                 {ROW} WHERE t.tenant_id = $1
                   AND t.leak IN (SELECT o.number FROM leaks o WHERE o.tenant_id = $1 AND o.observe_end > $3)"
            ));
            let rows: Vec<Row> =
                sqlx::query_as(query).bind(tenant).bind(self.newest).bind(self.epoch.epoch).fetch_all(&mut *db).await?;
            Ok::<_, sqlx::Error>((epoch, newest, settings, rows))
        };
        let (epoch, newest, settings, rows) = read.await.context("reading what has changed")?;
        let keys = keys.fingerprint(tenant);
        for row in rows {
            if let Some(old) = row.old_fingerprint.as_deref().and_then(Fingerprint::from_stored) {
                self.index.apply(Change::Remove(old))?;
            }
            let is_in = row.is_in != 0 && row.is_recognised(&keys)?;
            let entry = row.entry()?;
            self.index.apply(if is_in { Change::Put(entry) } else { Change::Remove(entry.fingerprint) })?;
        }
        (self.epoch, self.newest, self.settings) = (epoch, newest, settings);
        Ok(self)
    }

    /// Up to which epoch it was read; none is negative.
    pub fn epoch(&self) -> u64 {
        u64::try_from(self.epoch.epoch).unwrap_or(0)
    }

    /// Cuts the entries into as many shards as there should be now. The number is kept: after a restart, the same epoch has the same
    /// bytes.
    pub async fn fit(&mut self, store: &Store, keys: &Keys, tenant: TenantId) -> anyhow::Result<()> {
        self.place_probes(keys, tenant)?;
        if self.index.fit() {
            let mut db = store.write().await?;
            tenants::set_shard_bits(&mut db, tenant, self.index.shard_bits()).await?;
            db.commit().await?;
        }
        Ok(())
    }

    /// Builds and seals the index.
    pub fn build(&mut self, tenant: &Tenant, keys: &Keys) -> anyhow::Result<Published> {
        let epoch = u64::try_from(self.epoch.epoch).context("a negative epoch")?;
        let built_at = self.epoch.epoch_at;
        let tenant_keys = keys.fingerprint(tenant.id);
        let mut built = self.index.build(&tenant.name, &tenant_keys.all().first, epoch, built_at.as_millis())?;
        built.header.key_check = tenant_keys.all().check();
        // People count leaked tokens.
        built.header.tokens -= self.probes.len() as u64;
        // No gateway would believe others.
        Settings::read(&self.settings).map_err(anyhow::Error::msg)?;
        built.header.settings.clone_from(&self.settings);
        let (root, tokens) = (built.header.root(), built.header.tokens);
        let bytes = built.shards.iter().map(|shard| shard.len() as u64).sum();
        let (sealed, differences) = (keys.signing.seal(built.header), Differences::default());
        Ok(Published { epoch, root, built_at, tokens, bytes, sealed, shards: built.shards, differences })
    }

    /// Lets the module that gateways run show that it has the index in force; what its VMs share then.
    pub fn prove(
        &mut self,
        module: &FilterModule,
        tenant: &Tenant,
        keys: &Keys,
        published: &Arc<Published>,
    ) -> Result<SharedData, Unproved> {
        let witness = proof::prove(module, tenant, keys, self.witness.take(), &self.index, (&self.probes, published))?;
        Ok(self.witness.insert(witness).shared_data())
    }

    /// Puts the probes where they belong. They are the same for the same entries, so that the same epoch has the same bytes after a restart.
    fn place_probes(&mut self, keys: &Keys, tenant: TenantId) -> anyhow::Result<()> {
        let own = |kind: Kind| self.probes.iter().filter(|probe| probe.kind() == kind).count();
        let of_tokens = self.index.kinds().filter(|(kind, count)| *count > own(*kind));
        let kinds: Vec<Kind> = of_tokens.map(|(kind, _)| kind).collect();
        let keys = keys.fingerprint(tenant);
        let probe = |key| Probe::for_index(key, kinds.iter().copied()).filter(|_| !kinds.is_empty());
        let wanted: Vec<Probe> = keys.all().iter().filter_map(probe).collect();
        if wanted.iter().map(Probe::entry).eq(self.probes.iter().map(Probe::entry)) {
            return Ok(());
        }
        for old in self.probes.drain(..) {
            self.index.apply(Change::Remove(old.entry().fingerprint))?;
        }
        for new in &wanted {
            self.index.apply(Change::Put(new.entry()))?;
        }
        self.probes = wanted;
        Ok(())
    }
}

async fn newest(db: &mut Connection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM tokens").fetch_one(db).await
}

impl Row {
    /// Whether anybody can still recognise the token: not one that is under a key which was retired.
    fn is_recognised(&self, keys: &TenantKeys) -> Result<bool, sqlx::Error> {
        keys.recognise(self.key_number).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    fn entry(self) -> Result<Entry, sqlx::Error> {
        let undecodable = |what: &str| sqlx::Error::Decode(what.into());
        let fingerprint = Fingerprint::from_stored(&self.fingerprint)
            .ok_or_else(|| undecodable("a stored fingerprint does not have 32 bytes"))?;
        let length = usize::try_from(self.length).map_err(|_| undecodable("a stored length is negative"))?;
        let kind = match self.classes {
            Some(bits) => {
                let classes =
                    Classes::from_bits(number(bits)?).ok_or_else(|| undecodable("stored classes are no set of them"))?;
                Kind::new(length, classes)
            }
            None => Kind::of_length(length),
        };
        let action = if self.patched != 0 { Action::Block } else { Action::Observe };
        Ok(Entry { fingerprint, leak: self.leak, action, kind })
    }
}
