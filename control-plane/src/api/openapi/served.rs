//! The document and the page that shows it, for everybody: they say what the code does, and nothing of what is stored.

use std::sync::LazyLock;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::operation::Operation;
use super::tells::Tells;

/// HTML.
pub(in crate::api) struct Html(&'static str);
/// A script.
pub(in crate::api) struct Script(&'static str);
/// A style sheet.
pub(in crate::api) struct Style(&'static str);
/// The document.
pub(in crate::api) struct Document(&'static str);

static TEXT: LazyLock<String> = LazyLock::new(super::text);

/// The page runs its own script and asks this server; nothing else, and nobody shows it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
/// Of everything here.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

pub(in crate::api) async fn page() -> Html {
    Html(include_str!("page/page.html"))
}

pub(in crate::api) async fn script() -> Script {
    Script(include_str!("page/page.js"))
}

pub(in crate::api) async fn style() -> Style {
    Style(include_str!("page/page.css"))
}

pub(in crate::api) async fn json() -> Document {
    Document(TEXT.as_str())
}

macro_rules! served {
    ($($kind:ident $media_type:literal;)*) => {$(
        impl IntoResponse for $kind {
            fn into_response(self) -> Response {
                let kind = [(header::CONTENT_TYPE, concat!($media_type, "; charset=utf-8"))];
                (HEADERS, kind, self.0).into_response()
            }
        }

        impl Tells for $kind {
            fn describe(operation: &mut Operation<'_>) {
                operation.content(200, "OK", $media_type, &json!({}));
            }
        }
    )*};
}

served! {
    Html "text/html";
    Script "text/javascript";
    Style "text/css";
    Document "application/json";
}
