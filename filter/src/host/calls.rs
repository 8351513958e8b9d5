//! Host calls that have an answer for every failure.

use super::abi;

const NS_PER_MS: u64 = 1_000_000;

/// A property as text; empty when there is none.
pub fn property(path: &[&str]) -> String {
    let value = abi::property(path).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}

/// The client's address without the port; empty when it has none.
pub fn client() -> String {
    let address = property(&["source", "address"]);
    // `1.2.3.4:5678` or `[::1]:5678`
    address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).trim_matches(['[', ']']).to_owned()
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    abi::now_ns().unwrap_or(0) / NS_PER_MS
}

/// A random byte.
pub fn jitter() -> u8 {
    let mut random = [0];
    // Without randomness the fleet returns in step: slower, not wrong.
    let _ = getrandom::fill(&mut random);
    let [jitter] = random;
    jitter
}
