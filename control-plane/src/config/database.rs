//! Where the database is, and how that is kept secret: its URL may hold a password.

use std::fmt;
use std::process::{Command, Stdio};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Config, ConfigError};
use crate::store::{Address, Database};

/// A URL that nothing shows.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(from = "String")]
pub struct DatabaseUrl(Zeroizing<String>);

/// The environment variable that may hold the URL; it wins over the configuration's file.
pub const DATABASE_VARIABLE: &str = "STOPLEAK_DATABASE_URL";

impl Config {
    /// The database: of the environment, else of the configuration, else a file in the data folder.
    pub fn database(&self) -> Result<Database, ConfigError> {
        if let Ok(url) = std::env::var(DATABASE_VARIABLE) {
            return parse(DATABASE_VARIABLE, &Zeroizing::new(url));
        }
        if let Some(DatabaseUrl(url)) = &self.database {
            return parse("database", url);
        }
        if let Some(path) = &self.database_file {
            let key = "database_file";
            let read = std::fs::read_to_string(path);
            let url = read.map_err(|error| ConfigError::Value { key, reason: format!("{}: {error}", path.display()) })?;
            return parse(key, &Zeroizing::new(url));
        }
        if let Some(command) = &self.database_command {
            return parse("database_command", &printed(command)?);
        }
        self.data_dir().map(Database::Sqlite)
    }

    /// Finds what has no sense without running anything.
    pub(crate) fn check_database(&self) -> Result<(), ConfigError> {
        let given = [
            ("database", self.database.is_some()),
            ("database_file", self.database_file.is_some()),
            ("database_command", self.database_command.is_some()),
        ];
        let mut given = given.into_iter().filter_map(|(key, given)| given.then_some(key));
        if let (Some(one), Some(other)) = (given.next(), given.next()) {
            return Err(ConfigError::Value { key: other, reason: format!("is given beside `{one}`; one of them is enough") });
        }
        if self.database_command.as_ref().is_some_and(Vec::is_empty) {
            let reason = "is empty; give a program and its arguments".to_owned();
            return Err(ConfigError::Value { key: "database_command", reason });
        }
        if let Ok(url) = std::env::var(DATABASE_VARIABLE) {
            parse(DATABASE_VARIABLE, &Zeroizing::new(url))?;
        }
        self.database.as_ref().map_or(Ok(()), |DatabaseUrl(url)| parse("database", url).map(drop))
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(Zeroizing::new(url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

fn parse(key: &'static str, url: &str) -> Result<Database, ConfigError> {
    Address::parse(url).map(Database::Postgres).map_err(|error| ConfigError::Value { key, reason: error.to_string() })
}

fn printed(command: &[String]) -> Result<Zeroizing<String>, ConfigError> {
    let refuse = |reason: String| ConfigError::Value { key: "database_command", reason };
    let (program, arguments) = command.split_first().ok_or_else(|| refuse("is empty".to_owned()))?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| refuse(format!("`{program}` did not run: {error}")))?;
    if !output.status.success() {
        return Err(refuse(format!("`{program}` failed: {}", output.status)));
    }
    Ok(Zeroizing::new(String::from_utf8(output.stdout).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_address_comes_from_a_key_a_file_or_a_command_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "postgres://me:hunter22@host/leaks\n").unwrap();
        for text in [
            "database = \"postgres://me:hunter22@host/leaks\"".to_owned(),
            format!("database_file = {file:?}"),
            format!("database_command = [\"cat\", {file:?}]"),
        ] {
            let config = config(&text);
            config.check_database().unwrap();
            let database = config.database().unwrap();
            let shown = format!("{config:?} {database:?} {database}");
            assert!(matches!(database, Database::Postgres(_)) && !shown.contains("hunter22"), "{shown}");
        }
    }

    #[test]
    fn what_gives_no_address_is_refused_without_repeating_it() {
        for (text, expected) in [
            ("database_file = \"/no/such/file\"", "database_file"),
            ("database_command = [\"false\"]", "`false` failed"),
            ("database_command = [\"echo\", \"hunter22\"]", "database_command"),
        ] {
            let refusal = config(text).database().unwrap_err().to_string();
            assert!(refusal.contains(expected) && !refusal.contains("hunter22"), "{refusal}");
        }
    }
}
