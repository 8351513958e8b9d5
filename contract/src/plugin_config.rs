//! What an operator writes into Envoy's configuration of the filter.

use serde::Deserialize;

use crate::index::PublicKey;

/// The filter's settings, as JSON. Unknown keys are refused: a misspelt setting would otherwise be a setting that is not in force.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// The Envoy cluster of the control plane's feed.
    pub cluster: String,
    /// The `:authority` of the feed's stream; the cluster's name when absent.
    pub authority: Option<String>,
    /// The gateway's credential. Absent: taken from the environment as `STOPLEAK_CREDENTIAL`, which keeps it out of config dumps.
    pub credential: Option<String>,
    /// The control plane's public key, 64 hexadecimal digits. Absent: taken from the environment as `STOPLEAK_PUBLIC_KEY`.
    #[serde(default, deserialize_with = "public_key")]
    pub public_key: Option<PublicKey>,
    /// What becomes of requests before the first index has come.
    #[serde(default)]
    pub on_not_ready: OnNotReady,
    /// What becomes of requests that are too large to be looked at in full.
    #[serde(default)]
    pub on_overflow: OnOverflow,
    /// `false` observes where it would block: a dry run for the whole fleet.
    #[serde(default = "yes")]
    pub enforce: bool,
    /// Requests whose path begins with one of these are not looked at.
    #[serde(default)]
    pub exempt_paths: Vec<String>,
    /// Which headers are looked at; all when absent.
    pub headers: Option<HeaderSelection>,
    /// How bodies are looked at; not at all when absent.
    pub body: Option<BodySetting>,
}

/// How bodies are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodySetting {
    /// Bytes of a body, as it came and decoded, that are looked at. The rest passes, and the request is counted.
    #[serde(default = "BodySetting::default_limit")]
    pub limit: usize,
    /// Whether everything waits for the verdict on the body: the headers, and the beginning of a body that is larger than the limit.
    /// Only for an Envoy with `allow_on_headers_stop_iteration`, without which no request with a body would get on, and with a
    /// `request_body_buffer_limit` that has room for what is held.
    #[serde(default)]
    pub hold_headers: bool,
}

/// What becomes of requests before the first index has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNotReady {
    /// They pass, and are counted.
    #[default]
    Allow,
    /// They are answered 503, and are counted.
    Deny,
}

/// What becomes of requests that are too large to be looked at in full. Only a request that is made for it gets there within Envoy's
/// default limits, so the default is the one that nobody can use to hide a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOverflow {
    /// They pass unless a token was found, and are counted.
    Allow,
    /// They are answered 431 unless a token was found, and are counted.
    #[default]
    Deny,
}

/// Which headers are looked at. Names are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderSelection {
    /// No others.
    Only(Vec<String>),
    /// All others.
    Skip(Vec<String>),
}

