//! Signs of life: whether a leaked token still works, as upstreams say without being asked.
//!
//! A success (2xx) says that it does. A refusal (401, 403) says that it does not, unless there was a success within the day before:
//! a token that works may lack the right to one route. Every other status says no more than that it was used, and a request that a
//! gateway refused says nothing at all. The order in which signs arrive does not matter.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Outcome;
use super::intake::Checked;
use crate::store::{Connection, placeholders, text_enum};
use crate::tenants::TenantId;
use crate::time::Time;

/// Whether a token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It was taken.
    Alive,
    /// Lately it was only refused.
    Dead,
    /// Nobody knows.
    Unseen,
}

text_enum!(Life { Alive = "alive", Dead = "dead", Unseen = "unseen" });

/// What is kept of all signs of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    /// The newest success.
    alive_at: Option<Time>,
    /// The newest refusal.
    refused_at: Option<Time>,
    /// The first refusal since the newest success.
    refused_since: Option<Time>,
    /// The newest use of any kind, blocked ones too.
    used_at: Option<Time>,
}

/// What a use says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Success,
    Refusal,
    Use,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    leak: i64,
    created_at: Time,
    life: Life,
    life_since: Option<Time>,
    alive_at: Option<Time>,
    refused_at: Option<Time>,
    refused_since: Option<Time>,
    used_at: Option<Time>,
}

/// A refusal so long after the newest success says that the token is dead.
pub const WINDOW: Duration = Duration::from_hours(24);
/// Times are written again when they have moved so far: a busy token would otherwise be written with each batch.
const MOVED: Duration = Duration::from_mins(1);

/// Writes down what these attempts say of their tokens.
pub(super) async fn read(db: &mut Connection, tenant: TenantId, attempts: &[&Checked<'_>], now: Time) -> Result<(), sqlx::Error> {
    let mut of_tokens: BTreeMap<i64, Vec<&Checked<'_>>> = BTreeMap::new();
    for attempt in attempts {
        of_tokens.entry(attempt.token).or_default().push(attempt);
    }
    if of_tokens.is_empty() {
        return Ok(());
    }
    let mut changed = Vec::new();
    for row in rows(db, tenant, of_tokens.keys()).await? {
        let (before, mut signs) = (row.signs(), row.signs());
        for checked in of_tokens.get(&row.id).into_iter().flatten() {
            // A gateway's clock may be wrong: nothing has been seen in the future, nor before the token was known.
            let seen = |millis| Time::from_millis(millis).clamp(row.created_at.min(now), now);
            let (first, last) = (seen(checked.attempt.first_seen_ms), seen(checked.attempt.last_seen_ms));
            signs.take(Sign::of(checked.outcome, checked.attempt.status), first, last);
        }
        let (life, since) = (signs.life(), signs.since(row.life, row.life_since));
        if life != row.life {
            changed.push(row.leak);
        } else if !signs.moved(&before) {
            continue;
        }
        write(db, tenant, row.id, &signs, (life, since)).await?;
    }
    note(db, tenant, changed, now).await
}

async fn rows(
    db: &mut Connection,
    tenant: TenantId,
    tokens: impl ExactSizeIterator<Item = &i64>,
) -> Result<Vec<Row>, sqlx::Error> {
    let query = format!(
        "SELECT id, leak, created_at, life, life_since, alive_at, refused_at, refused_since, used_at FROM tokens
         WHERE tenant_id = $1 AND id IN ({})",
        placeholders(2, tokens.len())
    );
    let query = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant);
    tokens.fold(query, |query, token| query.bind(*token)).fetch_all(db).await
}

/// How the leak stands by that, a trigger counts.
async fn write(
    db: &mut Connection,
    tenant: TenantId,
    token: i64,
    signs: &Signs,
    (life, since): (Life, Option<Time>),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE tokens SET life = $3, life_since = $4, alive_at = $5, refused_at = $6, refused_since = $7, used_at = $8
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(token)
    .bind(life)
    .bind(since)
    .bind(signs.alive_at)
    .bind(signs.refused_at)
    .bind(signs.refused_since)
    .bind(signs.used_at)
    .execute(db)
    .await
    .map(drop)
}

/// Lets policies look at these leaks at once.
async fn note(db: &mut Connection, tenant: TenantId, mut leaks: Vec<i64>, now: Time) -> Result<(), sqlx::Error> {
    leaks.sort_unstable();
    leaks.dedup();
    for leak in &leaks {
        sqlx::query("UPDATE leaks SET life_at = $3 WHERE tenant_id = $1 AND number = $2")
            .bind(tenant)
            .bind(leak)
            .bind(now)
            .execute(&mut *db)
            .await?;
    }
    if !leaks.is_empty() {
        sqlx::query("UPDATE tenants SET life_changes = life_changes + 1 WHERE id = $1").bind(tenant).execute(db).await?;
    }
    Ok(())
}

impl Sign {
    fn of(outcome: Outcome, status: u32) -> Self {
        match (outcome, status) {
            (Outcome::Observed, 200..=299) => Self::Success,
            (Outcome::Observed, 401 | 403) => Self::Refusal,
            _ => Self::Use,
        }
    }
}

/// Whether the upstream refused the token.
pub(super) fn is_refused(checked: &Checked<'_>) -> bool {
    Sign::of(checked.outcome, checked.attempt.status) == Sign::Refusal
}

