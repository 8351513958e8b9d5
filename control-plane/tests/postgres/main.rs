//! The tests of `tests/it` that have to do with the database, on `PostgreSQL`; each has a server of its own.

/// Whether worlds have a `PostgreSQL`.
const ON_POSTGRES: bool = true;

#[path = "../it/world.rs"]
mod world;
#[path = "../it/client.rs"]
mod client;
#[path = "../it/rights.rs"]
mod rights;
#[path = "../it/tenants.rs"]
mod tenants;
#[path = "../it/audit.rs"]
mod audit;
#[path = "../it/people.rs"]
mod people;
#[path = "../it/leaks.rs"]
mod leaks;
#[path = "../it/decisions.rs"]
mod decisions;
#[path = "../it/scopes.rs"]
mod scopes;
#[path = "../it/lists.rs"]
mod lists;
#[path = "../it/pages.rs"]
mod pages;
#[path = "../it/waiting.rs"]
mod waiting;
#[path = "../it/many.rs"]
mod many;
#[path = "../it/machines.rs"]
mod machines;
#[path = "../it/life.rs"]
mod life;
#[path = "../it/closed.rs"]
mod closed;
#[path = "../it/teamwork.rs"]
mod teamwork;
#[path = "../it/feed.rs"]
mod feed;
#[path = "../it/broken_gateways.rs"]
mod broken_gateways;
#[path = "../it/enforcement.rs"]
mod enforcement;
#[path = "../it/flood.rs"]
mod flood;
#[path = "../it/scans.rs"]
mod scans;
#[path = "../it/histories.rs"]
mod histories;
#[path = "../it/imports.rs"]
mod imports;
#[path = "../it/checks.rs"]
mod checks;
#[path = "../it/fingerprinted.rs"]
mod fingerprinted;
#[path = "../it/keys.rs"]
mod keys;
#[path = "../it/public_checks.rs"]
mod public_checks;
#[path = "../it/webhooks.rs"]
mod webhooks;
#[path = "../it/github.rs"]
mod github;
#[path = "../it/cli.rs"]
mod cli;
#[path = "../it/notifications/mod.rs"]
mod notifications;
#[path = "../it/verdicts.rs"]
mod verdicts;
#[path = "../it/repeats.rs"]
mod repeats;
#[path = "../it/backup.rs"]
mod backup;

mod replicas;
mod server;
mod workers;
