//! A page as it is sent.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;

/// 200 with a page.
pub(crate) struct Page<T>(pub(super) T);

/// Another status, and a page all the same.
pub(crate) struct With<T>(pub(super) StatusCode, pub(super) T);

/// A page that runs a module of ours.
pub(crate) struct Computing<T>(pub(super) StatusCode, pub(super) T);

/// Scripts, styles and pictures of this server, and forms that lead to it; `connect-src` is for the scripts' requests and the live updates.
/// Nothing inline, nothing of others, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The same, and a module may be compiled. It says nothing of scripts: those are never made of texts.
const COMPUTING: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                         form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A page holds what only its reader may see: it is kept nowhere, and nobody is told its address.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        With(StatusCode::OK, self.0).into_response()
    }
}

impl<T: Template> IntoResponse for With<T> {
    fn into_response(self) -> Response {
        match self.1.render() {
            Ok(html) => (self.0, HEADERS, html).into_response(),
            Err(error) => Problem::Internal(error.into()).into_response(),
        }
    }
}

impl<T: Template> IntoResponse for Computing<T> {
    fn into_response(self) -> Response {
        let mut response = With(self.0, self.1).into_response();
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(COMPUTING));
        response
    }
}
