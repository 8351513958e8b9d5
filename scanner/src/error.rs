//! Why a scan as a whole failed. A single unreadable file does not fail it: see [`crate::Coverage`].

use std::io;
use std::time::Duration;

/// Why a scan failed; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// There is no `git`.
    #[error("`git` was not found: install Git 2.31 or newer, or put it on the PATH")]
    GitMissing,
    /// No repository is there.
    #[error("no Git repository at {location}: check the address ({detail})")]
    RepositoryNotFound {
        /// The address without credentials.
        location: String,
        /// The last line that Git said.
        detail: String,
    },
    /// The repository is private, or the forge hides whether it exists.
    #[error(
        "{location} needs credentials or does not exist: configure a Git credential helper or an SSH key for it, or put a token into the URL ({detail})"
    )]
    CredentialsNeeded {
        /// The address without credentials.
        location: String,
        /// The last line that Git said.
        detail: String,
    },
    /// The host's key is not known.
    #[error("the SSH host key of {location} is not trusted: connect once with `ssh` to accept it ({detail})")]
    HostKey {
        /// The address without credentials.
        location: String,
        /// The last line that Git said.
        detail: String,
    },
    /// The host could not be reached.
    #[error("{location} could not be reached: check the host name, the network and the proxy, then try again ({detail})")]
    Network {
        /// The address without credentials.
        location: String,
        /// The last line that Git said.
        detail: String,
    },
    /// Git refuses repositories of other users.
    #[error(
        "{location} belongs to another user: scan as that user, or trust it with `git config --global --add safe.directory <path>` ({detail})"
    )]
    Ownership {
        /// The address without credentials.
        location: String,
        /// The last line that Git said.
        detail: String,
    },
    /// Anything else that Git complains about.
    #[error("git failed on {location}: {detail}")]
    Git {
        /// The address without credentials.
        location: String,
        /// The last line that Git said.
        detail: String,
    },
    /// Objects of the repository are missing or damaged.
    #[error("{location} is damaged: run `git fsck` on it and fetch what is missing ({detail})")]
    Damaged {
        /// The address without credentials.
        location: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The source itself, not a file in it, could not be read.
    #[error("{location} could not be read: {error}")]
    Unreadable {
        /// The path.
        location: String,
        /// What the system said.
        error: io::Error,
    },
    /// There is no room for a clone.
    #[error("the temporary folder could not be used: {0}; free some space or set TMPDIR")]
    Temporary(io::Error),
    /// A child that may wait for ever.
    #[error(
        "git said nothing for {} s about {location}: its server may have gone, or a file of the repository may be a pipe", limit.as_secs()
    )]
    Silent {
        /// The address without credentials.
        location: String,
        /// See [`crate::Options::silence_limit`].
        limit: Duration,
    },
    /// The source is larger, or slower, than a scan may be.
    #[error("the scan was stopped after {} s, which is its time limit; what was found until then stands", limit.as_secs())]
    TimeLimit {
        /// See [`crate::Options::time_limit`].
        limit: Duration,
    },
    /// Somebody asked the scan to stop.
    #[error("the scan was cancelled")]
    Cancelled,
}
