//! The control plane from outside: the real API and feed on free ports, with a database of its own for each test.

/// Whether worlds have a `PostgreSQL`; the other half of these tests is in `tests/postgres`.
const ON_POSTGRES: bool = false;

mod world;
mod client;
mod rights;
mod openapi;
mod schemathesis;
mod tenants;
mod audit;
mod tampering;
mod people;
mod sso;
mod leaks;
mod checks;
mod fingerprinted;
mod keys;
mod public_checks;
mod decisions;
mod scopes;
mod lists;
mod pages;
mod waiting;
mod many;
mod machines;
mod life;
mod closed;
mod teamwork;
mod doors;
mod feed;
mod broken_gateways;
mod enforcement;
mod flood;
mod tls;
mod scans;
mod histories;
mod imports;
mod webhooks;
mod github;
mod cli;
mod backup;
mod index;
mod start;
mod secrecy;
mod notifications;
mod verdicts;
mod repeats;
