//! `stopleak admin-token`

use std::path::PathBuf;

use clap::Args;

use super::Fault;
use crate::config::default_data_dir;
use crate::serve::renew_admin_token;

/// Make the administrator's API token anew, when it was lost or somebody has seen it
///
/// The old one is refused from then on. Works on the server's own machine, while the server runs or not.
#[derive(Args)]
pub(super) struct AdminToken {
    /// The server's data folder [default: ~/.local/share/stopleak]
    #[arg(long, env = "STOPLEAK_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl AdminToken {
    pub(super) fn run(self) -> Result<(), Fault> {
        let no_folder = || Fault::Usage("neither XDG_DATA_HOME nor HOME is set; give --data-dir".to_owned());
        let data_dir = self.data_dir.or_else(default_data_dir).ok_or_else(no_folder)?;
        let refused = |error: anyhow::Error| Fault::Refused(format!("{error:#}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| refused(e.into()))?;
        let file = runtime.block_on(renew_admin_token(&data_dir)).map_err(refused)?;
        println!("The new token is in {}; the old one is refused from now on.", file.display());
        Ok(())
    }
}
