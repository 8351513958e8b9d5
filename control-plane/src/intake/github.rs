//! GitHub's secret-scanning partner programme: GitHub finds tokens of the operator's format in public places and sends them here,
//! signed with one of its keys (ECDSA on P-256 with SHA-256, over the raw body).
//!
//! The signature covers no time, so a delivery can be repeated for ever; it adds nothing then.

mod keys;
mod public_key;

pub use keys::{FRESH, Keys, USABLE};
pub use public_key::PublicKey;

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Delivery, IntakeError, NotGenuine, Receipt, take};
use crate::app::App;
use crate::audit;
use crate::config::GithubConfig;
use crate::findings::Target;
use crate::imports::report::Reported;
use crate::imports::{ReportError, taking};
use crate::keys::TenantKeys;
use crate::people::Caller;
use crate::secret::SecretText;
use crate::sources;
use crate::tenants;
use crate::time::Time;

/// Receives what GitHub sends, for the tenants that take part.
pub struct Receiver {
    tenants: Vec<String>,
    keys: Keys,
}

/// What is verified before the body is read.
#[derive(Debug)]
pub struct Signed {
    key: PublicKey,
    signature: Vec<u8>,
}

/// One token, as GitHub tells it. It may tell more one day.
#[derive(Deserialize)]
struct Alert {
    token: SecretText,
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
}

/// The header that names the key.
pub const KEY_HEADER: &str = "github-public-key-identifier";
/// The header that holds the signature, as base64 of its ASN.1.
pub const SIGNATURE_HEADER: &str = "github-public-key-signature";
/// Where GitHub publishes its keys.
pub const KEYS_URL: &str = "https://api.github.com/meta/public_keys/secret_scanning";
const TITLE: &str = "GitHub secret scanning";

impl Receiver {
    pub(super) fn new(config: &GithubConfig) -> Self {
        Self { tenants: config.tenants.clone(), keys: Keys::new(config.keys_url()) }
    }

    /// Whether the operator wants deliveries for this tenant.
    #[must_use]
    fn is_for(&self, tenant: &str) -> bool {
        self.tenants.iter().any(|name| name == tenant)
    }

    /// Finds the key that a delivery is said to be signed with.
    pub async fn signed(&self, key: &str, signature: &str, now: Instant) -> Result<Signed, IntakeError> {
        let signature = STANDARD.decode(signature.trim()).map_err(|_| NotGenuine::Header(SIGNATURE_HEADER))?;
        let key = self.keys.get(key, now).await?.ok_or(NotGenuine::Signature)?;
        Ok(Signed { key, signature })
    }
}

/// Takes a delivery for a tenant.
pub async fn receive(
    app: &Arc<App>,
    receiver: &Receiver,
    tenant: &str,
    signed: &Signed,
    body: Zeroizing<Vec<u8>>,
) -> Result<Receipt, IntakeError> {
    signed.key.verify(&body, &signed.signature)?;
    // Only now: nobody else learns which tenants take part.
    if !receiver.is_for(tenant) {
        tracing::warn!("GitHub sent something for a tenant that the configuration does not name");
        return Err(NotGenuine::Signature.into());
    }
    let mut db = app.store.write().await?;
    let Some(tenant) = tenants::find(&mut db, tenant).await? else {
        tracing::warn!(tenant, "GitHub sent something for a tenant that the configuration names and that is not there");
        return Err(NotGenuine::Signature.into());
    };
    let (source, _) = sources::add(&mut db, tenant.id, sources::GITHUB, sources::GITHUB, TITLE, Time::now()).await?;
    db.commit().await?;
    let target = Target { tenant: tenant.id, source: source.id, title: source.title };
    let receipt = take(app, &target, move |app, key| read(&body, app, key)).await?;
    // What is repeated would fill the log with nothing.
    if receipt.found_new > 0 {
        let (caller, object) = (Caller::system("GitHub", tenant), format!("source/{}", source.id));
        let mut db = app.store.write().await?;
        audit::record(&mut db, &caller, "source.deliver", &object, None, audit::seen(&receipt)).await?;
        db.commit().await?;
    }
    tracing::info!(source = source.id, findings = receipt.findings, found_new = receipt.found_new, "delivery of GitHub taken");
    Ok(receipt)
}

fn read(body: &[u8], app: &App, key: &TenantKeys) -> Result<Delivery, ReportError> {
    let alerts: Vec<Alert> = serde_json::from_slice(body)?;
    let mut delivery = Delivery::default();
    for alert in alerts {
        let (path, commit) = place(alert.url.as_deref().unwrap_or_default());
        let reported = Reported { secret: alert.token.0, rule: alert.kind, path, line: 0, column: 0, commit, committed_at: None };
        delivery.push(taking::take(app, key, &reported));
    }
    Ok(delivery)
}

/// Where an alert's URL leads: a path that names the repository, and the commit when it names one.
fn place(url: &str) -> (String, Option<String>) {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = address.strip_prefix("github.com/").unwrap_or(address);
    match path.splitn(5, '/').collect::<Vec<_>>()[..] {
        [owner, repository, "blob", commit, file] if taking::is_commit(commit) => {
            (format!("{owner}/{repository}/{file}"), Some(commit.to_owned()))
        }
        _ if path.is_empty() => (sources::GITHUB.to_owned(), None),
        _ => (path.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_tells_path_and_commit() {
        let commit = "d25de391071d5c761999d7d243bef643b02747b0";
        for (url, expected) in [
            (format!("https://github.com/octo/hello/blob/{commit}/foo/b.txt#L3"), ("octo/hello/foo/b.txt", Some(commit))),
            ("https://github.com/octo/hello/issues/3?x=y".to_owned(), ("octo/hello/issues/3", None)),
            ("https://github.com/octo/hello/blob/main/foo".to_owned(), ("octo/hello/blob/main/foo", None)),
            ("https://www.npmjs.com/package/x".to_owned(), ("www.npmjs.com/package/x", None)),
            (String::new(), ("github", None)),
            ("https://github.com/".to_owned(), ("github", None)),
        ] {
            let (path, commit) = place(&url);
            assert_eq!((path.as_str(), commit.as_deref()), expected, "{url}");
        }
    }
}
