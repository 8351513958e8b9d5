//! From where the tokens of a leak are used: a client that was never seen before is worth a look.
//!
//! Of each leak so many clients are remembered at most. A leak with more of them is used from everywhere, and one more says nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::intake::Checked;
use crate::leaks::LeakNumber;
use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

/// Clients that are remembered of a leak: some 30 KB.
pub const MAX_CLIENTS: i64 = 256;
/// A client that was last seen longer ago is forgotten when there is no room for another.
const FORGOTTEN: Duration = Duration::from_hours(24 * 90);
/// How exactly it is known when a client was last seen: writing that with each batch would cost more than storing the attempts.
const EXACT: Duration = Duration::from_hours(1);

/// A leak and a client of it.
type Key = (LeakNumber, String);

/// What is to be written down of those who used tokens.
pub(super) struct Clients {
    /// Known, and not seen for a while.
    stale: BTreeSet<Key>,
    /// Not known, and there is room for them.
    unknown: BTreeSet<Key>,
}

impl Clients {
    /// Reads what is known, before anybody has to wait: whoever holds a leaked token comes from as many addresses as they like.
    pub(super) async fn load(
        db: &mut Connection,
        tenant: TenantId,
        checked: &[Checked<'_>],
        now: Time,
    ) -> Result<Self, sqlx::Error> {
        let mut clients = Self { stale: BTreeSet::new(), unknown: BTreeSet::new() };
        for (leak, client) in checked.iter().map(key).collect::<BTreeSet<_>>() {
            let seen: Option<Time> =
                sqlx::query_scalar("SELECT last_seen_at FROM leak_clients WHERE tenant_id = $1 AND leak = $2 AND client = $3")
                    .bind(tenant)
                    .bind(i64::from(leak))
                    .bind(&client)
                    .fetch_optional(&mut *db)
                    .await?;
            match seen {
                Some(seen) if seen.age(now) < EXACT => {}
                Some(_) => _ = clients.stale.insert((leak, client)),
                None => _ = clients.unknown.insert((leak, client)),
            }
        }
        for leak in clients.unknown.iter().map(|(leak, _)| *leak).collect::<BTreeSet<_>>() {
            let (count, oldest): (i64, Option<Time>) =
                sqlx::query_as("SELECT count(*), min(last_seen_at) FROM leak_clients WHERE tenant_id = $1 AND leak = $2")
                    .bind(tenant)
                    .bind(i64::from(leak))
                    .fetch_one(&mut *db)
                    .await?;
            if count >= MAX_CLIENTS && oldest.is_none_or(|oldest| oldest.age(now) <= FORGOTTEN) {
                clients.unknown.retain(|(other, _)| *other != leak);
            }
        }
        Ok(clients)
    }

    /// Remembers those of these attempts; returns, of each leak that knew other clients only, the first attempt of a new one.
    pub(super) async fn remember<'a, 'b>(
        &self,
        db: &mut Connection,
        tenant: TenantId,
        attempts: &[&'b Checked<'a>],
        now: Time,
    ) -> Result<Vec<&'b Checked<'a>>, sqlx::Error> {
        let mut first = BTreeMap::new();
        for &attempt in attempts {
            first.entry(key(attempt)).or_insert(attempt);
        }
        let mut strangers: BTreeMap<LeakNumber, &Checked<'_>> = BTreeMap::new();
        for (key, attempt) in first {
            if self.stale.contains(&key) {
                see_again(db, tenant, &key, now).await?;
            } else if self.unknown.contains(&key) && meet(db, tenant, &key, now).await? {
                strangers.entry(key.0).or_insert(attempt);
            }
        }
        for (leak, attempt) in &strangers {
            let seen = "UPDATE leaks SET new_client = $3, new_client_at = $4 WHERE tenant_id = $1 AND number = $2";
            sqlx::query(seen).bind(tenant).bind(i64::from(*leak)).bind(shown(attempt)).bind(now).execute(&mut *db).await?;
        }
        Ok(strangers.into_values().collect())
    }
}

async fn see_again(db: &mut Connection, tenant: TenantId, (leak, client): &Key, now: Time) -> Result<(), sqlx::Error> {
    let seen = "UPDATE leak_clients SET last_seen_at = $4 WHERE tenant_id = $1 AND leak = $2 AND client = $3";
    sqlx::query(seen).bind(tenant).bind(i64::from(*leak)).bind(client).bind(now).execute(db).await.map(drop)
}

/// Writes an unknown client down; whether it is new to a leak that has others.
async fn meet(db: &mut Connection, tenant: TenantId, (leak, client): &Key, now: Time) -> Result<bool, sqlx::Error> {
    const COUNT: &str = "SELECT count(*) FROM leak_clients WHERE tenant_id = $1 AND leak = $2";
    let leak = i64::from(*leak);
    let mut others: i64 = sqlx::query_scalar(COUNT).bind(tenant).bind(leak).fetch_one(&mut *db).await?;
    if others >= MAX_CLIENTS {
        let old = "DELETE FROM leak_clients WHERE tenant_id = $1 AND leak = $2 AND last_seen_at < $3";
        let gone = sqlx::query(old).bind(tenant).bind(leak).bind(now.minus(FORGOTTEN)).execute(&mut *db).await?;
        others -= i64::try_from(gone.rows_affected()).unwrap_or(0);
    }
    if others >= MAX_CLIENTS {
        return Ok(false);
    }
    let written = sqlx::query(
        "INSERT INTO leak_clients (tenant_id, leak, client, first_seen_at, last_seen_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (tenant_id, leak, client) DO NOTHING",
    )
    .bind(tenant)
    .bind(leak)
    .bind(client)
    .bind(now)
    .execute(db)
    .await?;
    // Another gateway may have been quicker.
    Ok(others > 0 && written.rows_affected() == 1)
}

fn key(checked: &Checked<'_>) -> Key {
    (checked.attempt.leak, shown(checked))
}

fn shown(checked: &Checked<'_>) -> String {
    client(&checked.attempt.client)
}

/// The client as it is told from others. Whoever has an IPv6 address has a whole /64 of them; what is no address is one client.
fn client(reported: &str) -> String {
    match reported.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", IpAddr::from([a, b, c, d, 0, 0, 0, 0]))
        }
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one_client() {
        for (reported, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("", "unknown"),
            ("/run/a.sock", "unknown"),
            ("fk_9aQ7zLm2Xw4RtB8v", "unknown"),
        ] {
            assert_eq!(client(reported), expected);
        }
    }
}
