//! Between the fleet in memory and the database: what is in force everywhere is written down, and where there are several servers, each tells the
//! others what it knows and reads what they know.
//!
//! An epoch is in force everywhere when the lowest epoch of every connected gateway, on every server, has reached it. A server writes its own
//! rows first and reads those of the others afterwards, so that of two that reach an epoch at the same time one at least sees both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::convergence::{Convergence, Rise};
use super::known::{self, Others};
use super::servers::{self, Peers};
use crate::app::App;
use crate::epochs::{self, Settled};
use crate::gateways;
use crate::tenants::TenantId;
use crate::time::Time;

/// How often a server shows that it lives, and writes down what can wait.
const BEAT: Duration = Duration::from_secs(1);
/// Changes that come within that time are written together. The times at which they came are kept.
const GATHER: Duration = Duration::from_millis(50);
/// Rows in one statement: a fleet of ten thousand gateways is written in a second.
const ROWS: usize = 500;

/// Epochs that one tenant's gateways have in force everywhere, and when that came to be.
struct Step {
    tenant: TenantId,
    /// What was looked at.
    rises: Vec<Rise>,
    /// The oldest first.
    reached: Vec<Rise>,
    since: Option<Time>,
    /// How many gateways are connected here, when there are none elsewhere.
    gateways: Option<usize>,
}

/// Writes down and reads until the control plane stops.
pub async fn exchange(app: Arc<App>) {
    let mut peers = Peers::default();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut healthy = true;
    loop {
        let is_beat = tokio::select! {
            _ = beat.tick() => true,
            () = app.fleet.changed() => false,
            () = app.stopped() => break,
        };
        let passed = pass(&app, &mut peers, is_beat).await;
        if let Err(error) = &passed
            && healthy
        {
            tracing::warn!(%error, "what is in force where cannot be written down; trying again with every second");
        }
        healthy = passed.is_ok();
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = app.stopped() => break,
        }
    }
    if let Err(error) = leave(&app, &mut peers).await {
        tracing::warn!(%error, "the other servers notice only in some seconds that this one is gone");
    }
}

async fn pass(app: &App, peers: &mut Peers, is_beat: bool) -> Result<(), sqlx::Error> {
    let others = if app.fleet.is_shared() {
        write(app, is_beat).await?;
        read(app, peers, is_beat).await?
    } else {
        app.fleet.take_rows(is_beat, 0);
        BTreeMap::new()
    };
    settle(app, &others, is_beat).await?;
    if is_beat { note_heard(app).await } else { Ok(()) }
}

/// The last word: what is in force is settled, and the gateways of this server are not counted any more.
async fn leave(app: &App, peers: &mut Peers) -> Result<(), sqlx::Error> {
    pass(app, peers, true).await?;
    if app.fleet.is_shared() {
        let mut db = app.store.aside().await?;
        servers::remove(&mut db, app.fleet.server()).await?;
        db.commit().await?;
    }
    Ok(())
}

/// Tells the others what this server knows.
async fn write(app: &App, is_beat: bool) -> Result<(), sqlx::Error> {
    let fleet = &app.fleet;
    loop {
        let rows = fleet.take_rows(is_beat, ROWS);
        let written = async {
            let mut db = app.store.aside().await?;
            let is_new = servers::beat(&mut db, fleet.server()).await?;
            known::write(&mut db, fleet.server(), &rows).await?;
            db.commit().await?;
            Ok::<_, sqlx::Error>(is_new)
        };
        match written.await {
            Ok(true) => fleet.rewrite(),
            Ok(false) => {}
            Err(error) => {
                fleet.give_back(&rows);
                return Err(error);
            }
        }
        if !fleet.is_urgent() {
            return Ok(());
        }
    }
}

/// What the others know; those that are gone are removed.
async fn read(app: &App, peers: &mut Peers, is_beat: bool) -> Result<BTreeMap<TenantId, Others>, sqlx::Error> {
    let server = app.fleet.server();
    if is_beat {
        let beats = servers::beats_of_others(&mut *app.store.read().await?, server).await?;
        for gone in peers.look(&beats) {
            tracing::warn!(
                server = gone,
                "a server does not answer any more; its gateways are not counted until they are elsewhere"
            );
            let mut db = app.store.aside().await?;
            servers::remove(&mut db, &gone).await?;
            db.commit().await?;
        }
    }
    Ok(known::lowest_of_others(&mut *app.store.read().await?, server).await?.into_iter().collect())
}

/// Writes down which epochs are in force everywhere.
async fn settle(app: &App, others: &BTreeMap<TenantId, Others>, is_beat: bool) -> Result<(), sqlx::Error> {
    let steps = steps(app, others, is_beat);
    if steps.iter().any(|step| !step.reached.is_empty()) {
        let mut settled: Vec<(Option<Time>, Settled)> = Vec::new();
        let mut db = app.store.aside().await?;
        for Step { tenant, reached, since, gateways, .. } in &steps {
            let gateways = match gateways {
                _ if reached.is_empty() => continue,
                Some(gateways) => *gateways,
                None => known::connected(&mut db, *tenant).await?,
            };
            for Rise { epoch, at } in reached {
                let done = epochs::settle(&mut db, *tenant, *epoch, *at, gateways).await?;
                settled.extend(done.into_iter().map(|settled| (*since, settled)));
            }
        }
        db.commit().await?;
        // What was committed while nobody was there says nothing of how quick a push is.
        for (_, Settled { took, .. }) in settled.iter().filter(|(since, s)| since.is_some_and(|since| since <= s.committed_at)) {
            app.metrics.enforced(*took);
        }
    }
    for Step { tenant, rises, reached, .. } in &steps {
        app.fleet.settled(*tenant, rises, reached.last().map_or(0, |rise| rise.epoch));
    }
    Ok(())
}

