//! What a text such as `https://…`, `git@host:path`, `./folder` or `-` points at.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::redact;

/// The schemes whose transports Git implements itself; `ext::` and other helpers run commands and are refused.
const SCHEMES: &[&str] = &["https", "http", "ssh", "git+ssh", "ssh+git", "git", "file"];

/// Where a source is.
#[derive(Clone, PartialEq, Eq)]
pub enum SourceLocation {
    /// A Git repository behind a URL or an `scp`-like address; may hold credentials, which `Debug` and `Display` hide.
    Remote(String),
    /// A Git repository on this machine, with a work tree or bare.
    Repository(PathBuf),
    /// A folder that is no repository.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
    /// Standard input.
    StandardInput,
}

/// Why a text is no location.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing was given.
    #[error("the location is empty: name a folder, a file, a Git URL, or `-` for standard input")]
    Empty,
    /// It would be read as an option by another program.
    #[error("`{0}` looks like an option: write `./{0}` if a file has this name")]
    Option(String),
    /// A transport that could run commands or that Git does not have.
    #[error("`{scheme}` is not a supported transport: use one of https, http, ssh, git, file")]
    Transport {
        /// What stands before `://` or `::`.
        scheme: String,
    },
    /// No host name may look like this, or a secret may hide in it where Git would not look for one.
    #[error(
        "`{0}` is not a valid Git address: it may have no white space, no query and, except over HTTP, no password; in a password write `/` as %2F"
    )]
    Address(String),
    /// There is no such file, and it is no URL either.
    #[error("there is no file or folder `{0}`, and it is not a Git URL")]
    Missing(String),
}

impl SourceLocation {
    /// Finds out what `text` points at; looks at the file system when it is no URL.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        match text {
            "" => return Err(LocationError::Empty),
            "-" => return Ok(Self::StandardInput),
            option if option.starts_with('-') => return Err(LocationError::Option(redact::address(option))),
            unprintable if unprintable.chars().any(char::is_control) => {
                return Err(LocationError::Address(redact::address(unprintable).escape_default().to_string()));
            }
            _ => {}
        }
        if let Some(address) = Address::split(text) {
            return Self::url(text, &address);
        }
        if let Some((helper, _)) = text.split_once("::")
            && helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !Path::new(text).exists()
        {
            return Err(LocationError::Transport { scheme: format!("{helper}::") });
        }
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self::local(path));
        }
        Self::scp_like(text)
    }

    /// What a path on this machine is; one that does not exist counts as a file.
    #[must_use]
    pub fn local(path: &Path) -> Self {
        match path {
            repository if is_repository(repository) => Self::Repository(repository.into()),
            folder if folder.is_dir() => Self::Folder(folder.into()),
            file => Self::File(file.into()),
        }
    }

    fn url(text: &str, address: &Address<'_>) -> Result<Self, LocationError> {
        let &Address { scheme, user_info, host, path } = address;
        if !is_scheme(scheme) {
            return Err(LocationError::Transport { scheme: redact::address(scheme) });
        }
        let is_file = scheme.eq_ignore_ascii_case("file");
        // A host that begins with `-` would be an option of `ssh`.
        let option = host.starts_with('-') || user_info.is_some_and(|user| user.starts_with('-'));
        // Only over HTTP are credentials kept from other processes. A token in a query is used by no Git server, and shown by all.
        let misplaced = !address.is_http() && address.has_credentials() || !is_file && path.contains(['?', '#']);
        let broken = text.contains(char::is_whitespace) || address.has_odd_port() || host.is_empty() && !is_file;
        if option || misplaced || broken {
            return Err(LocationError::Address(redact::address(text)));
        }
        Ok(Self::Remote(text.into()))
    }

    fn scp_like(text: &str) -> Result<Self, LocationError> {
        let missing = || LocationError::Missing(redact::address(text));
        let (address, path) = text.split_once(':').ok_or_else(missing)?;
        if address.contains('/') || path.is_empty() {
            return Err(missing());
        }
        let host = address.rsplit('@').next().unwrap_or_default();
        // In `user:password@host:path` the password would be part of the path, and `https:/…` lacks a slash.
        let mistaken = path.contains('@') || is_scheme(address) || text.contains(char::is_whitespace);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]".contains(c);
        if mistaken || host.is_empty() || host.starts_with('-') || path.starts_with('-') || !host.chars().all(plain) {
            return Err(LocationError::Address(redact::address(text)));
        }
        Ok(Self::Remote(text.into()))
    }
}

