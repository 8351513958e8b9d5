//! What is wrong when there is no index to ask.

use axum::http::StatusCode;

use super::{Told, told};

/// Why there is none.
#[derive(Clone, Copy, Debug)]
pub enum NoIndex {
    /// Without a filter module, nobody can ask it.
    NoModule,
    /// It failed its proof.
    Unproved,
}

impl NoIndex {
    pub(super) fn told(self) -> Told {
        match self {
            Self::NoModule => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "no-filter-module",
                "No filter module",
                "this server has no filter module to try requests with; its operator puts stopleak_filter.wasm beside the program, \
                 or names it with --filter, and starts it again",
            ),
            Self::Unproved => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "index-unproved",
                "Index not proved",
                "an index was built and failed its proof by the filter module, so that it is not published and cannot be asked; \
                 gateways keep the last good one; the server's log says why",
            ),
        }
    }
}