fn steps(app: &App, others: &BTreeMap<TenantId, Others>, is_beat: bool) -> Vec<Step> {
    app.fleet.tenants(|tenants| {
        // Of a tenant that has gateways elsewhere only, somebody has to look when their server is gone.
        let elsewhere = others.keys().filter(|tenant| is_beat && !tenants.contains_key(tenant)).map(|tenant| (*tenant, None));
        let known = tenants.iter().map(|(tenant, here)| (*tenant, Some(here))).chain(elsewhere);
        known
            .filter_map(|(tenant, here)| {
                let others = others.get(&tenant);
                let rises = here.map_or_else(Vec::new, |here| here.rises().to_vec());
                let (lowest, settled) = (here.and_then(Convergence::lowest), here.map_or(0, Convergence::settled));
                let reached = reached(&rises, lowest, others, settled, is_beat.then(Time::now));
                let since = here.and_then(Convergence::since).into_iter().chain(others.and_then(|others| others.since)).min();
                let gateways = here.filter(|_| others.is_none()).map(|here| here.gateways().count());
                (!rises.is_empty() || !reached.is_empty()).then_some(Step { tenant, rises, reached, since, gateways })
            })
            .collect()
    })
}

/// What has come to be in force everywhere: with the times at which that was so here, and, when it is time to look at everything, with the time
/// now for what nobody has written down, since the last who had it not went away.
fn reached(rises: &[Rise], lowest: Option<Rise>, others: Option<&Others>, settled: u64, beat: Option<Time>) -> Vec<Rise> {
    let mut reached: Vec<Rise> = Vec::new();
    let with_others = |rise: &Rise| match others {
        Some(Others { lowest: other, .. }) => Rise { epoch: rise.epoch.min(other.epoch), at: rise.at.max(other.at) },
        None => *rise,
    };
    // An epoch that has fallen again was in force everywhere all the same, as long as the others have it.
    reached.extend(rises.iter().map(with_others));
    let everywhere = lowest.into_iter().chain(others.map(|others| others.lowest)).map(|rise| rise.epoch).min();
    reached.extend(beat.zip(everywhere).map(|(at, epoch)| Rise { epoch, at }));
    let mut above = settled;
    reached.retain(|rise| {
        let is_new = rise.epoch > above;
        above = above.max(rise.epoch);
        is_new
    });
    reached
}

/// Writes down when gateways were heard of.
async fn note_heard(app: &App) -> Result<(), sqlx::Error> {
    let heard = app.fleet.take_heard();
    if heard.is_empty() {
        return Ok(());
    }
    let mut db = app.store.write().await?;
    for (gateway, at) in heard {
        gateways::touch(&mut db, gateway, at).await?;
    }
    db.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise(epoch: u64, at: u64) -> Rise {
        Rise { epoch, at: Time::from_millis(at) }
    }

    fn others(epoch: u64, at: u64) -> Others {
        Others { lowest: rise(epoch, at), since: None }
    }

    #[test]
    fn the_table_of_what_is_in_force_everywhere() {
        let beat = Some(Time::from_millis(99));
        let rises = [rise(4, 10), rise(6, 20)];
        let lowest = Some(rise(6, 20));
        let table = [
            ("nobody else", &rises[..], lowest, None, 3, None, vec![rise(4, 10), rise(6, 20)]),
            ("the first is settled already", &rises, lowest, None, 4, None, vec![rise(6, 20)]),
            ("others are further", &rises, lowest, Some(others(9, 5)), 3, None, vec![rise(4, 10), rise(6, 20)]),
            ("others came later", &rises, lowest, Some(others(9, 15)), 3, None, vec![rise(4, 15), rise(6, 20)]),
            ("others are between", &rises, lowest, Some(others(5, 5)), 3, None, vec![rise(4, 10), rise(5, 20)]),
            ("others are behind", &rises, lowest, Some(others(3, 5)), 3, None, vec![]),
            ("who was behind is gone", &[], lowest, None, 3, beat, vec![rise(6, 99)]),
            ("but not before it is looked at", &[], lowest, None, 3, None, vec![]),
            ("nobody has settled what others have", &[], None, Some(others(5, 5)), 3, beat, vec![rise(5, 99)]),
            ("all is settled", &[], lowest, Some(others(9, 5)), 6, beat, vec![]),
            ("nobody is connected", &[], None, None, 3, beat, vec![]),
        ];
        for (label, rises, lowest, others, settled, beat, expected) in table {
            assert_eq!(reached(rises, lowest, others.as_ref(), settled, beat), expected, "{label}");
        }
    }
}
