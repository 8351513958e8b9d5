//! Where keys come from: a configured command, else the environment, else a file of mode 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::config::KeysConfig;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database is there, its key is not.
    #[error(
        "the database exists, but its {name} key {} is missing; restore the file from a backup or set {variable}. \
         A new key is never made for an old database: {loss}",
        path.display()
    )]
    Missing {
        /// Which key.
        name: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// The environment variable that may hold it.
        variable: &'static str,
        /// What a new key would cost.
        loss: &'static str,
    },
    /// Not 64 hexadecimal digits.
    #[error("the {name} key from {origin} is not 64 hexadecimal digits")]
    Malformed {
        /// Which key.
        name: &'static str,
        /// Where it came from.
        origin: String,
    },
    /// The configured command failed.
    #[error("the {name} key's command `{program}` failed: {reason}")]
    Command {
        /// Which key.
        name: &'static str,
        /// The program, without its arguments.
        program: String,
        /// What went wrong.
        reason: String,
    },
    /// Both keys are the same.
    #[error("the first and the second {name} key are the same: take the second one away, or make another")]
    Twice {
        /// Which key.
        name: &'static str,
    },
    /// There is a second key already.
    #[error("there is a second {name} key already: {}", path.display())]
    SecondExists {
        /// Which key.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("the {name} key {} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// Which key.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file system refused.
    #[error("the {name} key {}: {source}", path.display())]
    Io {
        /// Which key.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// One of the two kinds of keys. Of each there is a first key, and a second while it is being changed.
#[derive(Debug)]
pub struct Kind {
    /// In files, messages and the database.
    pub name: &'static str,
    variable: &'static str,
    second_variable: &'static str,
    loss: &'static str,
}

/// Of which each tenant's fingerprint key is made.
pub const FINGERPRINT: Kind = Kind {
    name: "fingerprint",
    variable: "STOPLEAK_FINGERPRINT_KEY",
    second_variable: "STOPLEAK_SECOND_FINGERPRINT_KEY",
    loss: "no stored fingerprint would match any more",
};

/// Seals index headers.
pub const SIGNING: Kind = Kind {
    name: "signing",
    variable: "STOPLEAK_SIGNING_KEY",
    second_variable: "STOPLEAK_SECOND_SIGNING_KEY",
    loss: "gateways pin its public key and would refuse every index",
};

/// The files' folder within the data folder.
const FOLDER: &str = "keys";

pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

/// A key and, while it is being changed, another.
pub(super) struct Pair {
    pub(super) first: KeyBytes,
    pub(super) second: Option<KeyBytes>,
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Makes a folder that only its owner can enter, parents included.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Kind {
    /// Finds the key, and the second one if there is any. A first key that is missing is made when there is no database yet.
    pub(super) fn load(&self, data_dir: &Path, config: &KeysConfig, database_exists: bool) -> Result<Pair, KeyError> {
        let (command, second_command) = match self.name {
            "fingerprint" => (&config.fingerprint_command, &config.second_fingerprint_command),
            _ => (&config.signing_command, &config.second_signing_command),
        };
        let path = self.file(data_dir);
        let first = match self.find(command.as_deref(), self.variable, &path)? {
            Some(first) => first,
            None if database_exists => {
                return Err(KeyError::Missing { name: self.name, path, variable: self.variable, loss: self.loss });
            }
            None => self.make(&path)?,
        };
        let second = self.find(second_command.as_deref(), self.second_variable, &self.second_file(data_dir))?;
        if second.as_ref().is_some_and(|second| **second == *first) {
            return Err(KeyError::Twice { name: self.name });
        }
        Ok(Pair { first, second })
    }

    /// The first key's file.
    #[must_use]
    pub fn file(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(FOLDER).join(format!("{}.key", self.name))
    }

    /// The environment variable that may hold the second key.
    #[must_use]
    pub fn second_variable(&self) -> &'static str {
        self.second_variable
    }

    /// The second key's.
    #[must_use]
    pub fn second_file(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(FOLDER).join(format!("{}.second.key", self.name))
    }

    /// Makes a second key, in a file.
    pub fn add_second(&self, data_dir: &Path) -> Result<PathBuf, KeyError> {
        let path = self.second_file(data_dir);
        if path.exists() {
            return Err(KeyError::SecondExists { name: self.name, path });
        }
        self.make(&path).map(|_| path)
    }

    /// Lets the two files change places. A crash in between leaves a copy of the first key, and doing it again ends it.
    pub fn swap(&self, data_dir: &Path) -> Result<(), KeyError> {
        let (first, second) = (self.file(data_dir), self.second_file(data_dir));
        let aside = first.with_extension("aside");
        let io = |path: &Path| {
            let (name, path) = (self.name, path.to_owned());
            move |source| KeyError::Io { name, path, source }
        };
        if second.exists() {
            let hex = Zeroizing::new(fs::read_to_string(&first).map_err(io(&first))?);
            write_private(&aside, &hex).map_err(io(&aside))?;
            fs::rename(&second, &first).map_err(io(&second))?;
        }
        fs::rename(&aside, &second).map_err(io(&second))?;
        let folder = data_dir.join(FOLDER);
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io(&folder))
    }

    /// The key from where it is looked for first and found.
    fn find(&self, command: Option<&[String]>, variable: &str, path: &Path) -> Result<Option<KeyBytes>, KeyError> {
        if let Some(command) = command {
            return self.run(command).map(Some);
        }
        if let Ok(hex) = std::env::var(variable) {
            return self.parse(&Zeroizing::new(hex), || variable.to_owned()).map(Some);
        }
        match fs::read_to_string(path) {
            Ok(hex) => {
                self.check_mode(path)?;
                self.parse(&Zeroizing::new(hex), || path.display().to_string()).map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyError::Io { name: self.name, path: path.to_owned(), source }),
        }
    }

    fn make(&self, path: &Path) -> Result<KeyBytes, KeyError> {
        let folder = path.parent().unwrap_or(path);
        let io = |source| KeyError::Io { name: self.name, path: path.to_owned(), source };
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|error| io(io::Error::other(error.to_string())))?;
        create_private_folder(folder).map_err(io)?;
        let hex = Zeroizing::new(format!("{}\n", blake3::Hash::from(*key).to_hex()));
        write_private(path, &hex).map_err(io)?;
        Ok(key)
    }

    fn run(&self, command: &[String]) -> Result<KeyBytes, KeyError> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(self.command_failed("", "no program is given".to_owned()));
        };
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.command_failed(program, error.to_string()))?;
        if !output.status.success() {
            return Err(self.command_failed(program, output.status.to_string()));
        }
        let hex = Zeroizing::new(String::from_utf8(output.stdout).unwrap_or_default());
        self.parse(&hex, || format!("the command `{program}`"))
    }

    fn command_failed(&self, program: &str, reason: String) -> KeyError {
        KeyError::Command { name: self.name, program: program.to_owned(), reason }
    }

    fn parse(&self, hex: &str, origin: impl FnOnce() -> String) -> Result<KeyBytes, KeyError> {
        blake3::Hash::from_hex(hex.trim())
            .map(|hash| Zeroizing::new(*hash.as_bytes()))
            .map_err(|_| KeyError::Malformed { name: self.name, origin: origin() })
    }

    fn check_mode(&self, path: &Path) -> Result<(), KeyError> {
        let io = |source| KeyError::Io { name: self.name, path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { name: self.name, path: path.to_owned(), mode });
        }
        Ok(())
    }
}
