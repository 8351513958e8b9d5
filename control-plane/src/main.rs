//! The `stopleak` binary: see [`stopleak`] for how it works.

use std::process::ExitCode;

use clap::Parser as _;
use stopleak::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
