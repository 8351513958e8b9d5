//! The keys: outside of the database, so that a stolen database cannot be tested against guesses.
//!
//! Each key comes from a configured command, else from the environment, else from a file of mode 0600 under `keys/` in the data
//! folder. The first start makes the files. Later a missing key is an error: a new one would orphan every fingerprint, or lock out
//! every gateway that pins the public key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stopleak_contract::FingerprintKey;
use stopleak_contract::index::SigningKey;
use zeroize::Zeroizing;

use crate::config::KeysConfig;
use crate::sealed::SealingKey;
use crate::tenants::TenantId;

/// What the control plane keeps secret.
pub struct Keys {
    /// Of which each tenant's fingerprint key is made.
    fingerprint: FingerprintKey,
    /// Seals index headers.
    pub signing: SigningKey,
}

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

/// One of the two keys.
struct Kind {
    name: &'static str,
    file: &'static str,
    variable: &'static str,
    loss: &'static str,
}

const FINGERPRINT: Kind = Kind {
    name: "fingerprint",
    file: "fingerprint.key",
    variable: "STOPLEAK_FINGERPRINT_KEY",
    loss: "no stored fingerprint would match any more",
};
const SIGNING: Kind = Kind {
    name: "signing",
    file: "signing.key",
    variable: "STOPLEAK_SIGNING_KEY",
    loss: "gateways pin its public key and would refuse every index",
};

/// The files' folder within the data folder.
const FOLDER: &str = "keys";

type KeyBytes = Zeroizing<[u8; 32]>;

impl Keys {
    /// Finds both keys; makes what is missing only when there is no database yet.
    pub fn load(data_dir: &Path, config: &KeysConfig, database_exists: bool) -> Result<Self, KeyError> {
        let folder = data_dir.join(FOLDER);
        let load = |kind: &Kind, command: &Option<Vec<String>>| kind.load(&folder, command.as_deref(), database_exists);
        let fingerprint = load(&FINGERPRINT, &config.fingerprint_command)?;
        let signing = load(&SIGNING, &config.signing_command)?;
        Ok(Self { fingerprint: FingerprintKey::new(*fingerprint), signing: SigningKey::new(&signing) })
    }

    /// The tenant's key, which turns its tokens into fingerprints and goes to its gateways: what a gateway of one tenant knows is of
    /// no use against another. Made of the tenant's number, since a name can change and fingerprints cannot.
    #[must_use]
    pub fn fingerprint(&self, tenant: TenantId) -> FingerprintKey {
        fingerprint_of(&self.fingerprint, tenant)
    }

    /// Of which a webhook's secret is derived. Gateways have their tenant's fingerprint key, so it is not made of that.
    #[must_use]
    pub fn webhook(&self, tenant: TenantId, nonce: &[u8]) -> Zeroizing<[u8; 32]> {
        let key = derive(&self.fingerprint, "webhook secret", tenant);
        Zeroizing::new(*blake3::keyed_hash(&key, nonce).as_bytes())
    }

    /// The tenant's key for what its database rows keep encrypted.
    #[must_use]
    pub fn sealing(&self, tenant: TenantId) -> SealingKey {
        let TenantId(number) = tenant;
        let context = format!("stopleak sealing key v1 of tenant {number}");
        SealingKey::new(blake3::keyed_hash(self.fingerprint.as_bytes(), context.as_bytes()).as_bytes())
    }