/// Why a configuration is refused; names the key.
#[derive(Debug, thiserror::Error)]
pub enum PluginConfigError {
    /// Not JSON of the expected shape.
    #[error("plugin configuration, key `{key}`: {source}")]
    Shape {
        /// The path to the offending key; `.` is the whole.
        key: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// Of the right shape, but without sense.
    #[error("plugin configuration, key `{key}`: {reason}")]
    Value {
        /// The offending key.
        key: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

impl PluginConfig {
    /// Reads and checks a configuration.
    pub fn from_json(json: &[u8]) -> Result<Self, PluginConfigError> {
        let mut json = serde_json::Deserializer::from_slice(json);
        let config: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|e| PluginConfigError::Shape { key: e.path().to_string(), source: e.into_inner() })?;
        json.end().map_err(|source| PluginConfigError::Shape { key: ".".to_owned(), source })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), PluginConfigError> {
        let refuse = |key, reason| Err(PluginConfigError::Value { key, reason });
        if self.cluster.is_empty() {
            return refuse("cluster", "is empty; name the Envoy cluster of the control plane's feed");
        }
        if self.credential.as_deref().is_some_and(str::is_empty) {
            return refuse("credential", "is empty; leave the key out to take it from STOPLEAK_CREDENTIAL");
        }
        if self.exempt_paths.iter().any(|path| !path.starts_with('/')) {
            return refuse("exempt_paths", "each path begins with a slash");
        }
        if self.body.is_some_and(|body| !(1..=BodySetting::MAX_LIMIT).contains(&body.limit)) {
            return refuse("body.limit", "is from 1 to 1048576 bytes");
        }
        Ok(())
    }
}

impl BodySetting {
    /// What Envoy holds of a body unless told otherwise: a larger one would be answered 413.
    pub const MAX_LIMIT: usize = 1024 * 1024;

    fn default_limit() -> usize {
        64 * 1024
    }
}

impl HeaderSelection {
    /// Whether a header of this name is looked at.
    #[must_use]
    pub fn covers(&self, name: &[u8]) -> bool {
        let named = |names: &[String]| names.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(name));
        match self {
            Self::Only(names) => named(names),
            Self::Skip(names) => !named(names),
        }
    }
}

fn yes() -> bool {
    true
}

fn public_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<PublicKey>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let key = PublicKey::from_hex(&text).ok_or_else(|| serde::de::Error::custom("a public key has 64 hexadecimal digits"))?;
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        PluginConfig::from_json(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_smallest_configuration_names_a_cluster() {
        let config = PluginConfig::from_json(br#"{"cluster": "stopleak_feed"}"#).unwrap();
        assert_eq!((config.on_not_ready, config.on_overflow), (OnNotReady::Allow, OnOverflow::Deny));
        assert!(config.enforce && config.exempt_paths.is_empty() && config.headers.is_none() && config.body.is_none());
    }

    #[test]
    fn every_key_is_read() {
        let json = br#"{
            "cluster": "c", "authority": "a", "credential": "s", "on_not_ready": "deny", "on_overflow": "allow", "enforce": false,
            "public_key": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
            "exempt_paths": ["/health"], "headers": {"skip": ["X-Trace"]},
            "body": {"limit": 1000, "hold_headers": true}
        }"#;
        let config = PluginConfig::from_json(json).unwrap();
        assert_eq!(config.on_not_ready, OnNotReady::Deny);
        assert!(config.public_key.is_some() && !config.enforce);
        assert_eq!(config.body, Some(BodySetting { limit: 1_000, hold_headers: true }));
        assert!(!config.headers.as_ref().unwrap().covers(b"x-trace") && config.headers.unwrap().covers(b"x-api-key"));
    }

    #[test]
    fn bodies_are_looked_at_up_to_sixty_four_kilobytes_unless_told_otherwise() {
        let config = PluginConfig::from_json(br#"{"cluster": "c", "body": {}}"#).unwrap();
        assert_eq!(config.body, Some(BodySetting { limit: 65_536, hold_headers: false }));
    }

    #[test]
    fn each_refusal_names_the_key() {
        for (json, expected) in [
            (r#"{"cluster": "c", "enforced": true}"#, "`enforced`"),
            (r#"{"enforce": true}"#, "`cluster`"),
            (r#"{"cluster": ""}"#, "`cluster`"),
            (r#"{"cluster": "c", "enforce": "yes"}"#, "`enforce`"),
            (r#"{"cluster": "c", "on_not_ready": "block"}"#, "`on_not_ready`"),
            (r#"{"cluster": "c", "on_overflow": "block"}"#, "`on_overflow`"),
            (r#"{"cluster": "c", "public_key": "abc"}"#, "`public_key`"),
            (r#"{"cluster": "c", "credential": ""}"#, "`credential`"),
            (r#"{"cluster": "c", "exempt_paths": ["health"]}"#, "`exempt_paths`"),
            (r#"{"cluster": "c", "headers": {"allow": []}}"#, "`headers`"),
            (r#"{"cluster": "c", "body": true}"#, "`body`"),
            (r#"{"cluster": "c", "body": {"size": 1}}"#, "`body.size`"),
            (r#"{"cluster": "c", "body": {"limit": "1k"}}"#, "`body.limit`"),
            (r#"{"cluster": "c", "body": {"limit": -1}}"#, "`body.limit`"),
            (r#"{"cluster": "c", "body": {"limit": 0}}"#, "`body.limit`"),
            (r#"{"cluster": "c", "body": {"limit": 1048577}}"#, "`body.limit`"),
            (r#"{"cluster": "c", "body": {"hold_headers": 1}}"#, "`body.hold_headers`"),
            (r#"{"cluster": "c"} x"#, "`.`"),
            ("", "`.`"),
        ] {
            let refusal = refusal(json);
            assert!(refusal.contains(expected), "{json} → {refusal}");
        }
    }
}
