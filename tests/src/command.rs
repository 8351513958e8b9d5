//! What every program of these tests does with its arguments and its end.

use std::env::Args;
use std::iter::Skip;
use std::process::ExitCode;

use anyhow::Result;

/// Reads the arguments and runs; what went wrong is told. The exit code is 2 when it was the arguments, and 1 when it was the run.
pub fn command<A>(
    name: &str,
    usage: &str,
    parse: impl FnOnce(Skip<Args>) -> Result<A>,
    run: impl FnOnce(&A) -> Result<()>,
) -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n\n{usage}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
