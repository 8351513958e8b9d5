//! What an operator may set: one struct, from flags and a TOML file; flags win.

mod database;
mod feed_tls;
mod folders;
mod github;
mod smtp;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use serde::Deserialize;
use stopleak_detector::Rules;
use ureq::http::Uri;

pub use self::database::{DATABASE_VARIABLE, DatabaseUrl};
pub use self::feed_tls::FeedTls;
pub use self::folders::{default_config_dir, default_data_dir};
pub use self::github::GithubConfig;
pub use self::smtp::{Smtp, SmtpTls};
use crate::api::{CALLBACK, Site};
use crate::outbound::Destinations;
use crate::people::sso::{Sso, SsoConfig};
use crate::people::{BreachList, BreachListError};

/// The configuration of `stopleak serve`. Unknown keys are refused: a misspelt setting would be a setting that is not in force.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where database, keys and the administrator's token live. Default: `$XDG_DATA_HOME/stopleak`.
    pub data_dir: Option<PathBuf>,
    /// Address and port of the API. Default: 127.0.0.1:8080; port 0 takes a free one.
    pub http: Option<SocketAddr>,
    /// Address and port of the feed that gateways connect to. Default: 127.0.0.1:8081; port 0 takes a free one.
    pub feed: Option<SocketAddr>,
    /// The URL of a `PostgreSQL` database. Default: an `SQLite` file in the data folder.
    pub database: Option<DatabaseUrl>,
    /// A file that holds that URL.
    pub database_file: Option<PathBuf>,
    /// Program and arguments; prints that URL.
    pub database_command: Option<Vec<String>>,
    /// Whether `stopleak serve` does jobs, such as scans, too. Default: true.
    pub worker: Option<bool>,
    /// How log lines look. Default: text.
    pub log_format: Option<LogFormat>,
    /// Which log lines there are, such as `info` or `stopleak=debug,info`. Default: info.
    pub log: Option<String>,
    /// Where the keys come from, when not from files or the environment.
    pub keys: KeysConfig,
    /// A file with the operator's own token formats, beside those that are built in.
    pub rules: Option<PathBuf>,
    /// Folders of this machine that sources may name, as a path or a `file://` URL. Default: none.
    pub local_sources: Vec<PathBuf>,
    /// Where people reach the API with their browsers, such as `https://stopleak.example`: with TLS, cookies are sent over nothing else.
    pub public_url: Option<String>,
    /// A file of SHA-1 hashes in order, such as Have I Been Pwned's: passwords in it are not taken.
    pub breached_passwords: Option<PathBuf>,
    /// The provider of single sign-on. Default: none; accounts have passwords.
    pub oidc: Option<SsoConfig>,
    /// Requests that each caller of the API may make in a minute. Default: 6000.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Addresses of proxies before the API whose `x-forwarded-for` is believed. Default: none.
    pub trusted_proxies: Vec<IpAddr>,
    /// Attempts that are kept of each tenant; the oldest go when there are more. Default: 1,000,000.
    pub max_attempts: Option<NonZeroU64>,
    /// The filter module, as gateways run it: by it every index is proved before it is published, and requests are tried. Default:
    /// `stopleak_filter.wasm` beside the program.
    pub filter: Option<PathBuf>,
    /// TLS of the feed, for gateways on other machines.
    pub feed_tls: Option<FeedTls>,
    /// Receives what GitHub's secret-scanning partner programme sends. Default: off.
    pub github: Option<GithubConfig>,
    /// Whether notifications may go to addresses of this server's own network, and without TLS. Default: false.
    pub allow_private_destinations: bool,
    /// The mail server that notifications go through.
    pub smtp: Option<Smtp>,
}

