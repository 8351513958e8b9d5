//! Points in time as people type them.

use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::time::Time;

/// A point in time, or how long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Moment(Time);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(time) = Time::parse(text) {
            return Ok(Self(time));
        }
        let advice = "write a time such as 2030-01-31T12:00:00Z, or how long from now: 90s, 30m, 2h, 7d";
        let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let count: u64 =
            if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().map_err(|_| advice)? } else { return Err(advice) };
        let seconds = match text.bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 60 * 60,
            Some(b'd') => 24 * 60 * 60,
            _ => return Err(advice),
        };
        Ok(Self(Time::now().plus(Duration::from_secs(count.checked_mul(seconds).ok_or(advice)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_lie_ahead() {
        assert_eq!("2030-01-31T12:00:00Z".parse(), Ok(Moment(Time::parse("2030-01-31T12:00:00Z").unwrap())));
        let Moment(soon) = "2h".parse().unwrap();
        assert!(soon > Time::now().plus(Duration::from_mins(119)) && soon <= Time::now().plus(Duration::from_hours(2)));
        for bad in ["", "h", "2", "-2h", "+2h", "2 h", "2w", "tomorrow", "99999999999999999999d", "9999999999999999999d", "1é"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
