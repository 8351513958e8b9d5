//! Points in time as the database and the API know them.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch; RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Time(i64);

impl Time {
    /// What the clock says.
    #[must_use]
    pub fn now() -> Self {
        Self::since_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// From a gateway's message; the end of time when it is beyond it.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(i64::try_from(millis).unwrap_or(i64::MAX).min(jiff::Timestamp::MAX.as_millisecond()))
    }

    /// From a text in the form of RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(|time: jiff::Timestamp| Self(time.as_millisecond()))
    }

    /// For the index header; zero before the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// So much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// So much earlier; not before the Unix epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago that was; zero when it lies ahead.
    #[must_use]
    pub fn age(self, now: Self) -> Duration {
        Duration::from_millis(now.as_millis().saturating_sub(self.as_millis()))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::since_epoch(duration).0))
    }

    /// So much earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(Self::since_epoch(duration).0))
    }

    fn since_epoch(elapsed: Duration) -> Self {
        Self(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What a query binds.
impl From<Time> for i64 {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A gateway with a broken clock must not make a whole list unreadable, nor look as if it lived in 1970.
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&time)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "a time such as 2030-01-31T12:00:00Z";
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Other("a text"), &expected))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shows_rfc_3339() {
        assert_eq!(serde_json::to_string(&Time::from_millis(1_700_000_000_123)).unwrap(), r#""2023-11-14T22:13:20.123Z""#);
        for beyond in [Time::from_millis(u64::MAX), Time(i64::MAX)] {
            assert!(serde_json::to_string(&beyond).unwrap().starts_with("\"9999-12-30T"));
        }
    }
}
