//! What is wrong when an `Idempotency-Key` comes again.

use axum::http::StatusCode;
use serde_json::json;

use super::{Told, told};

/// Why the first answer is not given again.
#[derive(Debug)]
pub enum Repeat {
    /// The key was used for another request.
    OtherRequest,
    /// The first request is being worked on.
    UnderWay,
    /// It was done, and its answer is not kept.
    AnswerNotKept {
        /// The path of what it made.
        location: Option<String>,
    },
    /// Nobody knows whether it was done.
    OutcomeUnknown,
}

impl Repeat {
    pub(super) fn told(&self) -> Told {
        match self {
            Self::OtherRequest => told(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "Key of another request",
                "idempotency-key: was sent with another request before; take a new one for each new request; nothing was done",
            ),
            Self::UnderWay => told(
                StatusCode::CONFLICT,
                "idempotent-request-under-way",
                "Still under way",
                "the first request with this idempotency-key is being worked on; send it again in a moment",
            ),
            Self::AnswerNotKept { location } => told(
                StatusCode::CONFLICT,
                "idempotent-request-done",
                "Done before",
                "the first request with this idempotency-key was carried out; its answer is not kept, because it shows a secret or is \
                 long; look at what it made, and if the secret is lost, revoke that and make another",
            )
            .with("location", json!(location)),
            Self::OutcomeUnknown => told(
                StatusCode::CONFLICT,
                "idempotent-request-unknown",
                "Outcome unknown",
                "the first request with this idempotency-key broke off, and may have been carried out; look whether it was, and if not, \
                 send it with a new key",
            ),
        }
    }
}
