//! Single sign-on by `OpenID` Connect: the code flow with PKCE, and which role a group of the provider has here.
//!
//! Nothing is kept between the two halves of a sign-in: state, nonce and PKCE verifier are made of one secret that lies in a cookie of
//! the browser for some minutes. The provider is only asked when somebody signs in by it: when it is down, everything else goes on.

mod config;
mod http;

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

pub use config::{SsoConfig, SsoRole};

use self::http::Http;
use crate::people::Role;
use crate::secret::Secret;

/// A provider of single sign-on.
pub struct Sso {
    config: SsoConfig,
    secret: Option<ClientSecret>,
    redirect: String,
    http: Http,
    known: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

/// Somebody whom the provider has vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// Who it is there, for ever.
    pub subject: String,
    /// What people call them.
    pub name: String,
    /// The tenant and the role that their groups have here.
    pub place: Option<(String, Role)>,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    /// The provider does not answer, or answers what no provider would.
    #[error("the provider of single sign-on {0}")]
    Provider(String),
    /// Its answer is not what this browser asked for, or not from the provider.
    #[error("{0}")]
    Refused(String),
}

/// What the provider says beside the standard claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OtherClaims {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for OtherClaims {}

type Fields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Relying = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// How long what the provider says about itself is believed; keys change now and then.
const KNOWN_FOR: Duration = Duration::from_mins(5);

impl Sso {
    /// With a configuration that was checked; `redirect` is where the provider sends browsers back to.
    #[must_use]
    pub fn new(config: SsoConfig, secret: Option<String>, redirect: String) -> Arc<Self> {
        let secret = secret.map(ClientSecret::new);
        Arc::new(Self { config, secret, redirect, http: Http::new(), known: Mutex::default() })
    }

    /// Where to send the browser that has this secret.
    pub async fn begin(&self, secret: &Secret) -> Result<String, SsoError> {
        let client = self.client().await?;
        let verifier = PkceCodeVerifier::new(derive("stopleak oidc verifier v1", secret));
        let (state, nonce) = (derive(STATE, secret), derive(NONCE, secret));
        let request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || CsrfToken::new(state), move || Nonce::new(nonce))
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        Ok(request.url().0.to_string())
    }

    /// Who it is that comes back with this code and state, in the browser that has the secret.
    pub async fn finish(&self, secret: &Secret, state: &str, code: String, issuer: Option<&str>) -> Result<Identity, SsoError> {
        let refused = |detail: &str| Err(SsoError::Refused(detail.to_owned()));
        // Hashes of both, so that the comparison does not tell how much of the state was right.
        if blake3::hash(state.as_bytes()) != blake3::hash(derive(STATE, secret).as_bytes()) {
            return refused("this sign-in was not begun in this browser, or too long ago; begin once more");
        }
        if issuer.is_some_and(|issuer| issuer != self.config.issuer) {
            return refused("the answer comes from another provider than the one that was asked");
        }
        let client = self.client().await?;
        let verifier = PkceCodeVerifier::new(derive("stopleak oidc verifier v1", secret));
        let call = |request| self.http.call(request);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|_| provider("names no token endpoint"))?;
        let answer = request.set_pkce_verifier(verifier).request_async(&call).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(_) => {
                SsoError::Refused("the provider does not accept the code of this sign-in; begin once more".to_owned())
            }
            RequestTokenError::Request(error) => provider(&error.to_string()),
            _ => provider("answers the exchange of a code with something that is no token"),
        })?;
        let Some(token) = answer.id_token() else { return refused("the provider has sent no ID token") };
        let claims = match token.claims(&client.id_token_verifier(), &Nonce::new(derive(NONCE, secret))) {
            Ok(claims) => claims,
            Err(error) => {
                // Its keys may have changed.
                *self.known.lock().await = None;
                tracing::warn!(%error, "an ID token was refused");
                return refused("the provider's ID token cannot be believed; the server's log says why; begin once more");
            }
        };
        let subject = claims.subject().to_string();
        let given = claims.preferred_username().map(|name| name.to_string());
        let name = given.or_else(|| claims.email().map(|email| email.to_string())).unwrap_or_else(|| subject.clone());
        let groups = groups(claims.additional_claims().all.get(&self.config.groups_claim));
        Ok(Identity { issuer: self.config.issuer.clone(), subject, name, place: self.config.place(&groups) })
    }

    async fn client(&self) -> Result<Relying, SsoError> {
        let metadata = self.metadata().await?;
        let redirect = RedirectUrl::new(self.redirect.clone()).map_err(|_| provider("cannot send browsers back here"))?;
        let client = Client::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), self.secret.clone());
        Ok(client.set_redirect_uri(redirect))
    }

    /// What the provider says about itself. One asks, others wait for the answer.
    async fn metadata(&self) -> Result<CoreProviderMetadata, SsoError> {
        let mut known = self.known.lock().await;
        if let Some((since, metadata)) = &*known
            && since.elapsed() < KNOWN_FOR
        {
            return Ok(metadata.clone());
        }
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|_| provider("has no valid address"))?;
        let call = |request| self.http.call(request);
        let metadata = CoreProviderMetadata::discover_async(issuer, &call).await.map_err(|error| {
            tracing::warn!(%error, issuer = self.config.issuer, "single sign-on is not possible");
            match error {
                DiscoveryError::Request(error) => provider(&error.to_string()),
                // The one thing that is validated.
                DiscoveryError::Validation(_) => provider("says that it is another issuer than the one that is configured"),
                DiscoveryError::Response(status, ..) => provider(&format!("answers {status} when it is asked about itself")),
                _ => provider("says nothing about itself that can be understood"),
            }
        })?;
        *known = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }
}

const STATE: &str = "stopleak oidc state v1";
const NONCE: &str = "stopleak oidc nonce v1";

/// 64 hexadecimal digits that nobody knows who does not know the secret.
fn derive(context: &str, secret: &Secret) -> String {
    blake3::Hash::from(blake3::derive_key(context, secret.expose().as_bytes())).to_hex().to_string()
}

fn provider(what: &str) -> SsoError {
    SsoError::Provider(what.to_owned())
}

/// Providers send a list, or one group as a text.
fn groups(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(group)) => vec![group.clone()],
        Some(Value::Array(groups)) => groups.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}
