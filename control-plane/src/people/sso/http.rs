//! Calls the provider: few at once, not for long, nowhere else, and no more is read than a provider has to say.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::{HttpRequest, HttpResponse};
use tokio::sync::Semaphore;
use ureq::Agent;

pub(super) struct Http {
    agent: Agent,
    turns: Arc<Semaphore>,
}

/// Why there is no answer, in words that follow "the provider of single sign-on".
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("cannot be reached: {0}; accounts with a password can still sign in")]
    Unreachable(String),
    #[error("answers more than {MAX_ANSWER} bytes, or stops in the middle")]
    Answer,
}

/// A person waits.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Key sets of large providers have some ten kilobytes.
const MAX_ANSWER: u64 = 1024 * 1024;
/// Sign-ins under way, each with a thread that waits for the provider.
const AT_ONCE: usize = 4;

impl Http {
    pub(super) fn new() -> Self {
        // The provider has no business sending this server elsewhere.
        let agent =
            Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(TIMEOUT)).build().into();
        Self { agent, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    pub(super) fn call(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, HttpError>> + use<> {
        let (agent, turns) = (self.agent.clone(), Arc::clone(&self.turns));
        async move {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            let answer = tokio::task::spawn_blocking(move || {
                let response = agent.run(request).map_err(|error| HttpError::Unreachable(error.to_string()))?;
                let (parts, mut body) = response.into_parts();
                let body = body.with_config().limit(MAX_ANSWER).read_to_vec().map_err(|_| HttpError::Answer)?;
                Ok(HttpResponse::from_parts(parts, body))
            });
            answer.await.map_err(|_| HttpError::Answer)?
        }
    }
}
