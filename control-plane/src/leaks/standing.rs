//! How many leaks stood where on each of the last days: today's numbers, less what has changed since.

use crate::store::Connection;
use crate::tenants::TenantId;
use crate::time::Time;

use super::Counts;

/// How leaks stood at the end of one day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it began.
    pub day: Time,
    /// Open.
    pub open: i64,
    /// Closed.
    pub closed: i64,
    /// Marked as false.
    pub false_positive: i64,
}

const DAY: u64 = 24 * 60 * 60 * 1000;

/// The last days, the oldest first.
pub async fn standing(
    db: &mut Connection,
    tenant: TenantId,
    days: u32,
    current: &Counts,
    now: Time,
) -> Result<Vec<Standing>, sqlx::Error> {
    let today = now.as_millis() / DAY;
    let first = today.saturating_sub(u64::from(days).saturating_sub(1));
    let changes: Vec<(i64, String, i64)> =
        sqlx::query_as("SELECT day, status, change FROM status_days WHERE tenant_id = $1 AND day >= $2")
            .bind(tenant)
            .bind(i64::try_from(first).unwrap_or(i64::MAX))
            .fetch_all(db)
            .await?;
    Ok(back_from(current, first..=today, &changes))
}

fn back_from(current: &Counts, days: std::ops::RangeInclusive<u64>, changes: &[(i64, String, i64)]) -> Vec<Standing> {
    let Counts { mut open, mut closed, mut false_positive, .. } = *current;
    let mut standing = Vec::new();
    for day in days.rev() {
        // A clock that was set back may have left numbers that do not add up: nothing is fewer than none.
        let counts = (open.max(0), closed.max(0), false_positive.max(0));
        standing.push(Standing { day: Time::from_millis(day * DAY), open: counts.0, closed: counts.1, false_positive: counts.2 });
        for (_, status, change) in changes.iter().filter(|(on, ..)| u64::try_from(*on) == Ok(day)) {
            match status.as_str() {
                "open" => open -= change,
                "closed" => closed -= change,
                _ => false_positive -= change,
            }
        }
    }
    standing.reverse();
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_the_present_without_what_has_changed_since() {
        let current = Counts { open: 3, closed: 2, false_positive: 1, patched: 1 };
        let change = |day, status: &str, change| (day, status.to_owned(), change);
        let changes = [change(12, "open", 2), change(12, "closed", 1), change(11, "open", -1), change(11, "false_positive", 1)];
        let standing = back_from(&current, 10..=12, &changes);
        let numbers: Vec<_> = standing.iter().map(|day| (day.open, day.closed, day.false_positive)).collect();
        assert_eq!(numbers, [(2, 1, 0), (1, 1, 1), (3, 2, 1)]);
        assert_eq!(standing[0].day, Time::from_millis(10 * DAY));
    }
}
