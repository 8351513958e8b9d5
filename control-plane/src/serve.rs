//! Puts the control plane together and runs it.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use stopleak_detector::Rules;
use stopleak_filter_host::FilterModule;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tonic::transport::ServerTlsConfig;

use crate::api::Limits;
use crate::api_tokens;
use crate::app::{App, LazyDetector};
use crate::config::Config;
use crate::door::{Door, Room};
use crate::feed::Fleet;
use crate::index::Publisher;
use crate::intake::Intake;
use crate::keys::{Keys, create_private_folder, rotation, write_private};
use crate::metrics::Metrics;
use crate::people::{Passwords, Role};
use crate::secret::{Purpose, Secret};
use crate::sources::LocalSources;
use crate::store::{self, Database, Store, Trouble, trouble};
use crate::tenants::TenantId;
use crate::time::Time;
use crate::{api, attempts, feed, imports, jobs, leaks, notifications, replicas, tenants, verdicts};

/// A control plane whose ports are open.
pub struct Server {
    app: Arc<App>,
    http: TcpListener,
    feed: TcpListener,
    tls: Option<ServerTlsConfig>,
    addresses: Addresses,
    data_dir: PathBuf,
    /// Whether it does jobs beside serving.
    works: bool,
    /// Whether this start made the administrator's token.
    pub first_start: bool,
    /// Held for as long as the server lives: a second server on the same data would hand out the same epochs.
    _lock: File,
}

/// Where a running control plane listens; also written to `addresses.json` in the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The API.
    pub http: SocketAddr,
    /// The feed.
    pub feed: SocketAddr,
}

/// The administrator's first API token within the data folder.
pub const ADMIN_TOKEN: &str = "admin-token";
/// The bound addresses within the data folder.
pub const ADDRESSES: &str = "addresses.json";
const CLONES: &str = "clones";
const LOCK: &str = "lock";
/// Characters of the host's name within that of the process: as many as one label of a domain has.
const MAX_HOST: usize = 63;
/// What is under way may take that long to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);

impl Server {
    /// Opens the data folder and the ports. Nothing is answered before [`Server::run`].
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let data_dir = config.data_dir()?;
        create_private_folder(&data_dir).with_context(|| format!("data folder {}", data_dir.display()))?;
        let lock = lock(&data_dir)?;
        // Left by a crash: whoever waits for it would call a server that is gone.
        let _ = fs::remove_file(data_dir.join(ADDRESSES));
        let tls = config.feed_tls()?;
        let database = config.database()?;
        let store = Store::connect(&database).await.map_err(|error| explain(error, &database))?;
        let in_use = has_keys(&store).await.map_err(|error| explain(error, &database))?;
        let mut keys = Keys::load(&data_dir, &config.keys, in_use)?;
        let first_start = prepare(&store, &mut keys, &data_dir).await.map_err(|error| match error.downcast() {
            Ok(error) => explain(error, &database),
            Err(error) => error,
        })?;

        let http = bind("http", config.http_address()).await?;
        let feed = bind("feed", config.feed_address()).await?;
        let addresses = Addresses { http: http.local_addr()?, feed: feed.local_addr()? };
        let keys = Arc::new(keys);
        let metrics = Metrics::new();
        let module = load_filter(config).await?;
        metrics.proves(module.is_some());
        let publisher = Publisher::start(store.clone(), Arc::clone(&keys), module, Arc::clone(&metrics)).await?;
        let clones = empty_folder(data_dir.join(CLONES))?;
        let app = assemble(config, store, keys, publisher, metrics, addresses.feed, clones)?;
        if !addresses.feed.ip().is_loopback() && tls.is_none() {
            tracing::warn!(
                feed = %addresses.feed,
                "the feed carries the fingerprint key and is open to other machines without TLS; \
                 set feed_tls in the configuration, or put a proxy or a mesh with TLS before it"
            );
        }
        write_private(&data_dir.join(ADDRESSES), &serde_json::to_string(&addresses)?)?;
        Ok(Self { app, http, feed, tls, addresses, data_dir, works: config.worker.unwrap_or(true), first_start, _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What every part shares.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Serves until `stop` comes, then ends what is under way.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { app, http, feed, tls, data_dir, works, .. } = self;
        let serving = async {
            let room = Room::of_this_process();
            let api = api::serve(Arc::clone(&app), Door::new(http, room.api));
            let feed = feed::serve(Arc::clone(&app), Door::new(feed, room.feed), tls);
            tokio::join!(api, feed).1.context("serving the feed")
        };
        tokio::pin!(serving);
        tokio::spawn(replicas::follow(Arc::clone(&app)));
        let working = tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                if works {
                    jobs::work(app).await;
                }
            }
        });
        let due = tokio::spawn(leaks::run_due(Arc::clone(&app)));
        let exchanging = tokio::spawn(feed::exchange(Arc::clone(&app)));
        let notifying = tokio::spawn(notifications::work(Arc::clone(&app)));
        tokio::select! {
            ended = &mut serving => { ended?; }
            () = stop => {
                tracing::info!("stopping");
                app.stopping.send_replace(true);
                if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
                    tracing::warn!("some connections did not end in time and are cut");
                }
            }
        }
        if tokio::time::timeout(GRACE, working).await.is_err() {
            tracing::warn!("a job under way did not stop in time; it is begun again later");
        }
        if tokio::time::timeout(GRACE, due).await.is_err() {
            tracing::warn!("what was due is not done yet; the next start does it");
        }
        if tokio::time::timeout(GRACE, notifying).await.is_err() {
            tracing::warn!("some notifications were cut short; the next start sends them again");
        }
        if tokio::time::timeout(GRACE, exchanging).await.is_err() {
            tracing::warn!("what is in force where is not written down in full; the next start finds it anew");
        }
        let _ = fs::remove_file(data_dir.join(ADDRESSES));
        app.store.close().await;
        Ok(())
    }
}

