//! Why there was no connection in time: `sqlx` tries again for as long as it may when a server does not answer, and then says the same
//! as when all connections are in use.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::Mutex as Turn;

use super::{Database, Store};

/// Who asks the server directly; the others take its answer.
#[derive(Default)]
pub(super) struct Dial {
    turn: Turn<()>,
    down: Mutex<Option<Instant>>,
}

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

impl Store {
    /// The error, or the one behind it.
    pub(super) async fn why(&self, error: sqlx::Error) -> sqlx::Error {
        match (&error, &self.database) {
            (sqlx::Error::PoolTimedOut, Database::Postgres(_)) => self.dial().await.unwrap_or(error),
            _ => error,
        }
    }

    async fn dial(&self) -> Option<sqlx::Error> {
        let unreachable = || Some(sqlx::Error::Io(std::io::ErrorKind::NotConnected.into()));
        let asked = Instant::now();
        let _turn = self.dial.turn.lock().await;
        let down = || self.dial.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down().is_some_and(|at| at > asked) {
            return unreachable();
        }
        let answer = tokio::time::timeout(PATIENCE, AnyConnection::connect_with(&self.options)).await;
        let answered = matches!(answer, Ok(Ok(_)));
        *down() = if answered { None } else { Some(Instant::now()) };
        match answer {
            Ok(Ok(connection)) => {
                let _ = connection.close().await;
                None
            }
            Ok(Err(error)) => Some(error),
            Err(_) => unreachable(),
        }
    }
}
