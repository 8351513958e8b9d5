//! `stopleak admin-token`

use std::path::PathBuf;

use clap::Args;

use super::Fault;
use crate::config::Config;
use crate::serve::renew_admin_token;

/// Make the administrator's API token anew, when it was lost or somebody has seen it
///
/// The old one is refused from then on. Works on the server's own machine, while the server runs or not.
#[derive(Args)]
pub(super) struct AdminToken {
    /// The server's data folder [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's TOML file, when it says where the database is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl AdminToken {
    pub(super) fn run(self) -> Result<(), Fault> {
        let file = self.config.as_deref().map(Config::read).transpose().map_err(|error| Fault::Usage(error.to_string()))?;
        let config = Config { data_dir: self.data_dir, ..Config::default() }.or(file.unwrap_or_default());
        config.data_dir().and_then(|_| config.check_database()).map_err(|error| Fault::Usage(error.to_string()))?;
        let refused = |error: anyhow::Error| Fault::Refused(format!("{error:#}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| refused(e.into()))?;
        let file = runtime.block_on(renew_admin_token(&config)).map_err(refused)?;
        println!("The new token is in {}; the old one is refused from now on.", file.display());
        Ok(())
    }
}
