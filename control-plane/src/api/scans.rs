//! `/api/v1/scans`

use axum::http::StatusCode;

pub(super) async fn start() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}

pub(super) async fn show() -> StatusCode {
    StatusCode::NOT_IMPLEMENTED
}
