//! Envoy's counters and gauges.

use super::abi::{self, Metric};
use crate::counted::{COUNTERS, Counted};
use crate::gateway::Gauges;

/// The host's ids of the metrics, and what the host has been told.
pub struct Metrics {
    counters: Vec<u32>,
    written: [u64; COUNTERS],
    gauges: Vec<u32>,
}

const GAUGES: [&str; 4] =
    ["stopleak.index_epoch", "stopleak.index_tokens", "stopleak.index_age_seconds", "stopleak.feed_connected"];

impl Metrics {
    /// Makes them known to the host.
    pub fn define() -> Self {
        let define = |kind: Metric, names: &[&str]| names.iter().filter_map(|name| abi::define_metric(kind, name).ok()).collect();
        Self {
            counters: define(Metric::Counter, &Counted::NAMES),
            written: [0; COUNTERS],
            gauges: define(Metric::Gauge, &GAUGES),
        }
    }

    /// Adds what was counted since the last time to the counters, which all VMs share, and sets the gauges.
    pub fn write(&mut self, counted: &Counted, gauges: Gauges) {
        for ((counter, total), written) in self.counters.iter().zip(counted.values()).zip(&mut self.written) {
            if total > *written {
                let _ = abi::increment_metric(*counter, i64::try_from(total - *written).unwrap_or(i64::MAX));
                *written = total;
            }
        }
        let Gauges { index_epoch, index_tokens, index_age_seconds, feed_connected } = gauges;
        for (gauge, value) in self.gauges.iter().zip([index_epoch, index_tokens, index_age_seconds, feed_connected]) {
            let _ = abi::record_metric(*gauge, value);
        }
    }
}
