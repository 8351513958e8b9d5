//! Trying a request by the index that was published last.

use std::sync::Arc;

use stopleak_contract::feed::wire::Attempt;
use stopleak_filter_host::{FilterModule, HostError, Judged, Limits, Request, SharedData};

use super::proof;
use crate::keys::Keys;

/// What it takes to try a request: the module, and what its VMs share since the index was proved.
#[derive(Clone)]
pub struct Trial {
    module: Arc<FilterModule>,
    keys: Arc<Keys>,
    shared_data: SharedData,
    /// The epoch by which it judges.
    pub epoch: u64,
}

/// A second or two of work: the most that a request within the API's limits can be made to take is a third of it.
const LIMITS: Limits = Limits { fuel: 2_000_000_000, memory: 128 * 1024 * 1024 };

/// The VM that proves has another.
const NUMBER: u8 = 1;

impl Trial {
    pub(super) fn new(module: Arc<FilterModule>, keys: Arc<Keys>, shared_data: SharedData, epoch: u64) -> Self {
        Self { module, keys, shared_data, epoch }
    }

    /// Judges a request, as a gateway would, and says what the gateway would report of it. The VM is new, as a worker in Envoy that has
    /// just been started, and is gone afterwards: nothing of one request is left for the next. Takes a processor for a while.
    pub fn judge(&self, request: Request) -> Result<(Judged, Vec<Attempt>), HostError> {
        let mut vm = proof::start(&self.module, &self.keys, LIMITS, NUMBER, self.shared_data.clone())?;
        let judged = vm.judge(request)?;
        let attempts = if judged.leak.is_some() { vm.report()? } else { Vec::new() };
        Ok((judged, attempts))
    }
}