fn is_scheme(text: &str) -> bool {
    SCHEMES.contains(&text.to_ascii_lowercase().as_str())
}

/// A work tree has `.git` (a file in linked work trees and submodules); a bare repository has Git's own files.
fn is_repository(path: &Path) -> bool {
    let is_git_folder =
        |folder: &Path| folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir();
    let dot_git = path.join(".git");
    dot_git.is_file() || is_git_folder(&dot_git) || is_git_folder(path)
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(url) => out.write_str(&redact::address(url)),
            Self::Repository(path) | Self::Folder(path) | Self::File(path) => write!(out, "{}", path.display()),
            Self::StandardInput => out.write_str("standard input"),
        }
    }
}

impl fmt::Debug for SourceLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Remote(_) => "Remote",
            Self::Repository(_) => "Repository",
            Self::Folder(_) => "Folder",
            Self::File(_) => "File",
            Self::StandardInput => return out.write_str("StandardInput"),
        };
        write!(out, "{kind}({:?})", self.to_string())
    }
}

/// Whether an entry belongs to Git itself and not to the files under its care.
pub(crate) fn is_git_metadata(name: &OsStr) -> bool {
    name == ".git"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_transport_are_taken() {
        for text in
            ["https://h/r.git", "HTTP://h/r", "ssh://git@h:22/r", "git://h/r", "file:///srv/r", "git@h.example:team/r.git", "h:r"]
        {
            assert_eq!(SourceLocation::parse(text), Ok(SourceLocation::Remote(text.into())));
        }
        assert_eq!(SourceLocation::parse("-"), Ok(SourceLocation::StandardInput));
    }

    #[test]
    fn what_could_run_a_command_is_refused() {
        for text in [
            "ext::sh -c date",
            "foo::https://h/r",
            "ftp://h/r",
            "-oProxyCommand=date",
            "--upload-pack=date",
            "ssh://-oProxyCommand=date/r",
            "ssh://git@-oProxyCommand=date/r",
            "-h:r",
            "git@-h:r",
            "h:-r",
            "",
            "no/such/path",
            "https:///r",
            "a\nb",
        ] {
            let error = SourceLocation::parse(text).expect_err(text);
            assert!(!matches!(error, LocationError::Missing(_)) || text == "no/such/path", "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_where_git_would_not_look_for_one_is_refused_and_not_repeated() {
        for text in [
            "https://me:hunter/22@h/r",
            "me:hunter22@h:r",
            "https:/me:hunter22@h/r",
            "https://hun ter22@h/r",
            "https://me:hun ter22@h/r",
            "https://h/r?private_token=hunter22",
            "https://h/r#hunter22",
            "https://h?t=hunter22",
            "ssh://me:hunter22@h/r",
            "git://me:hunter22@h/r",
            "me:hunter22@https://h/r",
        ] {
            let error = SourceLocation::parse(text).expect_err(text).to_string();
            assert!(!error.contains("hun") && !error.contains("ter22") && !error.contains("22@"), "{text}: {error}");
        }
        let quoted = SourceLocation::parse("https://me:hun'ter22@h/r").unwrap();
        assert_eq!(quoted.to_string(), "https://***@h/r");
    }

    #[test]
    fn paths_are_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "").unwrap();
        let parse = |path: &Path| SourceLocation::parse(path.to_str().unwrap());
        assert_eq!(parse(folder.path()), Ok(SourceLocation::Folder(folder.path().into())));
        assert_eq!(parse(&file), Ok(SourceLocation::File(file.clone())));
        std::fs::write(folder.path().join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(parse(folder.path()), Ok(SourceLocation::Repository(folder.path().into())));
    }

    #[test]
    fn credentials_are_never_shown() {
        let location = SourceLocation::parse(&format!("https://{}@h/r", "me:hunter22")).unwrap();
        assert_eq!(location.to_string(), "https://***@h/r");
        assert!(!format!("{location:?}").contains("hunter22"));
    }
}