/// Commands that print a key, such as a client of a key management service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// Program and arguments; prints the fingerprint key as 64 hexadecimal digits.
    pub fingerprint_command: Option<Vec<String>>,
    /// Program and arguments; prints the signing key as 64 hexadecimal digits.
    pub signing_command: Option<Vec<String>>,
    /// The same of the fingerprint key that is in force beside the first while it is being changed.
    pub second_fingerprint_command: Option<Vec<String>>,
    /// The same of the signing key that takes the place of the first, or has taken it.
    pub second_signing_command: Option<Vec<String>>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not there, or not readable.
    #[error("configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not TOML of the expected shape; shows the line.
    #[error("configuration {}: {source}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Names the key and the place.
        source: Box<toml::de::Error>,
    },
    /// Of the right shape, but without sense.
    #[error("configuration, key `{key}`: {reason}")]
    Value {
        /// The offending key.
        key: &'static str,
        /// What to do about it.
        reason: String,
    },
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Shape { path: path.to_owned(), source: Box::new(source) })
    }

    /// `self` where it says something, `other` elsewhere.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            http: self.http.or(other.http),
            feed: self.feed.or(other.feed),
            database: self.database.or(other.database),
            database_file: self.database_file.or(other.database_file),
            database_command: self.database_command.or(other.database_command),
            worker: self.worker.or(other.worker),
            log_format: self.log_format.or(other.log_format),
            log: self.log.or(other.log),
            keys: KeysConfig {
                fingerprint_command: self.keys.fingerprint_command.or(other.keys.fingerprint_command),
                signing_command: self.keys.signing_command.or(other.keys.signing_command),
                second_fingerprint_command: self.keys.second_fingerprint_command.or(other.keys.second_fingerprint_command),
                second_signing_command: self.keys.second_signing_command.or(other.keys.second_signing_command),
            },
            rules: self.rules.or(other.rules),
            local_sources: if self.local_sources.is_empty() { other.local_sources } else { self.local_sources },
            breached_passwords: self.breached_passwords.or(other.breached_passwords),
            oidc: self.oidc.or(other.oidc),
            requests_per_minute: self.requests_per_minute.or(other.requests_per_minute),
            trusted_proxies: if self.trusted_proxies.is_empty() { other.trusted_proxies } else { self.trusted_proxies },
            max_attempts: self.max_attempts.or(other.max_attempts),
            filter: self.filter.or(other.filter),
            feed_tls: self.feed_tls.or(other.feed_tls),
            github: self.github.or(other.github),
            public_url: self.public_url.or(other.public_url),
            allow_private_destinations: self.allow_private_destinations || other.allow_private_destinations,
            smtp: self.smtp.or(other.smtp),
        }
    }

    /// Finds what has no sense before anything is opened.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        if self.local_sources.iter().any(|folder| folder.is_relative()) {
            return refuse("local_sources", "has a folder that is not absolute");
        }
        if self.keys.fingerprint_command.as_ref().is_some_and(Vec::is_empty) {
            return refuse("keys.fingerprint_command", "is empty; give a program and its arguments");
        }
        for (key, command) in [
            ("keys.signing_command", &self.keys.signing_command),
            ("keys.second_fingerprint_command", &self.keys.second_fingerprint_command),
            ("keys.second_signing_command", &self.keys.second_signing_command),
        ] {
            if command.as_ref().is_some_and(Vec::is_empty) {
                return refuse(key, "is empty; give a program and its arguments");
            }
        }
        self.check_database()?;
        if self.http_address() == self.feed_address() && self.http_address().port() != 0 {
            return refuse("feed", "is the address of `http` too; give each its own port");
        }
        if let Err(error) = self.log_filter().parse::<tracing_subscriber::filter::Targets>() {
            return refuse("log", &format!("{error}; write a level such as `info`, or `target=level` pairs"));
        }
        if let Some(github) = &self.github {
            github.check()?;
        }
        if self.rules.is_some() {
            self.rules()?;
        }
        self.breached_passwords()?;
        self.sso()?;
        if self.public_url.as_deref().is_some_and(|url| !is_origin(url)) {
            return refuse("public_url", "is not a scheme, a host and perhaps a port, such as https://stopleak.example");
        }
        self.feed_tls()?;
        self.filter()?;
        if let Some(smtp) = &self.smtp {
            smtp.check()?;
        }
        self.data_dir().map(drop)
    }

    /// The file with the filter module; `None` when none is named and none lies beside the program.
    pub fn filter(&self) -> Result<Option<PathBuf>, ConfigError> {
        let Some(path) = &self.filter else { return Ok(filter_beside_this_program()) };
        if !path.is_file() {
            return Err(ConfigError::Value { key: "filter", reason: format!("{} is no file", path.display()) });
        }
        Ok(Some(path.clone()))
    }

    /// The token formats that scans look for.
    pub fn rules(&self) -> Result<Rules, ConfigError> {
        let Some(path) = &self.rules else { return Ok(Rules::built_in()) };
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        let refuse = |error: &dyn std::error::Error| {
            let reason = format!("{}: {error}", path.display());
            ConfigError::Value { key: "rules", reason }
        };
        let rules = Rules::built_in().with_operator_file(&text).map_err(|error| refuse(&error))?;
        stopleak_detector::prove(&rules).map_err(|error| refuse(&error))?;
        Ok(rules)
    }

    /// Where notifications may go.
    #[must_use]
    pub fn destinations(&self) -> Destinations {
        if self.allow_private_destinations { Destinations::Any } else { Destinations::Public }
    }

    /// The operator's list of breached passwords.
    pub fn breached_passwords(&self) -> Result<Option<BreachList>, ConfigError> {
        let open = |path: &PathBuf| BreachList::open(path);
        let refuse = |error: BreachListError| ConfigError::Value { key: "breached_passwords", reason: error.to_string() };
        self.breached_passwords.as_ref().map(open).transpose().map_err(refuse)
    }

    /// The provider of single sign-on.
    pub fn sso(&self) -> Result<Option<Arc<Sso>>, ConfigError> {
        let Some(oidc) = &self.oidc else { return Ok(None) };
        let refuse = |key, reason: &str| Err(ConfigError::Value { key, reason: reason.to_owned() });
        if let Some((key, reason)) = oidc.trouble() {
            return refuse(key, reason);
        }
        let Some(redirect) = Site::new(self.public_url.as_deref()).url(CALLBACK) else {
            return refuse("public_url", "is not set, and the provider of `oidc` has to know where to send browsers back to");
        };
        let secret = match &oidc.client_secret_file {
            Some(path) => match std::fs::read_to_string(path) {
                Ok(secret) => Some(secret.trim().to_owned()),
                Err(error) => return refuse("oidc.client_secret_file", &format!("{}: {error}", path.display())),
            },
            None => std::env::var("STOPLEAK_OIDC_CLIENT_SECRET").ok(),
        };
        Ok(Some(Sso::new(oidc.clone(), secret, redirect)))
    }

    /// Requests that each caller of the API may make in a minute.
    #[must_use]
    pub fn requests_per_minute(&self) -> u32 {
        self.requests_per_minute.map_or(6000, NonZeroU32::get)
    }

    /// The API's address.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http.unwrap_or((Ipv4Addr::LOCALHOST, 8080).into())
    }

    /// The feed's address.
    #[must_use]
    pub fn feed_address(&self) -> SocketAddr {
        self.feed.unwrap_or((Ipv4Addr::LOCALHOST, 8081).into())
    }

    /// Which log lines there are.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        self.log.as_deref().unwrap_or("info")
    }

    /// The data folder.
    pub fn data_dir(&self) -> Result<PathBuf, ConfigError> {
        self.data_dir.clone().or_else(default_data_dir).ok_or_else(|| ConfigError::Value {
            key: "data_dir",
            reason: "is not set, and neither XDG_DATA_HOME nor HOME says where to put it; give --data-dir".to_owned(),
        })
    }
}

