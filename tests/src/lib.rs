//! The world of the end-to-end tests and of the demo: the built binaries, a real Envoy, a real upstream, real Git repositories.
//!
//! [`World`] starts them on free ports of the loopback interface and ends them when it is dropped. [`Tools`] finds the binaries,
//! [`Running`] is a child process with its log, [`ControlPlane`] and [`Envoy`] are the two halves of the product, [`Upstream`] is the
//! service that they protect, [`Network`] is the link between them, which can be cut and corrupted, and [`repository`] makes
//! repositories with leaked tokens, which [`tokens`] makes up. [`traffic`] has requests of real shapes for measuring, [`Load`] sends some
//! all the time, [`FirstLoad`] is how an index arrives, and a [`Simulator`] is thousands of gateways at once.

mod tools;
mod running;
pub mod tokens;
pub mod traffic;
pub mod repository;
mod upstream;
mod network;
mod api;
mod small_disk;
mod control_plane;
mod envoy;
mod http2;
mod request;
mod connection;
mod indexed;
mod load;
mod first_load;
mod simulator;
mod world;
mod command;

pub use api::Api;
pub use command::command;
pub use connection::{Connection, Http2Connection, Message};
pub use control_plane::ControlPlane;
pub use envoy::{Envoy, EnvoySetting, WORKERS};
pub use first_load::FirstLoad;
pub use indexed::Indexed;
pub use load::{Latencies, Load, milliseconds};
pub use network::{Damage, Network};
pub use request::{Reply, Request};
pub use running::Running;
pub use simulator::{Attack, Everywhere, Plan, Simulator};
pub use small_disk::SmallDisk;
pub use tools::Tools;
pub use upstream::Upstream;
pub use world::{Setting, World, eventually};
