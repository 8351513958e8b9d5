//! The mail server that notifications go through.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use lettre::message::Mailbox;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::ConfigError;

/// The mail server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name; with TLS, its certificate must be valid for it.
    pub host: String,
    /// Its port. Default: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    pub port: Option<u16>,
    /// How the connection is protected. Default: `starttls`.
    #[serde(default)]
    pub tls: SmtpTls,
    /// A file in PEM form with the authority that signed its certificate, when that is one of your own.
    pub authority: Option<PathBuf>,
    /// Whom messages come from, such as `Stopleak <stopleak@example.com>`.
    pub from: Mailbox,
    /// The account, when the server asks for one.
    pub username: Option<String>,
    /// A file that holds the account's password.
    pub password_file: Option<PathBuf>,
    /// Program and arguments; prints the account's password. `STOPLEAK_SMTP_PASSWORD` may hold it instead.
    pub password_command: Option<Vec<String>>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// It begins in the clear, and nothing is said before it is encrypted.
    #[default]
    Starttls,
    /// Encrypted from the first byte.
    Tls,
    /// Not at all, for a server on this machine.
    None,
}

/// The environment variable that may hold the password.
const PASSWORD: &str = "STOPLEAK_SMTP_PASSWORD";

impl Smtp {
    /// Finds what has no sense.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.host.is_empty() {
            return Err(refusal("smtp.host", "is empty".to_owned()));
        }
        if self.username.is_some() && self.tls == SmtpTls::None && !["localhost", "127.0.0.1", "::1"].contains(&&*self.host) {
            let reason = "is `none`, and the password would cross the network in the clear; use `starttls` or `tls`".to_owned();
            return Err(refusal("smtp.tls", reason));
        }
        if self.password_command.as_ref().is_some_and(Vec::is_empty) {
            return Err(refusal("smtp.password_command", "is empty; give a program and its arguments".to_owned()));
        }
        self.password().and(self.authority()).map(drop)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::Starttls => 587,
            SmtpTls::Tls => 465,
            SmtpTls::None => 25,
        })
    }

    /// The authority's certificates in PEM form.
    pub fn authority(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| refusal("smtp.authority", format!("{}: {error}", path.display())))
        };
        self.authority.as_ref().map(read).transpose()
    }

    /// The account's password; `None` when there is no account.
    pub fn password(&self) -> Result<Option<Zeroizing<String>>, ConfigError> {
        if self.username.is_none() {
            return Ok(None);
        }
        let password = if let Some(command) = &self.password_command {
            run(command).map_err(|reason| refusal("smtp.password_command", reason))?
        } else if let Ok(password) = std::env::var(PASSWORD) {
            Zeroizing::new(password)
        } else if let Some(path) = &self.password_file {
            let read = std::fs::read_to_string(path).map(Zeroizing::new);
            read.map_err(|error| refusal("smtp.password_file", format!("{}: {error}", path.display())))?
        } else {
            let reason = format!("is given without password_file or password_command, and {PASSWORD} is not set");
            return Err(refusal("smtp.username", reason));
        };
        Ok(Some(Zeroizing::new(password.trim_end_matches(['\r', '\n']).to_owned())))
    }
}

fn run(command: &[String]) -> Result<Zeroizing<String>, String> {
    let (program, arguments) = command.split_first().ok_or("is empty")?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("`{program}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{program}` failed: {}", output.status));
    }
    let printed = Zeroizing::new(output.stdout);
    std::str::from_utf8(&printed)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| format!("`{program}` printed what is not text"))
}

fn refusal(key: &'static str, reason: String) -> ConfigError {
    ConfigError::Value { key, reason }
}
