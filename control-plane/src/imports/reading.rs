//! The reading of one report: a thread parses and hashes, and what it finds is written down in batches.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::report::{self, Lack, ReportError, Reported, Sink};
use super::taking;
use crate::app::App;
use crate::audit;
use crate::findings::{self, Found, Target};
use crate::keys::TenantKeys;
use crate::people::Caller;
use crate::time::Time;

/// The digest of no findings.
pub(super) const NOTHING_READ: [u8; 32] = [0; 32];
/// Findings in one transaction: nobody else writes meanwhile.
const BATCH: usize = 200;
/// Findings that wait to be written; the thread that reads more waits too.
const WAITING: usize = 2 * BATCH;
/// A reader that has not written for so long is gone, and another may go on.
const LEASE: Duration = Duration::from_mins(1);

/// Why a report was not read to its end. What had been written stays, and the report may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The tenant has no such import.
    #[error("no such import")]
    NoSuchImport,
    /// There is nothing left to read.
    #[error("this import is done; make another one")]
    Done,
    /// Somebody else sends a report for it.
    #[error("a report is being read for this import")]
    UnderWay,
    /// Its first findings are others than those that are written down.
    #[error(
        "this is not the report that was sent before: its findings differ from those that were read already; send that one, or make \
         another import"
    )]
    Other,
    /// The report is broken.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
    /// The thread broke off.
    #[error("the reading broke off by a defect")]
    Defect,
}

/// An import whose report is being read.
pub struct Reading {
    app: Arc<App>,
    import: i64,
    caller: Caller,
    target: Target,
    /// What was written before.
    behind: u64,
    digest: [u8; 32],
}

#[derive(sqlx::FromRow)]
struct Row {
    source: i64,
    title: String,
    status: String,
    findings: i64,
    digest: Vec<u8>,
    reading_until: Option<Time>,
}

/// One finding of the report, and the digest of all up to it.
struct Item {
    outcome: Outcome,
    digest: [u8; 32],
}

enum Outcome {
    Found(Box<Found>),
    Lacks(Lack),
    /// Too short, too long, or without the bytes that a token can have.
    Unfit,
}

/// The thread's side.
struct Reader<'a> {
    key: TenantKeys,
    app: &'a App,
    items: mpsc::Sender<Item>,
    behind: u64,
    /// What the digest must be when those are read.
    expected: [u8; 32],
    read: u64,
    digest: blake3::Hash,
    other: bool,
}

