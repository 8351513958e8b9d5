//! Scripts and styles, as they lie in this program: packed when it was built. What they are called changes with what is in them.

use std::io::Read as _;

use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use flate2::read::GzDecoder;

use crate::api::problem::{Answer, Problem};

/// One file.
pub(super) struct Asset {
    pub(super) url: &'static str,
    extension: &'static str,
    packed: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// A year: another content has another name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(crate) async fn show(Path(name): Path<String>, headers: HeaderMap) -> Answer<Response> {
    let asset = ALL.iter().find(|asset| asset.url.strip_prefix("/assets/") == Some(name.as_str()));
    let asset = asset.ok_or(Problem::NotFound { what: "file" })?;
    let kind = match asset.extension {
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => "text/javascript; charset=utf-8",
    };
    let kept = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::VARY, "accept-encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.split(',').any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip") {
        return Ok((kept, [(header::CONTENT_ENCODING, "gzip")], asset.packed).into_response());
    }
    let mut text = Vec::new();
    GzDecoder::new(asset.packed).read_to_end(&mut text).map_err(|error| Problem::Internal(error.into()))?;
    Ok((kept, text).into_response())
}
