//! A database that is gone, read-only or full: the API says so, gateways go on enforcing, and all heals by itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use stopleak_tests::{Setting, World, eventually, tokens};

use crate::Scale;
use crate::requests::Requests;

/// After the database is well again.
const HEALS: Duration = Duration::from_secs(10);

/// Enough for a start and some leaks.
const SMALL_DISK: u64 = 24;

pub fn row(scale: Scale) -> Result<String> {
    let on_server = || World::with(Setting { on_postgres: true, ..Setting::default() });
    let gone = broken(
        scale,
        on_server()?,
        |world| {
            world.postgres.as_mut().context("a server")?.stop();
            Ok(())
        },
        |world| world.postgres.as_mut().context("a server")?.start_again(),
    )?;
    let read_only = broken(scale, on_server()?, |world| set_read_only(world, true), |world| set_read_only(world, false))?;
    let small = World::with(Setting { on_small_disk: Some(SMALL_DISK), ..Setting::default() })?;
    let full = broken(
        scale,
        small,
        |world| world.control_plane.disk().context("a disk")?.fill(),
        |world| world.control_plane.disk().context("a disk")?.free(),
    )?;
    Ok(format!("gone {gone}; read-only {read_only}; full {full}"))
}

/// Breaks the database for a while. What was seen.
fn broken(
    scale: Scale,
    mut world: World,
    break_it: impl Fn(&mut World) -> Result<()>,
    mend_it: impl Fn(&mut World) -> Result<()>,
) -> Result<String> {
    let (always, toggled) = (tokens::own(1), tokens::own(2));
    let always_leak = world.patched_leak(&[&always])?;
    let leak = world.observed_leak(&[&toggled])?;
    let requests = Requests::start(world.envoy.listener(), &always)?;
    break_it(&mut world)?;
    let broken = Instant::now();
    let mut refused = 0;
    let mut reason = Value::Null;
    // What is on its way may still be taken; from the first refusal on, all are.
    while broken.elapsed() < scale.broken_for {
        let body = json!({"action": "set_risk", "risk": "low", "reason": "test", "confirm": true});
        let (status, problem) = world.control_plane.call("POST", &format!("/api/v1/leaks/{leak}/decisions"), Some(&body))?;
        ensure!(status == 503 || refused == 0, "{status} {problem} after {refused} refusals");
        if status == 503 {
            ensure!(problem["type"] == "urn:stopleak:problem:database-unavailable", "{problem}");
            (refused, reason) = (refused + 1, problem["title"].clone());
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
    ensure!(refused > 0, "the API does not say that the database is broken");
    mend_it(&mut world)?;
    let mended = Instant::now();
    let decided = eventually("decisions are taken again", HEALS, || {
        let body = json!({"action": "apply_virtual_patch", "reason": "test", "confirm": true});
        let (status, answer) = world.control_plane.call("POST", &format!("/api/v1/leaks/{leak}/decisions"), Some(&body))?;
        Ok((status < 300).then_some(answer))
    })?;
    world.wait_for_epoch(decided["epoch"].as_u64().context("no epoch")?)?;
    let healed = mended.elapsed();
    ensure!(world.get("/").bearer(&toggled).status()? == 403, "the patch is in force");
    let pairs = requests.stop()?;
    eventually("each use is on record once", HEALS, || {
        let record = world.control_plane.get(&format!("/api/v1/leaks/{always_leak}"))?;
        let uses = record["attempts"]["blocked"].as_u64().context("no count")?;
        ensure!(uses <= pairs, "{uses} uses are on record, and {pairs} there were");
        Ok((uses == pairs).then_some(()))
    })?;
    Ok(format!(
        "for {:.0} s: 503 {reason} {refused} times, {pairs} patched tokens refused and on record, decisions in force {:.1} s after",
        scale.broken_for.as_secs_f64(),
        healed.as_secs_f64()
    ))
}

/// Of every session, also of those that are open.
fn set_read_only(world: &World, on: bool) -> Result<()> {
    let url = world.postgres.as_ref().context("a server")?.url();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await?;
        let to = if on { "on" } else { "off" };
        let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {to}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await?;
        sqlx::query("SELECT pg_reload_conf()").execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    })
}
