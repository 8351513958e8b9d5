//! Intake: what others send of their own accord, in place of being scanned.
//!
//! GitHub's secret scanning ([`github`]) and whoever has a webhook's secret ([`webhooks`]) sign each delivery. One that is not
//! genuine is refused before anything reads it; a genuine one becomes findings of its source, in batches. A delivery that comes
//! again adds nothing: a finding is one token at one place, however often it is told. So a sender that got no answer sends it again.

pub mod github;
pub mod webhooks;
mod turns;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::config::GithubConfig;
use crate::findings::{self, Found, Target};
use crate::imports::ReportError;
use crate::keys::TenantKeys;
use crate::time::Time;

pub use self::turns::{Turn, Turns};

/// What receives deliveries.
pub struct Intake {
    /// Turns at receiving one: until it has been received nobody knows whether it is genuine, and it takes room.
    pub receiving: Turns,
    /// Turns at reading a genuine one and writing it down.
    taking: Semaphore,
    /// Receives those of GitHub, when the operator takes part.
    pub github: Option<github::Receiver>,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Receipt {
    /// Findings of the delivery.
    pub findings: i64,
    /// Tokens that no leak had before.
    pub found_new: i64,
    /// Findings that were passed over: without the token's text, or with one that cannot be a token.
    pub passed_over: i64,
    /// Whether it was taken before: then nothing was done.
    pub replayed: bool,
}

/// Why a delivery was not taken. What had been written stays, and it may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Nobody knows who sent it.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// The keys by which it could be verified cannot be had.
    #[error("the list of GitHub's public keys cannot be had at the moment; send it again")]
    NoKeys,
    /// What it says is of no known form.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
    /// A thread broke off.
    #[error("the reading broke off by a defect")]
    Defect,
}

/// Why a delivery is not taken as genuine. Says the same of a sender that is unknown and of one whose signature is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// A header is missing, is there twice, or is not of its form.
    #[error("the header {0} is missing or not of the form that the documentation describes")]
    Header(&'static str),
    /// Signed too long ago, or by a clock that is wrong.
    #[error("the signature's time differs from the server's by more than five minutes; sign again, by a clock that is right")]
    Untimely,
    /// No such sender, or another body or secret.
    #[error("the signature does not fit: it is by another secret, or over another body, or nobody of this name may send here")]
    Signature,
}

/// What was read of a delivery.
#[derive(Default)]
struct Delivery {
    found: Vec<Found>,
    passed_over: i64,
}

/// Each may hold a body of 2 MiB.
const RECEIVING_AT_ONCE: usize = 32;
/// Of one network: somebody may send slowly, and from many connections.
const RECEIVING_OF_ONE: usize = RECEIVING_AT_ONCE / 2;
/// Each takes a thread and up to some 30 MiB, and they share one writer.
const TAKING_AT_ONCE: usize = 2;
/// Findings in one transaction: nobody else writes meanwhile.
const BATCH: usize = 200;

impl Intake {
    /// As the operator wants it.
    #[must_use]
    pub fn new(github: Option<&GithubConfig>) -> Self {
        Self {
            receiving: Turns::new(RECEIVING_AT_ONCE, RECEIVING_OF_ONE),
            taking: Semaphore::new(TAKING_AT_ONCE),
            github: github.map(github::Receiver::new),
        }
    }
}

impl Delivery {
    fn push(&mut self, found: Option<Found>) {
        match found {
            Some(found) => self.found.push(found),
            None => self.passed_over += 1,
        }
    }
}

/// Reads a genuine delivery on a thread, and writes down what is in it.
async fn take(
    app: &Arc<App>,
    target: &Target,
    read: impl FnOnce(&App, &TenantKeys) -> Result<Delivery, ReportError> + Send + 'static,
) -> Result<Receipt, IntakeError> {
    // The semaphore is never closed; without a turn, one delivery more would only take longer.
    let _turn = app.intake.taking.acquire().await;
    let (reading, key) = (Arc::clone(app), app.keys.fingerprint(target.tenant));
    let delivery = tokio::task::spawn_blocking(move || read(&reading, &key));
    let Delivery { found, passed_over } = delivery.await.map_err(|_| IntakeError::Defect)??;
    let findings = i64::try_from(found.len()).unwrap_or(i64::MAX).saturating_add(passed_over);
    let mut receipt = Receipt { findings, passed_over, ..Receipt::default() };
    for batch in found.chunks(BATCH) {
        let batch: Vec<&Found> = batch.iter().collect();
        let mut db = app.store.write().await?;
        let written = findings::write(&mut db, target, &batch, Time::now()).await?;
        db.commit().await?;
        receipt.found_new += written.new;
        if let Some(epoch) = written.epoch {
            app.committed(target.tenant, epoch);
        }
    }
    Ok(receipt)
}
