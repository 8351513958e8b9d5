//! Envoy, as the gateway sees it.

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;
use stopleak_contract::feed::{METHOD, SERVICE};

use super::calls;
use crate::proxy::{Level, Proxy, Shared};

/// Its calls.
pub struct Envoy;

impl Shared for Envoy {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let (bytes, version) = hostcalls::get_shared_data(key).ok()?;
        Some((bytes.unwrap_or_default(), version?))
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        hostcalls::set_shared_data(key, Some(value), version).is_ok()
    }
}

impl Proxy for Envoy {
    fn open_queue(&self, name: &str) -> Option<u32> {
        hostcalls::register_shared_queue(name).ok()
    }

    fn enqueue(&self, queue: u32, message: &[u8]) {
        // A queue that is gone belonged to a VM that is gone.
        let _ = hostcalls::enqueue_shared_queue(queue, Some(message));
    }

    fn dequeue(&self, queue: u32) -> Option<Vec<u8>> {
        hostcalls::dequeue_shared_queue(queue).ok().flatten()
    }

    fn open_stream(&self, target: &str, credential: &str) -> Result<u32, String> {
        let authorization = format!("Bearer {credential}");
        let metadata = vec![("authorization", authorization.as_bytes())];
        hostcalls::open_grpc_stream(target, SERVICE, METHOD, metadata).map_err(|status| format!("{status:?}"))
    }

    fn send(&self, stream: u32, message: &[u8]) {
        let _ = hostcalls::send_grpc_stream_message(stream, Some(message), false);
    }

    fn cancel(&self, stream: u32) {
        let _ = hostcalls::cancel_grpc_stream(stream);
    }

    fn now_ms(&self) -> u64 {
        calls::now_ms()
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
        calls::log(level, message);
    }
}
