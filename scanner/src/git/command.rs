//! How `git` is run: without prompts, hooks, helpers or surprises from its surroundings.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::child::{Patience, Running};
use crate::ScanError;

/// Variables that would point `git` at another repository, give it other programs to run, or make it talk.
const FOREIGN_VARIABLES: &str = "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR \
    GIT_NAMESPACE GIT_CONFIG GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE \
    GIT_GRAFT_FILE GIT_PREFIX GIT_EXTERNAL_DIFF GIT_DIFF_OPTS GIT_TRACE GIT_TRACE2 GIT_TRACE2_EVENT GIT_TRACE_CURL \
    GIT_TRACE_PACKET GIT_TEMPLATE_DIR GIT_QUARANTINE_PATH";

/// How the names of Stopleak's own variables begin.
const OUR_VARIABLES: &[u8] = b"STOPLEAK_";

/// Settings that hold for every command.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.interactive=false",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "transfer.unpackLimit=1",
    "transfer.bundleURI=false",
    "clone.rejectShallow=false",
    "advice.detachedHead=false",
    // A server that sends nothing for a minute has gone.
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=60",
];

/// `git` for talking to a repository's origin. The user's configuration stays in force: it has the credentials and proxies.
pub(super) fn network(patience: &Patience) -> Command {
    let mut command = base();
    // Stricter than any `protocol.*` setting: these are the transports that Git implements itself.
    command.env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
    command.env("GIT_ASKPASS", "").env("SSH_ASKPASS", "").env("SSH_ASKPASS_REQUIRE", "never");
    if let Some(ssh) = ssh(patience) {
        command.env("GIT_SSH_COMMAND", format!("{ssh} -o BatchMode=yes -o ConnectTimeout=30"));
    }
    command
}

/// The user's own way to call `ssh`, which is then told never to ask anything. `None` if it is a program that may not know
/// these options.
fn ssh(patience: &Patience) -> Option<String> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("GIT_SSH") || set("GIT_SSH_VARIANT") {
        return None;
    }
    if let Ok(command) = std::env::var("GIT_SSH_COMMAND") {
        return Some(command);
    }
    let mut asking = base();
    // The repository that the scan was started in is not the one that is scanned, and may be anybody's: it has no say.
    asking.args(["config", "--get", "core.sshCommand"]).current_dir("/").stdout(Stdio::piped()).stderr(Stdio::null());
    let configured = Running::start(&mut asking, patience).and_then(|mut git| git.listen()).ok();
    let command = configured.map(|said| String::from_utf8_lossy(&said.output).trim().to_owned());
    Some(command.filter(|command| !command.is_empty()).unwrap_or_else(|| "ssh".into()))
}

/// `git` for finding out what lies at `path`. The user's configuration says which folders of other users may be trusted.
pub(super) fn opening(path: &Path) -> Command {
    let mut command = base();
    command.env("GIT_ALLOW_PROTOCOL", "").env("GIT_CEILING_DIRECTORIES", path.parent().unwrap_or(path));
    command.args(["-c", "safe.bareRepository=all", "-C"]).arg(path);
    command
}

/// `git` for reading the repository whose own folder is `repository`: no configuration but its own, and no network, not even
/// to fetch what a partial clone lacks.
pub(super) fn reading(repository: &Path) -> Command {
    let mut command = base();
    command.env_remove("GIT_CONFIG_PARAMETERS").env_remove("GIT_CONFIG_COUNT");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_ATTR_NOSYSTEM", "1");
    command.env("GIT_ALLOW_PROTOCOL", "").env("GIT_NO_LAZY_FETCH", "1").env("GIT_NO_REPLACE_OBJECTS", "1");
    // What is mapped counts as memory, and a pack has any size.
    command.args(["-c", "core.packedGitWindowSize=32m", "-c", "core.packedGitLimit=64m"]);
    command.arg("--git-dir").arg(repository);
    command.stderr(Stdio::null());
    command
}

/// A path as Git prints it.
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

/// Starts a command; that `git` is missing is worth its own message.
pub(super) fn spawn(command: &mut Command, patience: &Patience) -> Result<Running, ScanError> {
    Running::start(command, patience).map_err(|error| not_started(&error))
}

fn not_started(error: &io::Error) -> ScanError {
    match error.kind() {
        io::ErrorKind::NotFound => ScanError::GitMissing,
        _ => ScanError::Git { location: "this machine".into(), detail: format!("git could not be started: {error}") },
    }
}

fn base() -> Command {
    let mut command = Command::new("git");
    for variable in FOREIGN_VARIABLES.split(' ') {
        command.env_remove(variable);
    }
    // Ours hold keys and API tokens, and `git` hands its surroundings on to `ssh` and to every helper.
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(OUR_VARIABLES)) {
        command.env_remove(variable);
    }
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_LFS_SKIP_SMUDGE", "1").env("GIT_OPTIONAL_LOCKS", "0");
    // Its messages are recognised by their words, and its dates are compared.
    command.env("LC_ALL", "C").env("LANGUAGE", "").env("TZ", "UTC");
    // A group of its own can be ended as a whole, and cannot read from the terminal.
    command.stdin(Stdio::null()).process_group(0);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
}
