//! Several processes on one database: what one commits, the others act on.
//!
//! `PostgreSQL` tells them at once (triggers of migration 0008 notify within the transaction of the change), and every few seconds each looks by
//! itself, so that nothing depends on having been told. On `SQLite` nobody tells, and the look finds what a process beside the server has written.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification};

use crate::app::App;
use crate::store::{Address, Database};
use crate::tenants::{self, Tenant, TenantId};

/// Where triggers say what has changed.
const CHANNEL: &str = "stopleak";
/// How often is looked without having been told.
const LOOK: Duration = Duration::from_secs(5);
/// Between two tries to listen.
const RETRY: Duration = Duration::from_secs(1);

/// Follows what other processes commit until the control plane stops.
pub async fn follow(app: Arc<App>) {
    let looking = async {
        loop {
            tokio::time::sleep(LOOK).await;
            look_and_log(&app).await;
        }
    };
    let listening = async {
        match app.store.database() {
            Database::Sqlite(_) => std::future::pending().await,
            Database::Postgres(address) => listen(&app, address).await,
        }
    };
    tokio::select! {
        () = looking => {}
        () = listening => {}
        () = app.stopped() => {}
    }
}

async fn listen(app: &Arc<App>, address: &Address) {
    loop {
        let listening = async {
            let mut listener = PgListener::connect(address.expose()).await?;
            // Whoever loses the connection hears of it here, and looks for what was missed.
            listener.ignore_pool_close_event(true);
            listener.listen(CHANNEL).await?;
            look_and_log(app).await;
            loop {
                match listener.try_recv().await? {
                    Some(told) => act(app, &told).await?,
                    None => look_and_log(app).await,
                }
            }
        };
        let Err::<std::convert::Infallible, sqlx::Error>(error) = listening.await;
        tracing::warn!(%error, "the database does not tell of changes; looking for them, and trying again");
        tokio::time::sleep(RETRY).await;
    }
}

async fn act(app: &Arc<App>, told: &PgNotification) -> Result<(), sqlx::Error> {
    let (what, id) = told.payload().split_once(' ').unwrap_or((told.payload(), ""));
    match (what, id.parse()) {
        ("jobs", _) => app.job_queued.notify_waiters(),
        ("gateway", Ok(id)) => revoke(app, id).await?,
        ("tenant", Ok(id)) => {
            let tenant: Option<Tenant> = sqlx::query_as("SELECT id, name FROM tenants WHERE id = $1")
                .bind(TenantId(id))
                .fetch_optional(&mut *app.store.read().await?)
                .await?;
            if let Some(tenant) = tenant {
                catch_up(app, &tenant).await?;
            }
        }
        // Of a newer version.
        _ => {}
    }
    Ok(())
}

async fn look_and_log(app: &Arc<App>) {
    if let Err(error) = look(app).await {
        tracing::warn!(%error, "what other processes have changed cannot be looked for");
    }
}

/// Finds all that could have been missed.
async fn look(app: &Arc<App>) -> Result<(), sqlx::Error> {
    let tenants = tenants::all(&mut *app.store.read().await?).await?;
    for tenant in tenants {
        catch_up(app, &tenant).await?;
    }
    let revoked: Vec<i64> = sqlx::query_scalar("SELECT id FROM gateways WHERE revoked_at IS NOT NULL")
        .fetch_all(&mut *app.store.read().await?)
        .await?;
    for gateway in revoked {
        app.fleet.revoke(gateway);
    }
    Ok(())
}

/// Publishes what is newer in the database than here.
async fn catch_up(app: &Arc<App>, tenant: &Tenant) -> Result<(), sqlx::Error> {
    let mut db = app.store.read().await?;
    let (epoch, on) = (tenants::epoch(&mut db, tenant.id).await?.epoch, tenants::is_on(&mut db, tenant.id).await?);
    drop(db);
    if app.publisher.is_behind(tenant.id, epoch, on) {
        app.publisher.wake(tenant.id);
    }
    Ok(())
}

async fn revoke(app: &App, gateway: i64) -> Result<(), sqlx::Error> {
    let revoked: Option<i64> = sqlx::query_scalar("SELECT id FROM gateways WHERE id = $1 AND revoked_at IS NOT NULL")
        .bind(gateway)
        .fetch_optional(&mut *app.store.read().await?)
        .await?;
    if let Some(gateway) = revoked {
        app.fleet.revoke(gateway);
    }
    Ok(())
}
