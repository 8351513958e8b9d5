//! What can be wrong with what others send: reports and deliveries.

use axum::http::StatusCode;

use super::{Problem, Told, internal, told};
use crate::imports::ImportError;
use crate::intake::IntakeError;

pub(super) fn told_of(problem: &Problem) -> Told {
    match problem {
        Problem::Import(error) => import(error),
        Problem::NotGenuine(reason) => {
            told(StatusCode::UNAUTHORIZED, "signature-rejected", "Not known to be genuine", reason.to_string())
        }
        Problem::NoKeys => {
            told(StatusCode::SERVICE_UNAVAILABLE, "keys-unavailable", "Keys unavailable", IntakeError::NoKeys.to_string())
        }
        // Everything else is told where it is named.
        _ => internal(),
    }
}

fn import(error: &ImportError) -> Told {
    let (status, kind, title) = match error {
        ImportError::Done => (StatusCode::CONFLICT, "import-done", "Already done"),
        ImportError::UnderWay => (StatusCode::CONFLICT, "import-under-way", "Already reading"),
        ImportError::Other => (StatusCode::CONFLICT, "other-report", "Another report"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "report-rejected", "Not a report"),
    };
    told(status, kind, title, error.to_string())
}
