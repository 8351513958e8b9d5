//! The command line: one binary that serves, scans, and calls a server's API.
//!
//! `serve`, `worker`, `scan`, `index`, `profile`, `backup`, `restore`, `export`, `admin-token` and `keys` do their work here; every other command is a call of the API by the `client`, shown by `table` or,
//! with `--json`, as the API's own JSON.

mod serve;
mod worker;
mod scan;
mod client;
mod table;
mod wait;
mod moment;
mod pages;
mod revoke;
mod leak;
mod check;
mod attempts;
mod try_request;
mod policy;
mod guard_rails;
mod pause;
mod response;
mod closed_leaks;
mod source;
mod import;
mod webhook;
mod gateway;
mod notification;
mod tenant;
mod job;
mod user;
mod api_token;
mod audit;
mod index;
mod backup;
mod admin_token;
mod keys;
mod profile;
mod completions;
mod openapi;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Finds leaked API tokens and makes every Envoy refuse them.
#[derive(Parser)]
#[command(name = "stopleak", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Worker(worker::Worker),
    Scan(scan::ScanCommand),
    Leak(leak::Leak),
    Check(check::Check),
    Attempts(attempts::Attempts),
    Try(try_request::Try),
    Policy(policy::Policy),
    GuardRails(guard_rails::GuardRails),
    Pause(pause::Pause),
    Response(response::Response),
    ClosedLeaks(closed_leaks::ClosedLeaks),
    Source(source::Source),
    Import(import::Import),
    Webhook(webhook::Webhook),
    Gateway(gateway::Gateway),
    Notification(notification::Notification),
    Tenant(tenant::Tenant),
    Job(job::Job),
    User(user::User),
    ApiToken(api_token::ApiToken),
    Audit(audit::Audit),
    Index(index::Index),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Export(backup::Export),
    AdminToken(admin_token::AdminToken),
    Keys(keys::KeysCommand),
    Profile(profile::ProfileCommand),
    Completions(completions::Completions),
    #[command(name = "openapi")]
    OpenApi(openapi::OpenApi),
}

/// Why a command did not do what was asked; one message that says what to do.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// What was asked makes no sense: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It makes sense, and was refused or did not work: exit code 1.
    #[error("{0}")]
    Refused(String),
    /// It worked, and what was looked for is there: exit code 3.
    #[error("{0} leaked")]
    Leaked(u64),
}

impl Cli {
    /// Does what was asked.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(serve) => return serve.run(),
            Command::Worker(worker) => return worker.run(),
            Command::Scan(scan) => return scan.run(),
            Command::Leak(leak) => leak.run(),
            Command::Check(check) => check.run(),
            Command::Try(request) => match request.run() {
                Ok(code) => return code,
                Err(fault) => Err(fault),
            },
            Command::Attempts(attempts) => attempts.run(),
            Command::Policy(policy) => policy.run(),
            Command::GuardRails(rails) => rails.run(),
            Command::Pause(pause) => pause.run(),
            Command::Response(response) => response.run(),
            Command::ClosedLeaks(closed) => closed.run(),
            Command::Source(source) => source.run(),
            Command::Import(import) => import.run(),
            Command::Webhook(webhook) => webhook.run(),
            Command::Gateway(gateway) => gateway.run(),
            Command::Notification(notification) => notification.run(),
            Command::Tenant(tenant) => tenant.run(),
            Command::Job(job) => job.run(),
            Command::User(user) => user.run(),
            Command::ApiToken(api_token) => api_token.run(),
            Command::Audit(audit) => audit.run(),
            Command::Index(index) => index.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Export(export) => export.run(),
            Command::AdminToken(admin_token) => admin_token.run(),
            Command::Keys(keys) => keys.run(),
            Command::Profile(profile) => profile.run(),
            Command::Completions(completions) => completions.run(),
            Command::OpenApi(document) => document.run(),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                eprintln!("stopleak: {fault}");
                match fault {
                    Fault::Usage(_) => ExitCode::from(2),
                    Fault::Refused(_) => ExitCode::FAILURE,
                    Fault::Leaked(_) => ExitCode::from(3),
                }
            }
        }
    }
}
