//! `just soak --quick`: what the long run does, for a few seconds, so that it cannot rot.

use std::process::Command;

use anyhow::{Result, ensure};

fn row(name: &str) -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(["--quick", "--only", name]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(told.starts_with(name) && told.lines().count() == 1, "{told}");
    Ok(())
}

#[test]
fn decisions_in_a_row_under_load() -> Result<()> {
    row("decisions")
}

#[test]
fn the_control_plane_is_killed_at_any_moment() -> Result<()> {
    row("kills")
}

#[test]
fn the_network_is_broken_in_every_way() -> Result<()> {
    row("network")
}

#[test]
fn an_attack_is_counted_and_decisions_go_on() -> Result<()> {
    row("attack")
}

#[test]
fn the_database_is_gone_read_only_and_full() -> Result<()> {
    row("database")
}
