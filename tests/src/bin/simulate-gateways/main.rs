//! Holds streams of the feed as gateways do, as many as a plan says; see `stopleak_tests::Simulator`, which starts it.
//!
//! What happens is told line by line, in JSON. One thread does all of it: the control plane that is measured needs the other.

mod attack;
mod frames;
mod stream;
mod tally;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use stopleak_tests::{Plan, command};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use crate::stream::Gateway;
use crate::tally::Tally;

const USAGE: &str = "usage: simulate-gateways PLAN

Simulates the gateways of a plan until it is killed. The benchmark of the feed and the soak test start it.";

/// Connections that are opened at once: more would wait in the control plane's queue, and be refused when it is full.
const OPENING: usize = 64;

fn main() -> ExitCode {
    command("simulate-gateways", USAGE, parse, run)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Plan> {
    let file = words.next().context("a plan is missing")?;
    serde_json::from_slice(&std::fs::read(&file).context(file)?).context("the plan")
}

fn run(plan: &Plan) -> Result<()> {
    raise_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, simulate(Rc::new(plan.clone())))
}

/// A connection is a descriptor, and the usual limit is 1,024.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If it is refused, opening the connections will tell.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

async fn simulate(plan: Rc<Plan>) -> Result<()> {
    let tally = Rc::new(Tally::new(plan.streams));
    // The first gets all of the index. The others come back with what it has, as after a restart of the control plane.
    let mut connection = stream::connect(plan.feed).await?;
    let first = Gateway::new(Rc::clone(&plan), Rc::clone(&tally), 0);
    let had = first.start(&mut connection, None).await?;
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut left = (1..plan.streams).collect::<Vec<_>>();
    while !left.is_empty() {
        let of_connection: Vec<_> = left.drain(..plan.streams_per_connection.clamp(1, left.len())).collect();
        let permit = Arc::clone(&opening).acquire_owned().await?;
        let (plan, tally, had) = (Rc::clone(&plan), Rc::clone(&tally), had.clone());
        tokio::task::spawn_local(async move {
            let opened = async {
                let mut connection = stream::connect(plan.feed).await?;
                for number in of_connection {
                    Gateway::new(Rc::clone(&plan), Rc::clone(&tally), number).start(&mut connection, Some(&had)).await?;
                }
                anyhow::Ok(())
            };
            if let Err(error) = opened.await {
                tally::tell_end(&error);
            }
            drop(permit);
        });
    }
    std::future::pending().await
}
