//! GitHub's list of public keys: fetched when it is needed, and kept for a while.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::PublicKey;
use crate::intake::IntakeError;

/// The list.
pub struct Keys {
    url: String,
    list: Mutex<List>,
    /// Held by whoever fetches: the others wait for what that brings.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct List {
    keys: HashMap<String, PublicKey>,
    fetched_at: Option<Instant>,
    /// The last try, and whether it brought the list.
    tried: Option<(Instant, bool)>,
}

/// What a list says of one key at one time.
enum Known {
    Key(PublicKey),
    /// It is not in a list that is as new as one may ask for.
    Unknown,
    /// Only a newer list can tell. With the key of the list that is there, if it may still be used.
    Ask(Option<PublicKey>),
}

/// The list as GitHub writes it.
#[derive(Deserialize)]
struct Published {
    public_keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    key_identifier: String,
    key: String,
}

/// For so long nobody asks again for a key that the list has.
pub const FRESH: Duration = Duration::from_hours(1);
/// For so long keys are used of a list that cannot be had again.
pub const USABLE: Duration = Duration::from_hours(24);
/// Anybody may name a key that is not in the list: for those, it is fetched no more often.
const STEP: Duration = Duration::from_mins(1);
/// The same after a try that failed.
const RETRY: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The real list has a handful of keys.
const MAX_LIST: u64 = 256 * 1024;
const MAX_KEYS: usize = 1_000;

impl Keys {
    /// The list that is published there.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), list: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The key of this name; `None` when GitHub has none, or it is of another kind.
    pub async fn get(&self, name: &str, now: Instant) -> Result<Option<PublicKey>, IntakeError> {
        if let Known::Key(key) = self.known(name, now) {
            return Ok(Some(key));
        }
        let _turn = self.fetching.lock().await;
        if matches!(self.known(name, now), Known::Ask(_)) && self.may_try(now) {
            self.fetch(now).await;
        }
        match self.known(name, now) {
            Known::Key(key) | Known::Ask(Some(key)) => Ok(Some(key)),
            Known::Unknown => Ok(None),
            Known::Ask(None) => Err(IntakeError::NoKeys),
        }
    }

    fn known(&self, name: &str, now: Instant) -> Known {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let age = list.fetched_at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        match list.keys.get(name) {
            Some(key) if age < FRESH => Known::Key(key.clone()),
            Some(key) if age < USABLE => Known::Ask(Some(key.clone())),
            None if age < STEP => Known::Unknown,
            _ => Known::Ask(None),
        }
    }

    fn may_try(&self, now: Instant) -> bool {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.tried.is_none_or(|(at, brought)| now.saturating_duration_since(at) >= if brought { STEP } else { RETRY })
    }

    async fn fetch(&self, now: Instant) {
        let url = self.url.clone();
        let fetched = tokio::task::spawn_blocking(move || fetch(&url)).await;
        let fetched = fetched.unwrap_or_else(|error| Err(io::Error::other(error).into()));
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.tried = Some((now, fetched.is_ok()));
        match fetched {
            Ok(keys) => {
                list.keys = keys;
                list.fetched_at = Some(now);
            }
            Err(error) => tracing::warn!(%error, "the list of GitHub's public keys could not be fetched"),
        }
    }
}

/// Keys of another kind are left out: nothing that is signed with them is taken.
fn fetch(url: &str) -> Result<HashMap<String, PublicKey>, ureq::Error> {
    // Nobody may lead from a list that cannot be forged to one that can.
    let https_only = url.starts_with("https:");
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).https_only(https_only).build().into();
    let mut response = agent.get(url).call()?;
    let published: Published = response.body_mut().with_config().limit(MAX_LIST).read_json()?;
    let keys = published.public_keys.into_iter().take(MAX_KEYS);
    Ok(keys.filter_map(|key| Some((key.key_identifier, PublicKey::from_pem(&key.key)?))).collect())
}
