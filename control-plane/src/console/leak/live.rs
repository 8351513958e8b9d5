//! What a leak's page hears while it is open: how far its last decision has come, and that its tokens were used.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::{reach, told};
use crate::api::input::LeakInPath;
use crate::api::problem::{Answer, Problem};
use crate::app::App;
use crate::leaks::{self, LeakNumber};
use crate::people::Caller;
use crate::tenants::TenantId;

/// Pages that are told at once; each costs two look-ups every [`STEP`].
static OPEN: Semaphore = Semaphore::const_new(200);
/// Quick enough to see a decision arrive.
const STEP: Duration = Duration::from_millis(250);
/// Then the browser asks anew, and has to be signed in still.
const LONGEST: Duration = Duration::from_mins(5);

pub(crate) async fn live(State(app): State<Arc<App>>, caller: Caller, LeakInPath(number): LeakInPath) -> Answer<Response> {
    let place = OPEN.try_acquire().map_err(|_| Problem::Busy { what: "as many pages are told what happens" })?;
    let tenant = caller.tenant.id;
    let mut last = seen(&app, tenant, number).await?;
    let (send, events) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let end = Instant::now() + LONGEST;
        let mut tick = tokio::time::interval(STEP);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The page may be older than the first look.
        let mut news =
            vec![Event::default().event("reach").data(&last.reach), Event::default().event("uses").data(last.uses.to_string())];
        while Instant::now() < end {
            for event in news.drain(..) {
                if send.send(Ok::<_, Infallible>(event)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                _ = tick.tick() => {}
                () = send.closed() => return,
                () = app.stopped() => return,
            }
            // A database that is away for a moment is asked again.
            let Ok(now) = seen(&app, tenant, number).await else { continue };
            if now.reach != last.reach {
                news.push(Event::default().event("reach").data(&now.reach));
            }
            if now.uses != last.uses {
                news.push(Event::default().event("uses").data(now.uses.to_string()));
            }
            last = now;
        }
    });
    Ok(Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::default()).into_response())
}

/// What is told when it changes.
#[derive(PartialEq, Eq)]
struct Seen {
    reach: String,
    uses: i64,
}

async fn seen(app: &App, tenant: TenantId, number: LeakNumber) -> Answer<Seen> {
    let mut db = app.store.read().await?;
    let floors = app.fleet.all_floors(&mut db, tenant).await?;
    let leak = leaks::show(&mut db, tenant, number, &floors).await?.ok_or(Problem::NotFound { what: "leak" })?;
    Ok(Seen { reach: reach(&leak).as_ref().map(told).unwrap_or_default(), uses: leak.attempts.observed + leak.attempts.blocked })
}
