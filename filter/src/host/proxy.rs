//! Envoy, as the gateway sees it.

use stopleak_contract::feed::{METHOD, SERVICE};

use super::abi::{self, LogLevel};
use super::calls;
use crate::circumstances::Around;
use crate::header_map;
use crate::proxy::{Level, Proxy, Shared};

/// Its calls.
pub struct Envoy;

impl Shared for Envoy {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        // One that was never written has no version.
        abi::shared_data(key).ok().filter(|(_, version)| *version != 0)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        abi::set_shared_data(key, value, version.unwrap_or(0)).is_ok()
    }
}

impl Around for Envoy {
    fn client(&self) -> String {
        calls::client()
    }

    fn now_ms(&self) -> u64 {
        calls::now_ms()
    }
}

impl Proxy for Envoy {
    fn open_queue(&self, name: &str) -> Option<u32> {
        abi::register_queue(name).ok()
    }

    fn enqueue(&self, queue: u32, message: &[u8]) {
        // A queue that is gone belonged to a VM that is gone.
        let _ = abi::enqueue(queue, message);
    }

    fn dequeue(&self, queue: u32) -> Option<Vec<u8>> {
        abi::dequeue(queue).ok()
    }

    fn open_stream(&self, target: &str, credential: &str) -> Result<u32, String> {
        let authorization = format!("Bearer {credential}");
        let metadata = header_map::write(&[("authorization", &authorization)]);
        abi::open_stream(target, SERVICE, METHOD, &metadata).map_err(|status| format!("{status:?}"))
    }

    fn send(&self, stream: u32, message: &[u8]) {
        let _ = abi::send(stream, message);
    }

    fn cancel(&self, stream: u32) {
        let _ = abi::cancel(stream);
    }

    fn jitter(&self) -> u8 {
        calls::jitter()
    }

    fn node(&self) -> String {
        calls::property(&["xds", "node", "id"])
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        abi::log(level, message);
    }
}
