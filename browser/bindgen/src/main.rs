//! Makes of the module that cargo has built the one that pages load, and the script that loads it.
//!
//! This is `wasm-bindgen`'s own command line as far as it is needed here: as a crate, the lock file keeps it at the version of the
//! library, which has to be the same.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let [from, to] = [1, 2].map(|at| env::args_os().nth(at).map(PathBuf::from));
    let from = from.context("name the module that cargo has built, and the folder for what is made of it")?;
    let to = to.context("name the folder for what is made of the module")?;
    ensure!(from.is_file(), "{} is missing: run `just build`", from.display());
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&from).no_modules(true)?.typescript(false).remove_name_section(true).remove_producers_section(true);
    bindgen.generate(&to).with_context(|| format!("{} cannot be made ready for browsers", from.display()))
}