impl Reading {
    /// Takes the import for itself.
    pub async fn begin(app: &Arc<App>, caller: &Caller, import: i64, now: Time) -> Result<Self, ImportError> {
        let tenant = caller.tenant.id;
        let mut db = app.store.write().await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT s.id AS source, s.title, i.status, i.findings, i.digest, i.reading_until FROM imports i JOIN sources s ON s.id = i.source_id
             WHERE i.tenant_id = $1 AND i.id = $2",
        )
        .bind(tenant)
        .bind(import)
        .fetch_optional(&mut *db)
        .await?;
        let Row { source, title, status, findings, digest, reading_until } = row.ok_or(ImportError::NoSuchImport)?;
        if status == "done" {
            return Err(ImportError::Done);
        }
        if reading_until.is_some_and(|until| until > now) {
            return Err(ImportError::UnderWay);
        }
        sqlx::query("UPDATE imports SET reading_until = $2, error = NULL WHERE id = $1")
            .bind(import)
            .bind(now.plus(LEASE))
            .execute(&mut *db)
            .await?;
        db.commit().await?;
        let digest = digest.try_into().unwrap_or(NOTHING_READ);
        let behind = u64::try_from(findings).unwrap_or(0);
        Ok(Self {
            app: Arc::clone(app),
            import,
            caller: caller.clone(),
            target: Target { tenant, source, title },
            behind,
            digest,
        })
    }

    /// Reads to the end of the report and writes down what is in it.
    pub async fn run(self, report: impl Read + Send + 'static) -> Result<(), ImportError> {
        let (items, mut read) = mpsc::channel(WAITING);
        let (app, key) = (Arc::clone(&self.app), self.app.keys.fingerprint(self.target.tenant));
        let (behind, expected) = (self.behind, self.digest);
        let thread = tokio::task::spawn_blocking(move || {
            let digest = blake3::Hash::from_bytes(NOTHING_READ);
            let mut reader = Reader { key, app: &app, items, behind, expected, read: 0, digest, other: false };
            let outcome = report::read(report, &mut reader);
            match outcome {
                _ if reader.other || reader.read < behind => Err(ImportError::Other),
                outcome => outcome.map_err(ImportError::from),
            }
        });
        let mut batch = Vec::new();
        let mut written = Ok(());
        while read.recv_many(&mut batch, BATCH).await > 0 {
            written = self.write(&batch).await;
            batch.clear();
            if written.is_err() {
                // The thread ends when it finds nobody who takes what it reads.
                read.close();
                break;
            }
        }
        let outcome = thread.await.unwrap_or(Err(ImportError::Defect));
        let outcome = written.map_err(ImportError::from).and(outcome);
        self.end(&outcome).await?;
        outcome
    }

    async fn write(&self, batch: &[Item]) -> Result<(), sqlx::Error> {
        let now = Time::now();
        let found: Vec<&Found> = batch.iter().filter_map(Item::found).collect();
        let count = |what: fn(&Outcome) -> bool| count(batch.iter().filter(|item| what(&item.outcome)).count());
        let mut db = self.app.store.write().await?;
        let written = findings::write(&mut db, &self.target, &found, now).await?;
        sqlx::query(
            "UPDATE imports SET findings = findings + $2, digest = $3, found_new = found_new + $4, without_secret = without_secret + $5,
                 redacted = redacted + $6, with_white_space = with_white_space + $7, unfit = unfit + $8, reading_until = $9
             WHERE id = $1",
        )
        .bind(self.import)
        .bind(i64::try_from(batch.len()).unwrap_or(i64::MAX))
        .bind(batch.last().map_or(NOTHING_READ, |item| item.digest).as_slice())
        .bind(written.new)
        .bind(count(|outcome| matches!(outcome, Outcome::Lacks(Lack::Secret))))
        .bind(count(|outcome| matches!(outcome, Outcome::Lacks(Lack::Redacted))))
        .bind(count(|outcome| matches!(outcome, Outcome::Lacks(Lack::WhiteSpace))))
        .bind(count(|outcome| matches!(outcome, Outcome::Unfit)))
        .bind(now.plus(LEASE))
        .execute(&mut *db)
        .await?;
        db.commit().await?;
        if let Some(epoch) = written.epoch {
            self.app.committed(self.target.tenant, epoch);
        }
        Ok(())
    }

    /// Gives the import back.
    async fn end(&self, outcome: &Result<(), ImportError>) -> Result<(), sqlx::Error> {
        let mut db = self.app.store.write().await?;
        sqlx::query("UPDATE imports SET status = $2, error = $3, finished_at = $4, reading_until = NULL WHERE id = $1")
            .bind(self.import)
            .bind(if outcome.is_ok() { "done" } else { "waiting" })
            .bind(outcome.as_ref().err().map(ToString::to_string))
            .bind(outcome.is_ok().then(Time::now))
            .execute(&mut *db)
            .await?;
        if let Some(import) = super::get(&mut db, self.target.tenant, self.import).await? {
            let object = format!("import/{}", self.import);
            audit::record(&mut db, &self.caller, "import.read", &object, None, audit::seen(&import)).await?;
        }
        db.commit().await
    }
}

impl Item {
    fn found(&self) -> Option<&Found> {
        match &self.outcome {
            Outcome::Found(found) => Some(found),
            Outcome::Lacks(_) | Outcome::Unfit => None,
        }
    }
}

impl Reader<'_> {
    /// Counts one finding in, and hands it on when it was not written before. `false` ends the reading.
    fn step(&mut self, what: &[&[u8]], outcome: impl FnOnce(&Self) -> Outcome) -> bool {
        // Keyed, since the digest is stored and a secret may be guessable.
        let mut hasher = blake3::Hasher::new_keyed(self.key.all().first.as_bytes());
        hasher.update(self.digest.as_bytes());
        for part in what {
            hasher.update(&part.len().to_le_bytes()).update(part);
        }
        self.digest = hasher.finalize();
        self.read += 1;
        if self.read < self.behind {
            return true;
        }
        if self.read == self.behind {
            self.other = *self.digest.as_bytes() != self.expected;
            return !self.other;
        }
        let item = Item { outcome: outcome(self), digest: *self.digest.as_bytes() };
        self.items.blocking_send(item).is_ok()
    }
}

impl Sink for Reader<'_> {
    fn found(&mut self, reported: Reported) -> bool {
        let place = [reported.line.to_le_bytes(), reported.column.to_le_bytes()].concat();
        let commit = reported.commit.as_deref().unwrap_or_default();
        let what = [reported.secret.as_bytes(), reported.path.as_bytes(), commit.as_bytes(), &place];
        self.step(&what, |reader| match taking::take(reader.app, &reader.key, &reported) {
            Some(found) => Outcome::Found(Box::new(found)),
            None => Outcome::Unfit,
        })
    }

    fn lacks(&mut self, what: Lack) -> bool {
        self.step(&[&[what as u8]], |_| Outcome::Lacks(what))
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
