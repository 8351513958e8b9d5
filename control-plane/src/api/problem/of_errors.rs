//! What other modules call an error, as a problem.

use axum::http::StatusCode;
use serde_json::json;

use super::{Problem, Told, told};
use crate::imports::ImportError;
use crate::intake::IntakeError;
use crate::leaks::{AddError, RecordError, SettleError};
use crate::responses::ChooseError;

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error)
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::NoSuchImport => Self::NotFound { what: "import" },
            ImportError::Store(error) => Self::Store(error),
            ImportError::Defect => Self::Internal(error.into()),
            error => Self::Import(error),
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::NotGenuine(reason) => Self::NotGenuine(reason),
            IntakeError::NoKeys => Self::NoKeys,
            IntakeError::Report(error) => Self::Import(error.into()),
            IntakeError::Store(error) => Self::Store(error),
            IntakeError::Defect => Self::Internal(error.into()),
        }
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::AlreadyLeaked { position, known } => Self::TokenAlreadyLeaked { position, known },
            AddError::Store(error) => Self::Store(error),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::NoSuchLeak => Self::NotFound { what: "leak" },
            RecordError::Refused(refusal, current) => Self::Refused(refusal, current),
            RecordError::Changed(current) => Self::Changed { current, precondition: false },
            RecordError::Store(error) => Self::Store(error),
        }
    }
}

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::NoSuch => Self::NotFound { what: "pending decision" },
            SettleError::Settled(status) => Self::Settled { status },
            SettleError::SamePerson => Self::SamePerson,
            SettleError::Record(error) => error.into(),
            SettleError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ChooseError> for Problem {
    fn from(error: ChooseError) -> Self {
        match error {
            ChooseError::Changed(version) => Self::SettingChanged(version),
            ChooseError::Store(error) => Self::Store(error),
        }
    }
}

pub(super) fn setting_changed(version: i64) -> Told {
    let detail = "somebody else has changed the setting since you saw it; look at it again, then change it";
    told(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "Changed meanwhile", detail).with("version", json!(version))
}
