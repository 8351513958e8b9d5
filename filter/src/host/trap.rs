//! A trap that a request asks for: the test of `FAIL_RELOAD` needs a module that falls, and the shipped one gives it no chance.

/// Whoever sends this header ends the VM.
const HEADER: &[u8] = b"x-provoke-trap";

/// Panics when the request asks for it, which ends the VM as any defect would.
pub fn on_demand(headers: &[(&[u8], &[u8])]) {
    assert!(!headers.iter().any(|(name, _)| *name == HEADER), "a request asked for a trap");
}
