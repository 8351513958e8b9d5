//! Passwords of local accounts: which are taken, and how they are kept.

mod common;
mod breached;

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub use breached::{BreachList, BreachListError};

/// Takes and checks passwords.
pub struct Passwords {
    turns: Semaphore,
    breached: Option<BreachList>,
    /// The hash of a password that nobody has: what is checked for an account that is not there, so that it takes as long.
    nobody: OnceLock<String>,
}

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It can be guessed; says what to do, and repeats nothing.
    #[error("{0}")]
    Weak(String),
    /// The list of breached passwords cannot be read, or the system has no randomness.
    #[error("{0}")]
    Failed(String),
}

/// What length protects from guessing, in characters (NIST SP 800-63B asks for 8 beside a second factor, for 15 alone).
pub const MIN_LENGTH: usize = 12;
/// A longer text is no password, and hashing it costs.
const MAX_BYTES: usize = 256;
/// Passwords that are hashed at once. Each takes 19 MiB and some 30 ms of a core: an attack must not take all of either.
const AT_ONCE: usize = 2;

impl Passwords {
    /// With the operator's list of breached passwords.
    #[must_use]
    pub fn new(breached: Option<BreachList>) -> Self {
        Self { turns: Semaphore::new(AT_ONCE), breached, nobody: OnceLock::new() }
    }

    /// The hash of a new password for this account, in PHC form.
    pub async fn hash(&self, account: &str, password: &str) -> Result<String, PasswordError> {
        self.check(account, password).await?;
        let password = Zeroizing::new(password.to_owned());
        self.blocking(move || hash(&password))
            .await
            .ok_or_else(|| PasswordError::Failed("the system has no randomness".to_owned()))
    }

    /// Whether the password is the one of the hash; takes as long when there is no account, and is false then.
    pub async fn is_right(&self, stored: Option<&str>, password: &str) -> bool {
        // Nobody's password is longer, and a long one costs more to hash.
        let known = stored.is_some() && password.len() <= MAX_BYTES;
        let nobody = || self.nobody.get_or_init(|| hash("this password is not any account's").unwrap_or_default()).clone();
        let stored = stored.map_or_else(nobody, str::to_owned);
        let password = Zeroizing::new(password.get(..password.len().min(MAX_BYTES)).unwrap_or_default().to_owned());
        self.blocking(move || is_right(&stored, &password)).await && known
    }

    async fn check(&self, account: &str, password: &str) -> Result<(), PasswordError> {
        let weak = |detail: String| Err(PasswordError::Weak(detail));
        if password.chars().count() < MIN_LENGTH {
            return weak(format!("is shorter than {MIN_LENGTH} characters; a sentence is easy to remember"));
        }
        if password.len() > MAX_BYTES {
            return weak(format!("is longer than {MAX_BYTES} bytes"));
        }
        if common::is_common(account, password) {
            return weak(
                "is among the first that are guessed: common words, the account's name, or a run of keys; choose another"
                    .to_owned(),
            );
        }
        let Some(breached) = &self.breached else { return Ok(()) };
        let (breached, text) = (breached.clone(), Zeroizing::new(password.to_owned()));
        match self.blocking(move || breached.contains(&text)).await {
            Ok(false) => Ok(()),
            Ok(true) => weak("is in the list of breached passwords; choose another".to_owned()),
            Err(error) => Err(PasswordError::Failed(error.to_string())),
        }
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    }
}

/// Argon2id with 19 MiB, two passes and one lane: what OWASP's Password Storage Cheat Sheet recommends first, and the crate's default.
fn hash(password: &str) -> Option<String> {
    Argon2::default().hash_password(password.as_bytes()).ok().map(|hash: PasswordHash| hash.to_string())
}

fn is_right(stored: &str, password: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_recognised() {
        let passwords = Passwords::new(None);
        let hash = passwords.hash("ada", "four blue kettles sing").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("ada", "four blue kettles sing").await.unwrap(), "each has its own salt");
        assert!(passwords.is_right(Some(&hash), "four blue kettles sing").await);
        for wrong in ["four blue kettles sin", "", &"x".repeat(100_000)] {
            assert!(!passwords.is_right(Some(&hash), wrong).await);
        }
        assert!(!passwords.is_right(None, "this password is not any account's").await);
        assert!(!passwords.is_right(Some("not a hash"), "four blue kettles sing").await);
    }

    #[tokio::test]
    async fn what_is_guessed_first_is_not_taken() {
        let passwords = Passwords::new(None);
        for weak in [
            "short",
            "password1234",
            "Password-Password",
            "P@ssw0rd!2024!",
            "qwertyuiop123",
            "123456789012",
            "aaaaaaaaaaaa",
            "abababababab",
            "ada.lovelace1",
            "Welcome2024!!!!",
            "adminadmin12",
            "correcthorsebatterystaple",
            "abcdefghijklm",
            &"long".repeat(100),
        ] {
            assert!(matches!(passwords.hash("ada.lovelace", weak).await, Err(PasswordError::Weak(_))), "{weak}");
        }
        for good in ["four blue kettles sing", "xK7#mm2pQ9!vT", "übermütige Möwen"] {
            passwords.hash("ada.lovelace", good).await.unwrap();
        }
    }
}
