//! What an operator writes into Envoy's configuration of the filter.

mod json;

use self::json::At;
use crate::index::{Pinned, PublicKey};

/// The filter's settings, as JSON. Unknown keys are refused: a misspelt setting would otherwise be a setting that is not in force.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The Envoy cluster of the control plane's feed.
    pub cluster: String,
    /// The `:authority` of the feed's stream; the cluster's name when absent.
    pub authority: Option<String>,
    /// The gateway's credential. Absent: taken from the environment as `STOPLEAK_CREDENTIAL`, which keeps it out of config dumps.
    pub credential: Option<String>,
    /// The control plane's public key, 64 hexadecimal digits, or a list of two while it is being changed. Absent: taken from the
    /// environment as `STOPLEAK_PUBLIC_KEY`, where two have a comma between them.
    pub public_key: Option<Pinned>,
    /// What becomes of requests before the first index has come.
    pub on_not_ready: OnNotReady,
    /// What becomes of requests that are too large to be looked at in full.
    pub on_overflow: OnOverflow,
    /// `false` observes where it would block: a dry run for the whole fleet.
    pub enforce: bool,
    /// Requests whose path begins with one of these are not looked at.
    pub exempt_paths: Vec<String>,
    /// Which headers are looked at; all when absent.
    pub headers: Option<HeaderSelection>,
    /// How bodies are looked at; not at all when absent.
    pub body: Option<BodySetting>,
}

/// How bodies are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySetting {
    /// Bytes of a body, as it came and decoded, that are looked at. The rest passes, and the request is counted.
    pub limit: usize,
    /// Whether everything waits for the verdict on the body: the headers, and the beginning of a body that is larger than the limit.
    /// Only for an Envoy with `allow_on_headers_stop_iteration`, without which no request with a body would get on, and with a
    /// `request_body_buffer_limit` that has room for what is held.
    pub hold_headers: bool,
}

/// What becomes of requests before the first index has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnNotReady {
    /// They pass, and are counted.
    #[default]
    Allow,
    /// They are answered 503, and are counted.
    Deny,
}

/// What becomes of requests that are too large to be looked at in full. Only a request that is made for it gets there within Envoy's
/// default limits, so the default is the one that nobody can use to hide a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOverflow {
    /// They pass unless a token was found, and are counted.
    Allow,
    /// They are answered 431 unless a token was found, and are counted.
    #[default]
    Deny,
}

/// Which headers are looked at. Names are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSelection {
    /// No others.
    Only(Vec<String>),
    /// All others.
    Skip(Vec<String>),
}

/// Why a configuration is refused; names the key.
#[derive(Debug, thiserror::Error)]
pub enum PluginConfigError {
    /// Not JSON.
    #[error("plugin configuration, key `.`: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but without sense.
    #[error("plugin configuration, key `{key}`: {reason}")]
    Value {
        /// The path to the offending key; `.` is the whole.
        key: String,
        /// What is wrong there.
        reason: &'static str,
    },
}

impl PluginConfigError {
    fn value(path: &str, reason: &'static str) -> Self {
        let key = if path.is_empty() { "." } else { path };
        Self::Value { key: key.to_owned(), reason }
    }
}

