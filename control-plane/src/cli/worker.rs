//! `stopleak worker`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::serve::log_to_stderr;
use crate::config::{Config, ConfigError, LogFormat};
use crate::worker;

/// Do jobs, such as scans, without serving: any number of workers on one database server.
#[derive(Args)]
#[command(after_help = "\
The database's URL is in STOPLEAK_DATABASE_URL or the configuration, and the keys are the server's: in its files under <data-dir>/keys, in
STOPLEAK_FINGERPRINT_KEY and STOPLEAK_SIGNING_KEY, or printed by commands of the configuration.

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 could not start or work, 2 bad flags or configuration.")]
pub(super) struct Worker {
    /// Where the keys are and clones are put [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Worker {
    pub(super) fn run(self) -> ExitCode {
        let config = match self.config() {
            Ok(config) => config,
            Err(error) => {
                eprintln!("stopleak: {error}");
                return ExitCode::from(2);
            }
        };
        log_to_stderr(&config);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        match runtime.map_err(anyhow::Error::new).and_then(|runtime| runtime.block_on(work(&config))) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("stopleak: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn config(self) -> Result<Config, ConfigError> {
        let file = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let config = Config { data_dir: self.data_dir, log_format: self.log_format, ..Config::default() }.or(file);
        config.check()?;
        Ok(config)
    }
}

async fn work(config: &Config) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    worker::run(config, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}