/// What every part of a process shares, be it a server or a worker.
pub(crate) fn assemble(
    config: &Config,
    store: Store,
    keys: Arc<Keys>,
    publisher: Arc<Publisher>,
    metrics: Arc<Metrics>,
    feed: SocketAddr,
    clones: PathBuf,
) -> anyhow::Result<Arc<App>> {
    let process = process_name()?;
    let is_shared = matches!(store.database(), Database::Postgres(_));
    let fleet = Fleet::new(Arc::clone(&metrics), process.clone(), is_shared);
    let stopping = watch::Sender::new(false);
    Ok(Arc::new(App {
        store,
        keys,
        publisher,
        fleet,
        intake: Intake::new(config.github.as_ref()),
        importing: Semaphore::new(imports::READING_AT_ONCE),
        storing: Semaphore::new(feed::STORING_AT_ONCE),
        trying: Semaphore::new(verdicts::AT_ONCE),
        sso: config.sso()?,
        passwords: Passwords::new(config.breached_passwords()?),
        limits: Limits::new(config.requests_per_minute()),
        site: api::Site::new(config.public_url.as_deref()),
        proxies: api::Proxies::new(config.trusted_proxies.clone()),
        local_sources: LocalSources::new(config.local_sources.clone()),
        max_attempts: config.max_attempts.map_or(attempts::MAX_ATTEMPTS, NonZeroU64::get),
        metrics,
        detector: LazyDetector::new(rules(config)?),
        job_queued: Notify::new(),
        process,
        notifications: notifications::Sender::new(config)?,
        clones,
        feed,
        stopping,
    }))
}

/// For people who look for the process, and different from every other one's.
fn process_name() -> anyhow::Result<String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| anyhow::Error::msg(error.to_string()))?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().get(..MAX_HOST).unwrap_or(host.trim());
    let host = if host.is_empty() { "stopleak" } else { host };
    Ok(format!("{host}-{}-{:08x}", std::process::id(), u32::from_le_bytes(random)))
}

/// Whether the database was made with keys: then none are made any more.
pub(crate) async fn has_keys(store: &Store) -> Result<bool, sqlx::Error> {
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM known_keys").fetch_one(&mut *store.read().await?).await?;
    Ok(keys > 0)
}

/// Makes what the first start has to make, and checks that keys and database belong together.
async fn prepare(store: &Store, keys: &mut Keys, data_dir: &Path) -> anyhow::Result<bool> {
    let now = Time::now();
    let mut db = store.write().await?;
    let tenant = tenants::ensure(&mut db, tenants::DEFAULT, now).await?;
    rotation::register(&mut db, keys).await?;
    let first = !api_tokens::any(&mut db, tenant.id).await?;
    if first {
        make_admin_token(&mut db, tenant.id, data_dir, now).await?;
    }
    db.commit().await?;
    Ok(first)
}

