//! Drives one stream: the session decides, this sends, stores and remembers.

use std::collections::VecDeque;
use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use stopleak_contract::feed::wire::{self, to_gateway::Message};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::fleet::Member;
use super::known::InForce;
use super::session::{Event, Session, Violation};
use crate::app::App;
use crate::attempts::{self, Stored};
use crate::gateways::Subscriber;
use crate::index::{Encoded, Published, Push, welcome};
use crate::leaks::leak_id;
use crate::time::Time;

/// What one stream has to hand.
pub(super) struct Connection {
    pub(super) app: Arc<App>,
    pub(super) subscriber: Subscriber,
    pub(super) member: Member,
    pub(super) index: watch::Receiver<Arc<Published>>,
    /// What the gateway has when everything that was sent is in force there.
    pub(super) base: Option<Arc<Published>>,
    pub(super) inbound: Streaming<wire::ToControlPlane>,
    pub(super) outbound: mpsc::Sender<Result<Encoded, Status>>,
}

/// What waits to be sent: small answers first, then one index, message by message. A gateway that is slower than decisions are
/// taken gets only the newest index afterwards.
#[derive(Default)]
struct Outbox {
    answers: VecDeque<Encoded>,
    push: Option<Push>,
}

/// Batches that wait to be stored, one at a time.
#[derive(Default)]
struct Intake {
    waiting: VecDeque<wire::AttemptBatch>,
    waiting_bytes: usize,
    storing: Option<Storing>,
}

/// Ends with the answer and with what became of the batch.
type Storing = Pin<Box<dyn Future<Output = (wire::AttemptsAck, Stored)> + Send>>;

/// A stream without Hello for that long is of no use.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of batches that wait beside the one that is being stored; what comes on top is not read. Each worker has one on its way, of some
/// 40 KB: as long as those of all workers find room, nobody's acknowledgement waits behind the storing of attempts.
const MAX_WAITING: usize = 512 * 1024;
/// A gateway that sends but does not read would let them pile up.
const MAX_ANSWERS: usize = 16;
/// Batches of all streams that are being stored at once: half the readers stay free, and a decision waits behind that many at most.
pub const STORING_AT_ONCE: usize = 2;
/// Between two tries when the database cannot be written.
const RETRY: Duration = Duration::from_millis(500);

impl Connection {
    /// Runs until either side ends the stream.
    pub(super) async fn run(mut self) {
        let gateway = self.subscriber.name.clone();
        match self.drive().await {
            Ok(()) => tracing::info!(gateway, "stream ended by the gateway"),
            Err(status) => {
                tracing::warn!(gateway, code = ?status.code(), reason = status.message(), "stream closed");
                // Waits for room at most as long as the gateway keeps the stream open.
                let _ = tokio::time::timeout(HELLO_TIMEOUT, self.outbound.send(Err(status))).await;
            }
        }
    }

    async fn drive(&mut self) -> Result<(), Status> {
        let (mut session, mut outbox, mut intake) = (Session::default(), Outbox::default(), Intake::default());
        let mut revoked = self.member.revoked();
        let app = Arc::clone(&self.app);
        let stopped = app.stopped();
        tokio::pin!(stopped);
        let late = tokio::time::sleep(HELLO_TIMEOUT);
        tokio::pin!(late);
        let outbound = self.outbound.clone();
        loop {
            tokio::select! {
                biased;
                () = comes_true(&mut revoked) => return Err(revoked_status(&self.subscriber.name)),
                () = &mut stopped => {
                    return Err(Status::unavailable("the control plane is shutting down; reconnect"));
                }
                (ack, stored) = intake.stored() => {
                    self.look_at(&stored);
                    outbox.answers.push_back(Encoded::of(Message::AttemptsAck(ack)));
                    intake.next(|batch| self.store(batch));
                }
                received = self.inbound.message(), if intake.has_room() && outbox.answers.len() < MAX_ANSWERS => {
                    let Some(message) = received? else { return Ok(()) };
                    self.member.heard(Time::now());
                    let event = session.receive(message).map_err(|violation| close(&violation))?;
                    self.handle(event, &mut session, &mut outbox, &mut intake);
                }
                changed = self.index.changed(), if session.is_open() && outbox.push.is_none() => {
                    changed.map_err(|_| Status::unavailable("the control plane is shutting down; reconnect"))?;
                    self.push(&mut session, &mut outbox);
                }
                permit = outbound.reserve(), if !outbox.is_empty() => {
                    let Ok(permit) = permit else { return Ok(()) };
                    if let Some(message) = outbox.next() {
                        permit.send(Ok(message));
                    }
                }
                () = &mut late, if !session.is_open() => {
                    return Err(Status::deadline_exceeded("no Hello came"));
                }
            }
        }
    }

