//! Host calls that have an answer for every failure.

use std::time::{SystemTime, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

/// A property as text; empty when there is none.
pub fn property(path: &[&str]) -> String {
    let value = hostcalls::get_property(path.to_vec()).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let now = hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH);
    now.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// A random byte.
pub fn jitter() -> u8 {
    let mut random = [0];
    // Without randomness the fleet returns in step: slower, not wrong.
    let _ = getrandom::fill(&mut random);
    let [jitter] = random;
    jitter
}

/// A line in Envoy's log, which puts the plugin's name in front.
pub fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, message);
}
