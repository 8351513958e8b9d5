//! `/api/v1/sources`

use axum::http::StatusCode;

pub(super) async fn add() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}

pub(super) async fn list() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}
