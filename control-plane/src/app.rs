//! What every part of a running control plane shares.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use stopleak_detector::{Detector, Risk, Rules};
use tokio::sync::{Notify, Semaphore, watch};

use crate::api::{Limits, Proxies, Site};
use crate::feed::Fleet;
use crate::index::Publisher;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::notifications;
use crate::people::Passwords;
use crate::people::sso::Sso;
use crate::sources::LocalSources;
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
    /// Receives what others send of their own accord.
    pub intake: Intake,
    /// Turns at reading a report: each takes a thread, and writes a lot.
    pub importing: Semaphore,
    /// Turns at storing attempts: gateways may report many, and decisions go through the same writer.
    pub storing: Semaphore,
    /// Turns at trying a request: each may take a processor for a while.
    pub trying: Semaphore,
    /// Takes and checks passwords.
    pub passwords: Passwords,
    /// The provider of single sign-on, when there is one.
    pub sso: Option<Arc<Sso>>,
    /// How often callers may call.
    pub limits: Limits,
    /// Where people reach the API with their browsers.
    pub site: Site,
    /// The proxies before the API whose word on where a request comes from is taken.
    pub proxies: Proxies,
    /// The folders of this machine that may be scanned.
    pub local_sources: LocalSources,
    /// Attempts that are kept of each tenant.
    pub max_attempts: u64,
    /// What operators watch.
    pub metrics: Arc<Metrics>,
    /// Finds tokens; made when the first scan needs it.
    pub detector: LazyDetector,
    /// Wakes the workers of this process when a job was written down; without it they find it a second later.
    pub job_queued: Notify,
    /// What this process is called among others: no two have the same name.
    pub process: String,
    /// Sends notifications.
    pub notifications: notifications::Sender,
    /// Where scans put clones of repositories.
    pub clones: PathBuf,
    /// Where gateways connect to.
    pub feed: SocketAddr,
    /// Becomes true when the control plane is asked to stop.
    pub stopping: watch::Sender<bool>,
}

/// A detector is costly to make, and most of the time nobody scans.
pub struct LazyDetector {
    rules: Rules,
    made: OnceLock<Detector>,
}

impl LazyDetector {
    /// A detector of these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, made: OnceLock::new() }
    }
}

impl App {
    /// Finds tokens. Takes a while the first time.
    pub fn detector(&self) -> &Detector {
        self.detector.made.get_or_init(|| Detector::new(&self.detector.rules))
    }

    /// How bad a leak of such a token is: the gateways stand before the operator's own API, so what opens that counts most, and what
    /// ends by itself least. For their own formats, operators say it themselves.
    #[must_use]
    pub fn risk_of(&self, rule: &str) -> Risk {
        match self.detector.rules.get(rule) {
            Some(rule) if rule.is_short_lived() => Risk::Low,
            Some(rule) if self.detector.rules.is_own(rule.id()) => rule.risk(),
            Some(rule) => rule.risk().min(Risk::Medium),
            None => Risk::Medium,
        }
    }

    /// The operator's own formats.
    #[must_use]
    pub fn own_rules(&self) -> Vec<String> {
        self.detector.rules.own().map(|rule| rule.id().to_owned()).collect()
    }

    /// Waits until the control plane is asked to stop.
    pub async fn stopped(&self) {
        // An error would mean that the flag is gone, and that lives as long as this does.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// To be called when a change of the index has committed, and not before.
    pub fn committed(&self, tenant: TenantId, epoch: i64) {
        self.publisher.wake_for(tenant, epoch);
    }
}
