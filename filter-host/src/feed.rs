//! The control plane's half of the feed, towards a VM.

use std::sync::Arc;

use stopleak_contract::feed::Message;
use stopleak_contract::feed::wire::{self, to_control_plane, to_gateway};

use crate::module::HostError;
use crate::vm::Vm;

/// What a VM says of an index that it was fed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in force.
    Enforced {
        /// Its epoch.
        epoch: u64,
        /// The tokens that the VM believes to be in it.
        tokens: u64,
    },
    /// It is not, and what was there before stays.
    Kept {
        /// Why.
        reason: String,
    },
    /// It said neither.
    Silent,
}

/// Pages that the module reads with each tick, to have their prefilters.
const READ_BY_A_TICK: usize = 16;

impl Vm {
    /// Lets the VM open its stream, as its first tick does.
    pub fn connect(&mut self) -> Result<(), HostError> {
        self.tick()?;
        match self.streams() {
            0 => Err(HostError::Refused(format!("the module opens no stream: {}", self.log()))),
            _ => Ok(()),
        }
    }

    /// Feeds it what a gateway is sent, and says what it answers. `pages` are the shards that the messages carry, in their order: the host
    /// keeps these instead of copies.
    pub fn feed(
        &mut self,
        messages: impl IntoIterator<Item = impl Message>,
        pages: impl IntoIterator<Item = Arc<[u8]>>,
    ) -> Result<Answer, HostError> {
        self.store.data_mut().pages.extend(pages);
        let pages = self.store.data().pages.len();
        self.take_sent();
        for message in messages {
            self.receive(&message.encode_to_vec())?;
        }
        self.store.data_mut().pages.clear();
        let answer = self.answers()?.into_iter().rev().find_map(|answer| match answer {
            to_control_plane::Message::Ack(ack) => Some(Answer::Enforced { epoch: ack.epoch, tokens: ack.tokens }),
            to_control_plane::Message::Nack(nack) => Some(Answer::Kept { reason: nack.reason }),
            _ => None,
        });
        let answer = answer.unwrap_or(Answer::Silent);
        if matches!(answer, Answer::Enforced { .. }) {
            self.read(pages)?;
        }
        Ok(answer)
    }

    /// Lets it read so many new pages. It gives its stream up when it cannot, to have all of them again.
    fn read(&mut self, pages: usize) -> Result<(), HostError> {
        let cancelled = self.store.data().cancelled;
        for _ in 0..pages.div_ceil(READ_BY_A_TICK) {
            self.tick()?;
            if self.store.data().cancelled != cancelled {
                return Err(HostError::Refused(format!("the module cannot read a page: {}", self.log())));
            }
        }
        Ok(())
    }

    /// What it has said to the control plane since the last time; attempts are acknowledged, as the control plane does that stores them.
    pub(crate) fn answers(&mut self) -> Result<Vec<to_control_plane::Message>, HostError> {
        let mut answers = Vec::new();
        for sent in self.take_sent() {
            let decoded = wire::ToControlPlane::decode(sent.as_slice());
            let decoded =
                decoded.map_err(|error| HostError::Refused(format!("the module sends no message of the feed: {error}")))?;
            if let Some(to_control_plane::Message::Attempts(batch)) = &decoded.message {
                let ack = wire::AttemptsAck { batch: batch.batch, worker: batch.worker.clone() };
                let ack = wire::ToGateway { message: Some(to_gateway::Message::AttemptsAck(ack)) };
                self.receive(&ack.encode_to_vec())?;
            }
            answers.extend(decoded.message);
        }
        Ok(answers)
    }
}