/// Takes the administrator's token back and makes another; works beside a running server. Returns the file that holds it.
pub async fn renew_admin_token(config: &Config) -> anyhow::Result<PathBuf> {
    let (data_dir, database) = (config.data_dir()?, config.database()?);
    if let Database::Sqlite(folder) = &database {
        let is_there = folder.join(store::FILE).exists();
        anyhow::ensure!(is_there, "there is no database in {}; `stopleak serve` makes one", folder.display());
    }
    let renewed = async {
        let store = Store::connect(&database).await?;
        let (now, mut db) = (Time::now(), store.write().await?);
        let tenant = tenants::ensure(&mut db, tenants::DEFAULT, now).await?;
        api_tokens::revoke_named(&mut db, tenant.id, api_tokens::FIRST, now).await?;
        let file = make_admin_token(&mut db, tenant.id, &data_dir, now).await?;
        db.commit().await?;
        store.close().await;
        Ok(file)
    };
    renewed.await.map_err(|error: anyhow::Error| match error.downcast() {
        Ok(error) => explain(error, &database),
        Err(error) => error,
    })
}

async fn make_admin_token(db: &mut store::Connection, tenant: TenantId, data_dir: &Path, now: Time) -> anyhow::Result<PathBuf> {
    let secret = Secret::generate(Purpose::ApiToken).map_err(|error| anyhow::Error::msg(error.to_string()))?;
    let file = data_dir.join(ADMIN_TOKEN);
    // Before the commit: a crash in between leaves a file that the next try replaces, not a lock without a key.
    write_private(&file, secret.expose())?;
    api_tokens::add(db, tenant, api_tokens::FIRST, Role::GlobalAdministrator, &secret, None, now).await?;
    Ok(file)
}

/// What gateways run, compiled. A file that is there and of no use is an error: whoever put it there wants indexes to be proved.
async fn load_filter(config: &Config) -> anyhow::Result<Option<Arc<FilterModule>>> {
    let Some(path) = config.filter()? else {
        tracing::warn!(
            "there is no filter module: indexes are published without a proof, and no request can be tried; \
             put stopleak_filter.wasm beside the program, or name it with --filter"
        );
        return Ok(None);
    };
    let started = Instant::now();
    let file = path.clone();
    let module = tokio::task::spawn_blocking(move || FilterModule::from_file(&file)).await?;
    let module = module.with_context(|| format!("filter module {}", path.display()))?;
    tracing::info!(module = %path.display(), compiled_ms = started.elapsed().as_millis(), "indexes are proved before they are published");
    Ok(Some(Arc::new(module)))
}

fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join(LOCK);
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("lock file {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => anyhow::bail!(
            "another stopleak serves the data folder {}; stop it, or give this one its own with --data-dir",
            data_dir.display()
        ),
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// What a crash left there is of no use.
pub(crate) fn empty_folder(path: PathBuf) -> anyhow::Result<PathBuf> {
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => create_private_folder(&path),
    }
    .with_context(|| format!("folder for clones {}", path.display()))?;
    Ok(path)
}

async fn bind(key: &'static str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("{address} is in use by another process; stop that process, or give another address with --{key}")
        }
        _ => anyhow::anyhow!("cannot listen on {address} (--{key}): {error}"),
    })
}

pub(crate) fn explain(error: sqlx::Error, database: &Database) -> anyhow::Error {
    if let sqlx::Error::Migrate(migrate) = &error
        && let sqlx::migrate::MigrateError::VersionMissing(version) = **migrate
    {
        return anyhow::anyhow!(
            "the database {database} has schema {version}, which this version does not know: it was used by a newer Stopleak; start that one"
        );
    }
    match trouble(&error) {
        Trouble::Locked | Trouble::Busy => anyhow::anyhow!(
            "the database {database} is locked by another process; end that process (perhaps an open sqlite3 shell or a backup), then start again"
        ),
        Trouble::Unavailable => anyhow::Error::new(error).context(match database {
            Database::Sqlite(_) => format!(
                "the database {database} cannot be used; look at its permissions, the free space of its disk, and whether it is a Stopleak database"
            ),
            Database::Postgres(_) => format!(
                "the database {database} cannot be used; look whether the server answers, takes this user and password, and has free space"
            ),
        }),
        Trouble::Defect | Trouble::Text => anyhow::Error::new(error).context(format!("the database {database}")),
    }
}

/// The token formats, after what of the operator's file has no counterpart was logged.
fn rules(config: &Config) -> anyhow::Result<Rules> {
    let rules = config.rules()?;
    for note in rules.notes() {
        tracing::warn!("rules: {note}");
    }
    Ok(rules)
}
