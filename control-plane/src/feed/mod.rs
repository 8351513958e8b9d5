//! The feed: how every gateway gets the index, and how attempts come back.
//!
//! A gateway opens one stream for each of its workers. `service` lets it in by its credential; [`session`] is the protocol, a
//! pure state machine; `connection` drives one stream with it; [`fleet`] remembers what is in force where.

pub mod session;
pub mod fleet;
mod convergence;
mod codec;
mod connection;
mod service;

pub use connection::STORING_AT_ONCE;
pub use fleet::{Fleet, GatewayState};
pub use service::serve;

#[rustfmt::skip]
#[path = "gen/stopleak.feed.v1.rs"]
#[expect(clippy::pedantic, clippy::allow_attributes, unused_qualifications, reason = "generated")]
mod generated;
