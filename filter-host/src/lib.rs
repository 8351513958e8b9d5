//! A proxy-wasm host in `wasmtime`: enough of Envoy for the very filter module to be configured, to be fed an index and to judge requests.
//!
//! A [`FilterModule`] is compiled once. A [`Vm`] of it is started with [`Settings`], is [fed](Vm::feed) what the control plane pushes, and
//! [judges](Vm::judge) requests; what it reports is the source of truth for what matched. The VMs of one Envoy share data: a VM that is
//! started with the [`SharedData`] of another has that one's index at once, as a new worker in Envoy has.
//!
//! The module is trusted no more than the requests: its instructions, its memory and what the host keeps for it are bounded.

mod module;
mod limits;
mod shared_data;
mod host;
mod memory;
mod wasi;
mod calls;
mod vm;
mod feed;
mod judge;

pub use feed::Answer;
pub use host::{Clock, HeaderMap};
pub use judge::{Judged, Request};
pub use limits::Limits;
pub use module::{FilterModule, HostError};
pub use shared_data::SharedData;
pub use vm::{Outcome, Settings, Vm};
