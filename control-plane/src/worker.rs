//! A process that does jobs and serves nobody: any number of them may work on one `PostgreSQL`.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Config;
use crate::index::Publisher;
use crate::jobs;
use crate::keys::{Keys, create_private_folder, rotation};
use crate::metrics::Metrics;
use crate::replicas;
use crate::serve::{assemble, empty_folder, explain, has_keys};
use crate::store::{Database, Store};

/// Workers that may share a data folder.
const MAX_WORKERS: usize = 256;

/// Does jobs until `stop` comes. What is under way then goes back into the queue.
pub async fn run(config: &Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (data_dir, database) = (config.data_dir()?, config.database()?);
    if let Database::Sqlite(_) = database {
        anyhow::bail!(
            "workers of their own need a PostgreSQL (STOPLEAK_DATABASE_URL); with a file, `stopleak serve` does the jobs"
        );
    }
    let store = Store::connect(&database).await.map_err(|error| explain(error, &database))?;
    let in_use = has_keys(&store).await.map_err(|error| explain(error, &database))?;
    anyhow::ensure!(in_use, "the database {database} is empty: start `stopleak serve` on it first");
    let mut keys = Keys::load(&data_dir, &config.keys, true)?;
    let mut db = store.write().await?;
    rotation::register(&mut db, &mut keys).await?;
    db.commit().await?;
    let keys = Arc::new(keys);
    let (clones, _lock) = own_folder(&data_dir)?;
    let metrics = Metrics::new();
    let publisher = Publisher::silent(store.clone(), Arc::clone(&keys), Arc::clone(&metrics));
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let app = assemble(config, store, keys, publisher, metrics, nowhere, clones)?;
    tracing::info!(%database, process = app.process, "worker started");
    tokio::spawn(replicas::follow(Arc::clone(&app)));
    let working = tokio::spawn(jobs::work(Arc::clone(&app)));
    stop.await;
    tracing::info!("stopping");
    app.stopping.send_replace(true);
    working.await?;
    app.store.close().await;
    Ok(())
}

/// An empty folder for clones that no other worker has.
fn own_folder(data_dir: &Path) -> anyhow::Result<(PathBuf, File)> {
    let workers = data_dir.join("workers");
    create_private_folder(&workers).with_context(|| format!("folder {}", workers.display()))?;
    for n in 0..MAX_WORKERS {
        let path = workers.join(format!("{n}.lock"));
        let lock = File::options().create(true).write(true).truncate(false).open(&path);
        let lock = lock.with_context(|| format!("lock file {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => return Ok((empty_folder(workers.join(n.to_string()))?, lock)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }
    anyhow::bail!(
        "{MAX_WORKERS} workers use the data folder {} already; give this one its own with --data-dir",
        data_dir.display()
    )
}
