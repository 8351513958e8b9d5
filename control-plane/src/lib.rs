//! The Stopleak control plane: keeps the leaks of its tenants, takes decisions on them, and tells every gateway.
//!
//! The flow: a [`config`] names a data folder that holds the [`keys`] and, apart from them, the [`store`]. A scan of one of the
//! [`sources`] brings tokens (or an administrator, a report among [`imports`], or what comes by [`intake`]), which become [`leaks`];
//! a decision on a leak, of a person or of one of their [`policies`], changes what the [`index`] holds, and so do [`pauses`],
//! [`scopes`] and [`responses`]; the publisher builds and seals it, and the [`feed`] pushes it to the [`gateways`], which report
//! [`attempts`]. What happens to leaks is told by [`notifications`]. The [`api`] is how [`people`] reach all that, each port has a
//! [`door`], [`serve`] puts it together, and [`cli`] is the API from a terminal.
//!
//! A token's text lives from the moment it is read until its fingerprint is known, in memory, and nowhere else.

pub mod config;
pub mod secret;
pub mod keys;
pub mod sealed;
pub mod signature;
pub mod outbound;
pub mod time;
pub mod store;
pub mod epochs;
pub mod tenants;
pub mod people;
pub mod audit;
pub mod api_tokens;
pub mod sources;
mod findings;
pub mod jobs;
pub mod scans;
pub mod imports;
pub mod intake;
pub mod leaks;
pub mod checks;
pub mod public_checks;
pub mod pauses;
pub mod scopes;
pub mod responses;
pub mod policies;
pub mod index;
pub mod verdicts;
pub mod repeats;
pub mod gateways;
pub mod feed;
pub mod attempts;
pub mod saved_views;
pub mod notifications;
pub mod metrics;
pub mod app;
pub mod replicas;

pub mod door;
pub mod api;
mod console;
pub mod serve;
pub mod backup;
pub mod worker;
pub mod cli;