    fn handle(&mut self, event: Event, session: &mut Session, outbox: &mut Outbox, intake: &mut Intake) {
        let gateway = self.subscriber.name.as_str();
        match event {
            Event::Joined(hello) => {
                tracing::info!(gateway, node = hello.node, filter = hello.filter_version, epoch = hello.epoch, "stream opened");
                if hello.epoch > self.index.borrow().epoch {
                    tracing::error!(
                        gateway,
                        epoch = hello.epoch,
                        "a gateway has a newer epoch than this control plane and will refuse every older index; \
                         was the database restored from an old backup?"
                    );
                }
                self.member.join(&hello, Time::now());
                self.base = self.app.publisher.find(self.subscriber.tenant.id, &hello.root);
                outbox.answers.push_back(welcome(&self.app.keys, &self.subscriber.tenant));
                self.push(session, outbox);
            }
            Event::Enforced(ack) => {
                tracing::debug!(gateway, epoch = ack.epoch, tokens = ack.tokens, "index in force");
                let in_force = self.in_force(&ack);
                self.member.enforced(ack.worker, in_force, Time::now());
            }
            Event::Gone(gone) => self.member.gone(&gone.worker, Time::now()),
            Event::Kept(nack) => {
                if let Some(unlogged) = self.app.fleet.complains(self.subscriber.gateway) {
                    let (epoch, reason) = (nack.epoch, nack.reason.as_str());
                    tracing::error!(gateway, epoch, reason, unlogged, "a gateway refused the index and keeps the last good one");
                }
                self.member.kept(&nack, Time::now());
                // Perhaps the gateway does not have what the difference was told from.
                self.base = None;
                if session.again(nack.epoch) {
                    self.push(session, outbox);
                }
            }
            Event::Reported(batch) => {
                intake.push(batch);
                if intake.storing.is_none() {
                    intake.next(|batch| self.store(batch));
                }
            }
            Event::Counted(stats) => self.member.counted(&stats),
        }
    }

    fn push(&mut self, session: &mut Session, outbox: &mut Outbox) {
        // Switching it on publishes, and that is heard here.
        if !self.app.publisher.is_on(self.subscriber.tenant.id) {
            return;
        }
        let published = Arc::clone(&self.index.borrow_and_update());
        if session.push(published.epoch, &published.root) {
            let push = Push::new(Arc::clone(&published), self.base.as_deref());
            session.sent(push.is_whole());
            self.member.owes(published.epoch, Time::now());
            outbox.push = Some(push);
            self.base = Some(published);
        }
    }

    /// Stores the batch, however long the database takes: it is acknowledged when it is on the disk.
    fn store(&self, batch: wire::AttemptBatch) -> Storing {
        let (app, tenant, gateway) = (Arc::clone(&self.app), self.subscriber.tenant.id, self.subscriber.gateway);
        Box::pin(async move {
            loop {
                let turn = app.storing.acquire().await;
                match attempts::store_batch(&app.store, tenant, gateway, &batch.attempts, app.max_attempts, Time::now()).await {
                    Ok(stored) => {
                        app.metrics.stored(&stored);
                        if let Some(epoch) = stored.epoch {
                            app.committed(tenant, epoch);
                        }
                        return (wire::AttemptsAck { batch: batch.batch, worker: batch.worker }, stored);
                    }
                    Err(error) => {
                        if let Some(unlogged) = app.fleet.complains(gateway) {
                            tracing::error!(gateway, %error, unlogged, "attempts cannot be stored; trying again");
                        }
                    }
                }
                drop(turn);
                tokio::time::sleep(RETRY).await;
            }
        })
    }

    /// The counters have all of it, the log a line now and then.
    fn look_at(&self, stored: &Stored) {
        if stored.false_matches == 0 && stored.malformed == 0 {
            return;
        }
        let Some(unlogged) = self.app.fleet.complains(self.subscriber.gateway) else { return };
        let (gateway, Stored { false_matches, malformed, .. }) = (self.subscriber.name.as_str(), *stored);
        if let Some((leak, owner)) = stored.false_match {
            let (leak, owner) = (leak_id(leak), owner.map(leak_id));
            tracing::error!(
                gateway,
                leak,
                owner,
                false_matches,
                unlogged,
                "false match: the token belongs to another leak or to none"
            );
        }
        if malformed > 0 {
            tracing::warn!(gateway, attempts = malformed, unlogged, "attempts cannot be read and are dropped");
        }
    }

    /// What a worker has in force, as far as that is still known.
    fn in_force(&self, ack: &wire::Ack) -> InForce {
        let published = self.app.publisher.find_epoch(self.subscriber.tenant.id, ack.epoch);
        InForce {
            epoch: ack.epoch,
            tokens: Some(ack.tokens),
            bytes: published.as_ref().map(|published| published.bytes),
            built_at: published.map(|published| published.built_at),
        }
    }
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.push.is_none()
    }

    fn next(&mut self) -> Option<Encoded> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        let push = self.push.as_mut()?;
        let message = push.next();
        if push.is_done() {
            self.push = None;
        }
        message
    }
}

impl Intake {
    fn push(&mut self, batch: wire::AttemptBatch) {
        self.waiting_bytes += prost::Message::encoded_len(&batch);
        self.waiting.push_back(batch);
    }

    fn next(&mut self, store: impl FnOnce(wire::AttemptBatch) -> Storing) {
        let next = self.waiting.pop_front();
        self.waiting_bytes -= next.as_ref().map_or(0, prost::Message::encoded_len);
        self.storing = next.map(store);
    }

    fn has_room(&self) -> bool {
        self.waiting_bytes < MAX_WAITING
    }

    /// The batch that was stored; never when there is none.
    async fn stored(&mut self) -> (wire::AttemptsAck, Stored) {
        match &mut self.storing {
            Some(storing) => storing.await,
            None => future::pending().await,
        }
    }
}

/// What a gateway with a revoked credential is told.
pub(super) fn revoked_status(gateway: &str) -> Status {
    Status::permission_denied(format!(
        "the credential of gateway {gateway:?} was revoked; add the gateway again (stopleak gateway add) and give its new credential"
    ))
}

/// Also when nobody is left to say so.
async fn comes_true(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}

fn close(violation: &Violation) -> Status {
    match violation {
        Violation::Contract { .. } => Status::failed_precondition(violation.to_string()),
        _ => Status::invalid_argument(violation.to_string()),
    }
}
