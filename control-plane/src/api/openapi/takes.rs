//! What each argument of a handler means for a caller.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body as Stream;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde_json::json;

use super::Operation;
use super::operation::Takes;
use crate::api::input::{Asked, Body, IdInPath, IfMatch, IfMatchTag, LeakInPath, NameInPath};
use crate::api::intake::{Signed, Signs};
use crate::api::limits::Visitor;
use crate::api::peer::Peer;
use crate::app::App;
use crate::people::Caller;

/// Whoever has it asks the database.
impl Takes for State<Arc<App>> {
    fn describe(operation: &mut Operation<'_>) {
        for kind in ["internal", "database-locked", "database-busy", "database-unavailable"] {
            operation.problem(kind);
        }
    }
}

/// The table of rights says what it takes to be one.
impl Takes for Caller {
    fn describe(_: &mut Operation<'_>) {}
}

/// Those that matter are said by other arguments.
impl Takes for HeaderMap {
    fn describe(_: &mut Operation<'_>) {}
}

impl Takes for Visitor {
    fn describe(operation: &mut Operation<'_>) {
        operation.problem("rate-limited");
    }
}

impl<T: JsonSchema> Takes for Body<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json_body::<T>();
    }
}

impl Takes for Stream {
    fn describe(operation: &mut Operation<'_>) {
        operation.any_body("As it is.");
    }
}

impl<T: JsonSchema> Takes for Asked<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<T>();
    }
}

impl Takes for LeakInPath {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .path(&json!({"type": "string", "pattern": "^(LK-|lk-)?[0-9]{1,9}$", "example": "LK-7"}), "The leak: `LK-7` or `7`.");
    }
}

impl Takes for IdInPath {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .path(&json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": i64::MAX, "example": 1}), "Its `id`.");
    }
}

impl Takes for NameInPath {
    fn describe(operation: &mut Operation<'_>) {
        Path::<String>::describe(operation);
    }
}

impl Takes for Path<String> {
    fn describe(operation: &mut Operation<'_>) {
        operation.path(&json!({"type": "string", "pattern": "^[a-z0-9-]+$", "minLength": 1, "maxLength": 63}), "Its `name`.");
    }
}

impl Takes for Path<(String, String)> {
    fn describe(operation: &mut Operation<'_>) {
        Path::<String>::describe(operation);
        operation.path(
            &json!({"type": "string", "pattern": "^[0-9a-fA-F]{5}$"}),
            "The first five hexadecimal digits of the SHA-256 of a token.",
        );
    }
}

/// The handler says itself what is wrong with it.
impl<T: Takes, E> Takes for Result<T, E> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

/// Where the connection comes from.
impl Takes for Extension<Peer> {
    fn describe(operation: &mut Operation<'_>) {
        operation.problem("rate-limited");
    }
}

impl<Sender: Signs> Takes for Signed<Sender> {
    fn describe(operation: &mut Operation<'_>) {
        for name in Sender::HEADERS {
            operation.signature(name);
        }
    }
}

impl Takes for IfMatch {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameter_ref("if-match");
        operation.problem("malformed");
        operation.problem_with(412, "changed-meanwhile");
    }
}

impl Takes for IfMatchTag {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameter_ref("if-match-tag");
        operation.problem("malformed");
        operation.problem_with(412, "changed-meanwhile");
    }
}