impl Signs {
    /// Takes uses in, the first and the last of which were then.
    fn take(&mut self, sign: Sign, first: Time, last: Time) {
        self.used_at = self.used_at.max(Some(last));
        match sign {
            Sign::Use => {}
            Sign::Success => {
                self.alive_at = self.alive_at.max(Some(last));
                if self.refused_since.is_some_and(|since| since <= last) {
                    self.refused_since = self.refused_at.filter(|refused| *refused > last);
                }
            }
            Sign::Refusal => {
                self.refused_at = self.refused_at.max(Some(last));
                if self.alive_at.is_none_or(|alive| alive < last) {
                    let begin = if self.alive_at.is_none_or(|alive| alive < first) { first } else { last };
                    self.refused_since = Some(self.refused_since.map_or(begin, |since| since.min(begin)));
                }
            }
        }
    }

    fn life(&self) -> Life {
        match (self.alive_at, self.refused_at) {
            (None, None) => Life::Unseen,
            (Some(alive), Some(refused)) if refused > alive.plus(WINDOW) => Life::Dead,
            (None, Some(_)) => Life::Dead,
            (Some(_), _) => Life::Alive,
        }
    }

    /// Since when it is so, by what was known before.
    fn since(&self, before: Life, since: Option<Time>) -> Option<Time> {
        match self.life() {
            Life::Dead => self.refused_since,
            life if life == before => since,
            _ => self.alive_at,
        }
    }

    fn moved(&self, before: &Self) -> bool {
        let far = |now: Option<Time>, then: Option<Time>| match (now, then) {
            (Some(now), Some(then)) => then.age(now) >= MOVED || now < then,
            (now, then) => now != then,
        };
        self.refused_since != before.refused_since
            || far(self.alive_at, before.alive_at)
            || far(self.refused_at, before.refused_at)
            || far(self.used_at, before.used_at)
    }
}

impl Row {
    fn signs(&self) -> Signs {
        let Self { alive_at, refused_at, refused_since, used_at, .. } = *self;
        Signs { alive_at, refused_at, refused_since, used_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(hours: u64) -> Time {
        Time::from_millis(1_700_000_000_000 + hours * HOUR)
    }

    fn signs(of: &[(Sign, u64)]) -> Signs {
        let mut signs = Signs::default();
        for &(sign, hours) in of {
            signs.take(sign, at(hours), at(hours));
        }
        signs
    }

    #[test]
    fn the_table_of_statuses() {
        use Outcome::{Blocked, Observed};
        for (outcome, status, expected) in [
            (Observed, 200, Sign::Success),
            (Observed, 204, Sign::Success),
            (Observed, 299, Sign::Success),
            (Observed, 401, Sign::Refusal),
            (Observed, 403, Sign::Refusal),
            (Observed, 0, Sign::Use),
            (Observed, 101, Sign::Use),
            (Observed, 302, Sign::Use),
            (Observed, 400, Sign::Use),
            (Observed, 402, Sign::Use),
            (Observed, 404, Sign::Use),
            (Observed, 429, Sign::Use),
            (Observed, 503, Sign::Use),
            (Blocked, 0, Sign::Use),
            (Blocked, 200, Sign::Use),
            (Blocked, 401, Sign::Use),
            (Blocked, 403, Sign::Use),
        ] {
            assert_eq!(Sign::of(outcome, status), expected, "{outcome:?} {status}");
        }
    }

    #[test]
    fn the_table_of_lives() {
        use Sign::{Refusal, Success, Use};
        for (of, life, since) in [
            (vec![], Life::Unseen, None),
            (vec![(Use, 1), (Use, 9)], Life::Unseen, None),
            (vec![(Success, 1)], Life::Alive, Some(1)),
            (vec![(Refusal, 1)], Life::Dead, Some(1)),
            (vec![(Refusal, 1), (Refusal, 5), (Use, 6)], Life::Dead, Some(1)),
            (vec![(Success, 1), (Refusal, 2)], Life::Alive, Some(1)),
            (vec![(Success, 1), (Refusal, 25)], Life::Alive, Some(1)),
            (vec![(Success, 1), (Refusal, 2), (Refusal, 26)], Life::Dead, Some(2)),
            (vec![(Success, 1), (Refusal, 26), (Success, 27)], Life::Alive, Some(27)),
            (vec![(Refusal, 1), (Success, 1)], Life::Alive, Some(1)),
        ] {
            let seen = signs(&of);
            assert_eq!(seen.life(), life, "{of:?}");
            let before = if life == Life::Alive { Life::Unseen } else { life };
            assert_eq!(seen.since(before, None), since.map(at), "{of:?}");
        }
    }

    /// A gateway that was cut off reports later what it saw earlier.
    #[test]
    fn the_order_of_arrival_does_not_matter() {
        use Sign::{Refusal, Success, Use};
        let all = [(Success, 1), (Refusal, 3), (Success, 4), (Refusal, 30), (Refusal, 40), (Use, 50)];
        let expected = signs(&all);
        assert_eq!((expected.life(), expected.refused_since), (Life::Dead, Some(at(30))));
        let mut order = all;
        for n in 0..720_usize {
            // Each step of this walk through the permutations swaps two.
            let (a, b) = (n % order.len(), (n * 7 + n / 6) % order.len());
            order.swap(a, b);
            let seen = signs(&order);
            assert_eq!(
                (seen.alive_at, seen.refused_at, seen.used_at),
                (expected.alive_at, expected.refused_at, expected.used_at)
            );
            assert_eq!(seen.life(), expected.life(), "{order:?}");
            // Which refusal was the first after a success that came late is not known any more: then it is the last.
            assert!([Some(at(30)), Some(at(40))].contains(&seen.refused_since), "{order:?}: {seen:?}");
        }
    }
}
