//! Whether the database takes what is written.

use std::io;
use std::time::{Duration, Instant};

use super::{Database, Store};

/// With less free space a disk counts as full: as much as one large leak and the log of what is not yet in the database's file.
const MIN_FREE: u64 = 8 * 1024 * 1024;
/// A probe writes to the disk, and anybody may ask for one.
const PROBE_STEP: Duration = Duration::from_secs(1);
/// Longest that a probe takes: a bit longer than another process's lock is waited for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);

impl Store {
    /// Finds out whether something can be written, by writing something that changes nothing: a lock alone is also given on a
    /// disk that is full. Something so small finds a place on it too, which is why the disk is asked first where it is ours.
    pub async fn probe(&self) -> Result<(), sqlx::Error> {
        if let Database::Sqlite(folder) = &self.database
            && rustix::fs::statvfs(folder).is_ok_and(|disk| is_full(disk.f_blocks, disk.f_bavail, disk.f_frsize))
        {
            return Err(sqlx::Error::Io(io::ErrorKind::StorageFull.into()));
        }
        let probe = async {
            let mut probed = self.probed.lock().await;
            if probed.is_some_and(|at| at.elapsed() < PROBE_STEP) {
                return Ok(());
            }
            let mut db = self.write().await?;
            sqlx::query(self.database.trace()).execute(&mut *db).await?;
            db.commit().await?;
            *probed = Some(Instant::now());
            Ok(())
        };
        tokio::time::timeout(PROBE_TIMEOUT, probe).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

/// Of a disk with so many blocks, so many of them free. Some file systems do not tell, and say that they have none.
fn is_full(blocks: u64, free: u64, size: u64) -> bool {
    blocks > 0 && free.saturating_mul(size) < MIN_FREE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Trouble, trouble};

    #[test]
    fn a_disk_with_little_room_is_full() {
        for (blocks, free, expected) in [(1 << 20, 1 << 19, false), (256, 200, true), (1 << 20, 0, true), (0, 0, false)] {
            assert_eq!(is_full(blocks, free, 4096), expected, "{free} of {blocks}");
        }
        assert_eq!(trouble(&sqlx::Error::Io(io::ErrorKind::StorageFull.into())), Trouble::Unavailable);
    }
}