    /// What tells one request from another without telling what is in it: parts of it may be tokens.
    #[must_use]
    pub fn digest(&self, tenant: TenantId, parts: &[&[u8]]) -> [u8; 32] {
        let TenantId(number) = tenant;
        let context = format!("stopleak request digest v1 of tenant {number}");
        let key = blake3::keyed_hash(self.fingerprint.as_bytes(), context.as_bytes());
        let mut hasher = blake3::Hasher::new_keyed(key.as_bytes());
        for part in parts {
            hasher.update(&part.len().to_le_bytes()).update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// Values to store with the database, by which [`Keys`] of another installation are recognised; they do not tell the keys.
    #[must_use]
    pub fn checks(&self) -> [(&'static str, [u8; 32]); 2] {
        let fingerprint = blake3::keyed_hash(self.fingerprint.as_bytes(), b"stopleak key check v1");
        let signing = blake3::hash(self.signing.public_key().to_hex().as_bytes());
        [(FINGERPRINT.name, *fingerprint.as_bytes()), (SIGNING.name, *signing.as_bytes())]
    }
}

/// The tenant's fingerprint key alone, for commands that have nothing to sign. None is made.
pub fn fingerprint_key(data_dir: &Path, config: &KeysConfig, tenant: TenantId) -> Result<FingerprintKey, KeyError> {
    let key = FINGERPRINT.load(&data_dir.join(FOLDER), config.fingerprint_command.as_deref(), true)?;
    Ok(fingerprint_of(&FingerprintKey::new(*key), tenant))
}

fn fingerprint_of(key: &FingerprintKey, tenant: TenantId) -> FingerprintKey {
    FingerprintKey::new(*derive(key, "fingerprint key", tenant))
}

/// A key of the tenant for one purpose; none tells another.
fn derive(key: &FingerprintKey, purpose: &str, TenantId(number): TenantId) -> KeyBytes {
    let context = format!("stopleak {purpose} v1 of tenant {number}");
    Zeroizing::new(*blake3::keyed_hash(key.as_bytes(), context.as_bytes()).as_bytes())
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
    fn load(&self, folder: &Path, command: Option<&[String]>, database_exists: bool) -> Result<KeyBytes, KeyError> {
        if let Some(command) = command {
            return self.run(command);
        }
        if let Ok(hex) = std::env::var(self.variable) {
            return self.parse(&Zeroizing::new(hex), || self.variable.to_owned());
        }
        let path = folder.join(self.file);
        match fs::read_to_string(&path) {
            Ok(hex) => {
                self.check_mode(&path)?;
                self.parse(&Zeroizing::new(hex), || path.display().to_string())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if database_exists {
                    return Err(KeyError::Missing { name: self.name, path, variable: self.variable, loss: self.loss });
                }
                self.make(folder, &path)
            }
            Err(source) => Err(KeyError::Io { name: self.name, path, source }),
        }
    }

    fn make(&self, folder: &Path, path: &Path) -> Result<KeyBytes, KeyError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(folder: &Path, database_exists: bool) -> Result<Keys, KeyError> {
        Keys::load(folder, &KeysConfig::default(), database_exists)
    }

    #[test]
    fn the_first_start_makes_private_files_and_the_next_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let first = load(folder.path(), false).unwrap();
        let second = load(folder.path(), true).unwrap();
        assert_eq!(first.checks(), second.checks());
        for file in ["keys/fingerprint.key", "keys/signing.key"] {
            let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert_eq!(fs::metadata(folder.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_missing_key_of_an_existing_database_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = load(folder.path(), true).err().unwrap().to_string();
        assert!(refusal.contains("fingerprint.key is missing") && refusal.contains("STOPLEAK_FINGERPRINT_KEY"), "{refusal}");
        assert!(!folder.path().join("keys").exists(), "nothing was made");
    }

    #[test]
    fn exposed_and_malformed_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        load(folder.path(), false).unwrap();
        let path = folder.path().join("keys/signing.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load(folder.path(), true).err().unwrap().to_string().contains("chmod 600"));
        write_private(&path, "abc").unwrap();
        assert!(matches!(load(folder.path(), true), Err(KeyError::Malformed { name: "signing", .. })));
    }

    #[test]
    fn a_command_may_print_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let command = |text: &str| Some(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]);
        let config = |text| KeysConfig { fingerprint_command: command(text), ..KeysConfig::default() };
        let keys = Keys::load(folder.path(), &config("printf '%064d\\n' 7"), false).unwrap();
        assert_eq!(keys.fingerprint.as_bytes()[31], 7);
        assert_eq!(keys.fingerprint(TenantId(1)), keys.fingerprint(TenantId(1)));
        assert_ne!(keys.fingerprint(TenantId(1)), keys.fingerprint(TenantId(2)));
        assert_ne!(keys.fingerprint(TenantId(1)), keys.fingerprint);
        assert!(matches!(Keys::load(folder.path(), &config("exit 3"), false), Err(KeyError::Command { .. })));
        assert!(matches!(Keys::load(folder.path(), &config("echo no"), false), Err(KeyError::Malformed { .. })));
    }
}