/// As a release is unpacked. In a checkout the program lies one folder deeper.
fn filter_beside_this_program() -> Option<PathBuf> {
    const NAME: &str = "stopleak_filter.wasm";
    let program = std::env::current_exe().ok()?;
    let folders = program.ancestors().skip(1).take(if cfg!(debug_assertions) { 2 } else { 1 });
    folders.map(|folder| folder.join(NAME)).find(|file| file.is_file())
}

fn is_origin(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some()
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::read(file.path()).and_then(|config| config.check()).unwrap_err().to_string()
    }

    fn oidc(issuer: &str, role: &str) -> String {
        let roles = format!("[{{group = \"g\", role = \"{role}\"}}]");
        format!("[oidc]\nissuer = \"{issuer}\"\nclient_id = \"stopleak\"\nroles = {roles}")
    }

    #[test]
    fn each_refusal_names_the_key() {
        for (text, expected) in [
            ("htttp = \"127.0.0.1:1\"", "`htttp`"),
            ("http = 8080", "http = 8080"),
            ("http = \"localhost\"", "http = \"localhost\""),
            ("log_format = \"xml\"", "log_format = \"xml\""),
            ("log = \"loud=very\"", "`log`"),
            ("http = \"127.0.0.1:1\"\nfeed = \"127.0.0.1:1\"", "`feed`"),
            ("local_sources = [\"srv\"]", "`local_sources`"),
            ("[keys]\nfingerprint_command = []", "`keys.fingerprint_command`"),
            ("[keys]\nfingerprint = \"aa\"", "`fingerprint`"),
            ("[feed_tls]\ncertificate = \"a\"", "`private_key`"),
            ("[feed_tls]\ncertificate = \"/no/a\"\nprivate_key = \"/no/b\"", "`feed_tls.certificate`"),
            ("rules = \"/no/rules.toml\"", "/no/rules.toml"),
            ("[github]\ntenants = []", "`github.tenants`"),
            ("[github]\ntenants = [\"a\"]\nkeys_url = \"http://keys.example/\"", "`github.keys_url`"),
            ("[github]\ntenants = [\"a\"]\nkeys_url = \"keys\"", "`github.keys_url`"),
            ("filter = \"/no/filter.wasm\"", "/no/filter.wasm"),
            ("breached_passwords = \"/no/list\"", "/no/list"),
            (&oidc("http://login.example", "administrator"), "`oidc.issuer`"),
            (&oidc("https://login.example", "root"), "root"),
            (&oidc("https://login.example", "analyst"), "`public_url`"),
            ("public_url = \"stopleak.example\"", "`public_url`"),
            ("public_url = \"https://a.example/path\"", "`public_url`"),
            ("database = \"leaks.db\"", "`database`"),
            ("database = \"postgres://host/x?pasword=y\"", "pasword"),
            ("database_command = []", "`database_command`"),
            ("database = \"postgres://host/x\"\ndatabase_file = \"/x\"", "`database_file`"),
            ("[smtp]\nhost = \"mail.example\"", "`from`"),
            ("[smtp]\nhost = \"mail.example\"\nfrom = \"nobody\"", "from = \"nobody\""),
            ("[smtp]\nhost = \"mail.example\"\nfrom = \"a@b.example\"\npassword = \"x\"", "`password`"),
            ("[smtp]\nhost = \"mail.example\"\nfrom = \"a@b.example\"\nusername = \"a\"", "`smtp.username`"),
            ("[smtp]\nhost = \"mail.example\"\nfrom = \"a@b.example\"\nusername = \"a\"\ntls = \"none\"", "`smtp.tls`"),
            ("[smtp]\nhost = \"mail.example\"\nfrom = \"a@b.example\"\nauthority = \"/no/ca\"", "`smtp.authority`"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(expected), "{text} → {refusal}");
        }
        assert!(Config::read(Path::new("/nonexistent/stopleak.toml")).unwrap_err().to_string().contains("stopleak.toml"));
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = Config { http: "127.0.0.1:1".parse().ok(), log: Some("debug".to_owned()), ..Config::default() };
        let flags = Config { http: "127.0.0.1:2".parse().ok(), ..Config::default() };
        let config = flags.or(file);
        assert_eq!((config.http_address().port(), config.log_filter()), (2, "debug"));
    }
}