impl PluginConfig {
    /// Reads and checks a configuration.
    pub fn from_json(json: &[u8]) -> Result<Self, PluginConfigError> {
        let mut fields = At::whole(json)?.fields()?;
        let Some(cluster) = fields.take("cluster") else {
            return fields.refuse("cluster", "is missing; name the Envoy cluster of the control plane's feed");
        };
        let config = Self {
            cluster: cluster.text()?,
            authority: fields.take("authority").map(At::text).transpose()?,
            credential: fields.take("credential").map(At::text).transpose()?,
            public_key: fields.take("public_key").map(public_key).transpose()?,
            on_not_ready: fields
                .take("on_not_ready")
                .map_or(Ok(OnNotReady::default()), |at| allow_or_deny(&at, OnNotReady::Allow, OnNotReady::Deny))?,
            on_overflow: fields
                .take("on_overflow")
                .map_or(Ok(OnOverflow::default()), |at| allow_or_deny(&at, OnOverflow::Allow, OnOverflow::Deny))?,
            enforce: fields.take("enforce").map_or(Ok(true), At::flag)?,
            exempt_paths: fields.take("exempt_paths").map_or(Ok(Vec::new()), At::texts)?,
            headers: fields.take("headers").map(HeaderSelection::read).transpose()?,
            body: fields.take("body").map(BodySetting::read).transpose()?,
        };
        fields.end()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), PluginConfigError> {
        let refuse = |key, reason| Err(PluginConfigError::value(key, reason));
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

    const DEFAULT_LIMIT: usize = 64 * 1024;

    fn read(at: At) -> Result<Self, PluginConfigError> {
        let mut fields = at.fields()?;
        let setting = Self {
            limit: fields.take("limit").map_or(Ok(Self::DEFAULT_LIMIT), At::count)?,
            hold_headers: fields.take("hold_headers").map_or(Ok(false), At::flag)?,
        };
        fields.end()?;
        Ok(setting)
    }
}

impl HeaderSelection {
    fn read(at: At) -> Result<Self, PluginConfigError> {
        let mut fields = at.fields()?;
        let selection = match (fields.take("only"), fields.take("skip")) {
            (Some(names), None) => Self::Only(names.texts()?),
            (None, Some(names)) => Self::Skip(names.texts()?),
            _ => return fields.refuse_all("has one key, `only` or `skip`"),
        };
        fields.end()?;
        Ok(selection)
    }

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

fn allow_or_deny<T>(at: &At, allow: T, deny: T) -> Result<T, PluginConfigError> {
    match at.as_text() {
        Some("allow") => Ok(allow),
        Some("deny") => Ok(deny),
        _ => at.refuse("is `allow` or `deny`"),
    }
}

fn public_key(at: At) -> Result<Pinned, PluginConfigError> {
    let read = |at: &At| match at.as_text().and_then(PublicKey::from_hex) {
        Some(key) => Ok(key),
        None => at.refuse("has 64 hexadecimal digits"),
    };
    let keys = at.items().iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Pinned::new(&keys)
        .ok_or(PluginConfigError::value("public_key", "is one key, or a list of two while the key is being changed"))
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
    fn two_public_keys_may_be_pinned_and_not_three() {
        let key = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
        let other = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        let of = |keys: &str| PluginConfig::from_json(format!(r#"{{"cluster": "c", "public_key": {keys}}}"#).as_bytes());
        let pinned = |keys: &str| of(keys).unwrap().public_key.unwrap().iter().map(|key| key.to_hex()).collect::<Vec<_>>();
        assert_eq!(pinned(&format!("{key:?}")), [key]);
        assert_eq!(pinned(&format!("[{key:?}]")), [key]);
        assert_eq!(pinned(&format!("[{key:?}, {other:?}]")), [key, other]);
        assert!(of(&format!("[{key:?}, {other:?}, {key:?}]")).unwrap_err().to_string().contains("`public_key`"));
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
            (r#"{"cluster": "c", "public_key": []}"#, "`public_key`: is one key, or a list of two"),
            (r#"{"cluster": "c", "public_key": ["abc"]}"#, "`public_key[0]`"),
            (r#"{"cluster": "c", "public_key": {"first": "abc"}}"#, "`public_key`"),
            (r#"{"cluster": "c", "credential": ""}"#, "`credential`"),
            (r#"{"cluster": "c", "exempt_paths": ["health"]}"#, "`exempt_paths`"),
            (r#"{"cluster": "c", "headers": {"allow": []}}"#, "`headers`"),
            (r#"{"cluster": "c", "headers": {"only": [], "skip": []}}"#, "`headers`"),
            (r#"{"cluster": "c", "headers": {"only": ["a", 1]}}"#, "`headers.only[1]`"),
            (r#"{"cluster": "c", "headers": {"only": [], "allow": []}}"#, "`headers.allow`"),
            (r#"{"cluster": "c", "enforce": true, "enforce": true}"#, "`enforce`: is there twice"),
            (r#"{"cluster": "c", "body": {"limit": 1, "limit": 2}}"#, "`body.limit`: is there twice"),
            (r#"{"cluster": "c", "body": {"limit": 1.5}}"#, "`body.limit`"),
            (r#"{"cluster": ["c"]}"#, "`cluster`"),
            (r#"["cluster"]"#, "`.`"),
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
