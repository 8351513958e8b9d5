//! What a failed `git` means, told by what it said.

use crate::printable::printable;
use crate::{ScanError, redact};

/// The words that tell the causes apart, the more telling ones first. Forges answer a missing repository with a request for
/// credentials, so that nobody learns what exists.
const CAUSES: &[(Cause, &[&str])] = &[
    (Cause::Ownership, &["dubious ownership"]),
    (Cause::Damage, &["repository corruption", "bad object", "loose object", "missing blob", "missing tree"]),
    (Cause::HostKey, &["host key verification failed", "remote host identification has changed"]),
    (
        Cause::Credentials,
        &[
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "unable to get password",
            "authentication failed",
            "permission denied (",
            "invalid credentials",
            "http basic: access denied",
            "returned error: 401",
            "returned error: 403",
        ],
    ),
    (
        Cause::NotFound,
        &[
            "repository not found",
            "not found",
            "does not appear to be a git repository",
            "does not exist",
            "not a git repository",
            "access denied or repository not exported",
            "no such file or directory",
            "returned error: 404",
            "project you were looking for could not be found",
        ],
    ),
    (
        Cause::Network,
        &[
            "could not resolve",
            "couldn't connect",
            "failed to connect",
            "unable to connect",
            "connection refused",
            "connection reset",
            "connection timed out",
            "connection closed",
            "timed out",
            "network is unreachable",
            "no route to host",
            "hung up",
            "early eof",
            "unable to access",
            "empty reply",
            "ssl",
            "certificate",
        ],
    ),
];

#[derive(Clone, Copy)]
enum Cause {
    Ownership,
    HostKey,
    Credentials,
    NotFound,
    Network,
    Damage,
}

/// The error for what `git` wrote to its standard error, without credentials.
pub(super) fn explain(location: String, stderr: &str) -> ScanError {
    let lower = stderr.to_ascii_lowercase();
    let cause = CAUSES.iter().find_map(|&(cause, words)| Some((cause, *words.iter().find(|&&word| lower.contains(word))?)));
    let detail = telling_line(stderr, cause.map_or("fatal:", |(_, word)| word));
    match cause.map(|(cause, _)| cause) {
        Some(Cause::Ownership) => ScanError::Ownership { location, detail },
        Some(Cause::HostKey) => ScanError::HostKey { location, detail },
        Some(Cause::Credentials) => ScanError::CredentialsNeeded { location, detail },
        Some(Cause::NotFound) => ScanError::RepositoryNotFound { location, detail },
        Some(Cause::Damage) => ScanError::Damaged { location, detail },
        Some(Cause::Network) => ScanError::Network { location, detail },
        None => ScanError::Git { location, detail },
    }
}

/// The last line with the word that told the cause; what `git` prints after it says less.
fn telling_line(stderr: &str, word: &str) -> String {
    let lines = || stderr.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let telling = lines().find(|line| line.to_ascii_lowercase().contains(word));
    // The other end has a say in it, and it is shown on terminals.
    printable(&redact::urls(telling.or_else(|| lines().next()).unwrap_or("git said nothing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stderr: &str) -> ScanError {
        explain("https://h/r".into(), stderr)
    }

    #[test]
    fn causes_are_told_apart() {
        let private = "fatal: could not read Username for 'https://h': terminal prompts disabled";
        assert!(matches!(told(private), ScanError::CredentialsNeeded { .. }));
        assert!(matches!(told("fatal: repository 'https://h/r/' not found"), ScanError::RepositoryNotFound { .. }));
        assert!(matches!(told("fatal: unable to access 'https://h/r/': Could not resolve host: h"), ScanError::Network { .. }));
        assert!(matches!(
            told(
                "Host key verification failed.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists."
            ),
            ScanError::HostKey { .. }
        ));
        assert!(matches!(
            told("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository."),
            ScanError::CredentialsNeeded { .. }
        ));
        assert!(matches!(told("fatal: detected dubious ownership in repository at '/r'"), ScanError::Ownership { .. }));
        let damaged =
            "remote: fatal: unable to read 00ff\nremote: aborting due to possible repository corruption\nfatal: early EOF";
        assert!(matches!(told(damaged), ScanError::Damaged { .. }));
        assert!(matches!(told("fatal: index-pack failed"), ScanError::Git { .. }));
        assert!(matches!(told(""), ScanError::Git { .. }));
    }

    #[test]
    fn a_server_cannot_write_to_the_terminal() {
        let error = told("remote: not found \u{1b}]0;PWNED\u{7}\u{1b}[2J\u{202e}EVIL").to_string();
        assert!(error.contains("not found �]0;PWNED��[2J�EVIL"), "{error:?}");
    }

    #[test]
    fn the_telling_line_is_kept_without_credentials() {
        let error = told(&format!("warning: x\nfatal: repository 'https://{}@h/r/' not found\n", "me:hunter22")).to_string();
        assert!(error.contains("fatal: repository 'https://***@h/r/' not found"), "{error}");
        assert!(!error.contains("hunter22"));
    }
}
