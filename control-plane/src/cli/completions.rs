//! `stopleak completions`

use std::io;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Fault;

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  stopleak completions bash > /etc/bash_completion.d/stopleak
  stopleak completions zsh > ~/.zfunc/_stopleak")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "as every command")]
    pub(super) fn run(self) -> Result<(), Fault> {
        clap_complete::generate(self.shell, &mut super::Cli::command(), "stopleak", &mut io::stdout());
        Ok(())
    }
}
