//! TLS of the feed.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tonic::transport::{Identity, ServerTlsConfig};
use zeroize::Zeroizing;

use super::{Config, ConfigError};

/// Files in PEM form.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedTls {
    /// The certificate, followed by its chain.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub private_key: PathBuf,
}

impl Config {
    /// TLS of the feed.
    pub fn feed_tls(&self) -> Result<Option<ServerTlsConfig>, ConfigError> {
        let read = |key: &'static str, path: &Path| {
            std::fs::read(path).map_err(|error| ConfigError::Value { key, reason: format!("{}: {error}", path.display()) })
        };
        let Some(tls) = &self.feed_tls else { return Ok(None) };
        let certificate = read("feed_tls.certificate", &tls.certificate)?;
        let private_key = Zeroizing::new(read("feed_tls.private_key", &tls.private_key)?);
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, private_key.as_slice()));
        // Files without sense are found here, and not when the first gateway comes.
        match tonic::transport::Server::builder().tls_config(tls.clone()) {
            Ok(_) => Ok(Some(tls)),
            Err(error) => {
                let reason = format!("certificate and private key are not a pair in PEM form: {error}");
                Err(ConfigError::Value { key: "feed_tls", reason })
            }
        }
    }
}
