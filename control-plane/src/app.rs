//! What every part of a running control plane shares.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::feed::Fleet;
use crate::index::Publisher;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tenants::TenantId;

/// A running control plane.
pub struct App {
    /// The database.
    pub store: Store,
    /// The keys.
    pub keys: Arc<Keys>,
    /// Makes and hands out indexes.
    pub publisher: Arc<Publisher>,
    /// The connected gateways.
    pub fleet: Arc<Fleet>,
    /// What operators watch.
    pub metrics: Arc<Metrics>,
    /// Where gateways connect to.
    pub feed: SocketAddr,
    /// Becomes true when the control plane is asked to stop.
    pub stopping: watch::Sender<bool>,
}

impl App {
    /// To be called when a change of the index has committed, and not before.
    pub fn committed(&self, tenant: TenantId, epoch: i64) {
        self.fleet.committed(tenant, u64::try_from(epoch).unwrap_or(0));
        self.publisher.wake(tenant);
    }
}
