//! What a module may use.

use wasmtime::{StoreLimits, StoreLimitsBuilder};

/// Bounds of one VM.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Instructions, for each call of the VM's methods. They bound the time, too: a thousand million take about a second.
    pub fuel: u64,
    /// Bytes of the module's memory.
    pub memory: usize,
}

/// Bytes that the host keeps of what one VM says, beside its shared data: it may say as much as it likes.
pub(crate) const MAX_KEPT: usize = 4 * 1024 * 1024;

/// Lines that are kept of its log.
pub(crate) const MAX_LINES: usize = 256;

impl Limits {
    /// None: for measuring.
    pub const NONE: Self = Self { fuel: u64::MAX, memory: usize::MAX };

    pub(crate) fn store(self) -> StoreLimits {
        // Growing beyond ends the VM: Rust's allocator would end it just the same, with a less telling error.
        StoreLimitsBuilder::new().memory_size(self.memory).instances(1).memories(1).trap_on_grow_failure(true).build()
    }
}
