//! The feed: how every gateway gets the index, and how attempts come back.
//!
//! A gateway opens one stream for each of its workers. `service` lets it in by its credential; [`session`] is the protocol, a
//! pure state machine; `connection` drives one stream with it; [`fleet`] remembers what is in force where. [`exchange()`] writes down what is in force
//! everywhere, and tells the other servers on the database; [`overview`] shows what all of them know.

pub mod session;
mod convergence;
mod codec;
mod known;
pub mod fleet;
mod servers;
mod exchange;
pub mod overview;
mod connection;
mod service;

pub use connection::STORING_AT_ONCE;
pub use exchange::exchange;
pub use fleet::Fleet;
pub use overview::GatewayState;
pub use service::serve;

#[rustfmt::skip]
#[path = "gen/stopleak.feed.v1.rs"]
#[expect(clippy::pedantic, clippy::allow_attributes, unused_qualifications, reason = "generated")]
mod generated;
