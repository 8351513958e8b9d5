//! The servers on one database: each shows that it lives, and the others notice when one does not.
//!
//! No clocks are compared: a server counts its beats up, and whoever has looked several times in a row and found the same number knows. A look that
//! fails is none.

use std::collections::BTreeMap;

use crate::store::Connection;

/// The other servers, as this one has seen them.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<String, Peer>);

#[derive(Debug)]
struct Peer {
    beat: i64,
    /// Looks in a row that have found this beat.
    looks: u32,
}

/// Looks, a second apart, until a server whose beat stands still is gone. Its gateways are elsewhere by then.
const STILL: u32 = 5;

impl Peers {
    /// Looks at the beats; those who are gone.
    pub(super) fn look(&mut self, beats: &[(String, i64)]) -> Vec<String> {
        self.0.retain(|name, _| beats.iter().any(|(there, _)| there == name));
        let mut gone = Vec::new();
        for (name, beat) in beats {
            let peer = self.0.entry(name.clone()).or_insert(Peer { beat: *beat, looks: 0 });
            peer.looks = if peer.beat == *beat { peer.looks + 1 } else { 0 };
            peer.beat = *beat;
            if peer.looks >= STILL {
                gone.push(name.clone());
            }
        }
        gone
    }
}

/// Shows that this server lives; whether the others know nothing of it, since it is new or was taken to be gone.
pub(super) async fn beat(db: &mut Connection, server: &str) -> Result<bool, sqlx::Error> {
    let beat: i64 = sqlx::query_scalar(
        "INSERT INTO servers (name, beat) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET beat = servers.beat + 1 RETURNING beat",
    )
    .bind(server)
    .fetch_one(db)
    .await?;
    Ok(beat == 1)
}

/// The beats of the other servers.
pub(super) async fn beats_of_others(db: &mut Connection, server: &str) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as("SELECT name, beat FROM servers WHERE name <> $1 ORDER BY name").bind(server).fetch_all(db).await
}

/// A server is gone, and what it knew with it.
pub(super) async fn remove(db: &mut Connection, server: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM servers WHERE name = $1").bind(server).execute(db).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_stands_still_is_gone_and_whoever_goes_on_is_not() {
        let mut peers = Peers::default();
        let beats = |a: i64, b: i64| vec![("a".to_owned(), a), ("b".to_owned(), b)];
        for n in 0..i64::from(STILL) - 1 {
            assert!(peers.look(&beats(7, n)).is_empty(), "{n}");
        }
        assert_eq!(peers.look(&beats(7, 100)), ["a"]);
        // It was only held up, and comes back.
        assert!(peers.look(&beats(1, 101)).is_empty());
        assert!(peers.look(&beats(2, 102)).is_empty());
    }
}
