//! Jobs: work that follows from a change and is done after it, by any process that has workers.
//!
//! [`enqueue`] writes a job down in the transaction of the change, so that both commit or neither does. [`work`] claims what is due,
//! one job at a time, since a scan takes hours and a whole processor, and runs the handler of its [`Kind`]. A claim is a lease: of a worker that died, another takes over
//! when it runs out. So a job may be begun twice, and every handler recomputes from the database what is left to do. One that
//! fails is tried again, later each time; one that failed [`MAX_ATTEMPTS`] times is dead, and people see it in [`list`] and may
//! [`retry`] it.

mod handlers;
mod queue;
mod view;
mod worker;

pub use queue::{Job, enqueue};
pub use view::{JobView, State, get, list, retry};
pub use worker::work;

use std::time::Duration;

use crate::store::text_enum;

/// What a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads a source: `{"scan": 7}`.
    Scan,
}

text_enum!(Kind { Scan = "scan" });

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::Scan];
}

/// How a job ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is nothing left to do.
    Done,
    /// It cannot be done now, and that is nobody's fault.
    Later(Duration),
}

/// A job that was begun so often without an end is dead: with the pauses in between, after about four hours.
pub const MAX_ATTEMPTS: i64 = 12;
/// Largest payload: it names what the work is about, and everything else is in the database.
pub const MAX_PAYLOAD: usize = 1_000;
/// Others leave a claimed job alone for that long after its worker was last heard of.
const LEASE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
