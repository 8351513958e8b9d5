//! What an index is built from: all of a tenant's entries, read once, and kept up to date by reading what has changed.

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
use crate::keys::Keys;
use crate::leaks::Status;
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
    /// Stands in the index as soon as anything does.
    probe: Option<Probe>,
    witness: Option<Witness>,
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    #[sqlx(try_from = "i64")]
    leak: LeakNumber,
    status: Status,
    /// 0 or 1.
    patched: i64,
    length: i64,
    classes: Option<i64>,
}

/// What a row takes of the token `t` and the leak `l`.
const ROW: &str =
    "SELECT t.fingerprint, t.leak, l.status, CASE WHEN l.patched_at IS NULL THEN 0 ELSE 1 END AS patched, t.length, t.classes
                   FROM tokens t JOIN leaks l ON l.tenant_id = t.tenant_id AND l.number = t.leak";

impl Source {
    /// Reads all entries.
    pub async fn load(store: &Store, tenant: TenantId) -> anyhow::Result<Self> {
        let read = async {
            let mut db = store.read().await?;
            let (epoch, newest) = (tenants::epoch(&mut db, tenant).await?, newest(&mut db).await?);
            let shard_bits = tenants::shard_bits(&mut db, tenant).await?;
            let settings = settings::load(&mut db, tenant).await?;
            let query = sqlx::AssertSqlSafe(format!("{ROW} WHERE t.tenant_id = $1 AND l.status = $2"));
            let mut rows = sqlx::query_as::<_, Row>(query).bind(tenant).bind(Status::Open).fetch(&mut *db);
            let mut entries = Vec::new();
            while let Some(row) = rows.next().await {
                entries.push(row?.entry()?);
            }
            Ok::<_, sqlx::Error>((epoch, newest, shard_bits, settings, entries))
        };
        let (epoch, newest, shard_bits, settings, entries) = read.await.context("reading the index's entries")?;
        let index = tokio::task::spawn_blocking(move || IndexSource::from_entries(shard_bits, entries)).await??;
        Ok(Self { index, epoch, newest, settings, probe: None, witness: None })
    }

    /// Reads what has changed since. On an error it is of no use any more, and is loaded again.
    pub async fn update(mut self, store: &Store, tenant: TenantId) -> anyhow::Result<Self> {
        let read = async {
            let mut db = store.read().await?;
            let (epoch, newest) = (tenants::epoch(&mut db, tenant).await?, newest(&mut db).await?);
            let settings = settings::load(&mut db, tenant).await?;
            let query = sqlx::AssertSqlSafe(format!(
                "{ROW} WHERE t.tenant_id = $1 AND t.id > $2
                 UNION ALL
                 {ROW} WHERE t.tenant_id = $1
                   AND t.leak IN (SELECT d.leak FROM decisions d WHERE d.tenant_id = $1 AND d.epoch > $3)"
            ));
            let rows: Vec<Row> =
                sqlx::query_as(query).bind(tenant).bind(self.newest).bind(self.epoch.epoch).fetch_all(&mut *db).await?;
            Ok::<_, sqlx::Error>((epoch, newest, settings, rows))
        };
        let (epoch, newest, settings, rows) = read.await.context("reading what has changed")?;
        for row in rows {
            let is_open = row.status == Status::Open;
            let entry = row.entry()?;
            self.index.apply(if is_open { Change::Put(entry) } else { Change::Remove(entry.fingerprint) })?;
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
        self.place_probe(keys, tenant)?;
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
        let mut built = self.index.build(&tenant.name, &keys.fingerprint(tenant.id), epoch, built_at.as_millis())?;
        // People count leaked tokens.
        built.header.tokens -= u64::from(self.probe.is_some());
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
        let probe = self.probe.as_ref();
        let witness = proof::prove(module, tenant, keys, self.witness.take(), &self.index, (probe, published))?;
        Ok(self.witness.insert(witness).shared_data())
    }

    /// Puts the probe where it belongs. It is the same for the same entries, so that the same epoch has the same bytes after a restart.
    fn place_probe(&mut self, keys: &Keys, tenant: TenantId) -> anyhow::Result<()> {
        let own = self.probe.as_ref().map(Probe::kind);
        let of_tokens = self.index.kinds().filter(|(kind, count)| *count > usize::from(own == Some(*kind)));
        let kinds: Vec<Kind> = of_tokens.map(|(kind, _)| kind).collect();
        let key = keys.fingerprint(tenant);
        let wanted = if kinds.is_empty() { None } else { Probe::for_index(&key, kinds.into_iter()) };
        if wanted.as_ref().map(Probe::entry) == self.probe.as_ref().map(Probe::entry) {
            return Ok(());
        }
        if let Some(old) = self.probe.take() {
            self.index.apply(Change::Remove(old.entry().fingerprint))?;
        }
        if let Some(new) = &wanted {
            self.index.apply(Change::Put(new.entry()))?;
        }
        self.probe = wanted;
        Ok(())
    }
}

async fn newest(db: &mut Connection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM tokens").fetch_one(db).await
}

impl Row {
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
