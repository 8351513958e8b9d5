//! What each answer of a handler means for a caller.

use axum::Json;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde_json::json;

use super::Operation;
use crate::api::output::{Accepted, Created, CreatedOrThere, File, Lines, Once, Opened, Redirect, SignedOut, Tagged};
use crate::api::problem::Problem;

/// What an answer means for a caller.
pub(crate) trait Tells {
    fn describe(operation: &mut Operation<'_>);
}

/// Problems are said by what a handler takes, and by the table of words.
impl<T: Tells> Tells for Result<T, Problem> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

impl<T: JsonSchema> Tells for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<T>(200, "OK");
    }
}

impl<T: JsonSchema> Tells for Created<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<T>(201, "Made.");
        operation.header(201, "Location");
    }
}

impl<T: JsonSchema> Tells for Accepted<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<T>(202, "It waits, or goes on.");
        operation.header(202, "Location");
    }
}

impl<T: JsonSchema> Tells for CreatedOrThere<T> {
    fn describe(operation: &mut Operation<'_>) {
        for (status, description) in [(200, "There was one like it already."), (201, "Made.")] {
            operation.json::<T>(status, description);
            operation.header(status, "Location");
        }
    }
}

impl<T: JsonSchema> Tells for Tagged<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<T>(200, "OK");
        operation.header(200, "ETag");
    }
}

impl<T: JsonSchema> Tells for Once<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<T>(200, "OK");
    }
}

impl<T: JsonSchema> Tells for Opened<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json::<T>(201, "Signed in: a session is open.");
        operation.header(201, "Set-Cookie");
    }
}

impl Tells for NoContent {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer(204, "Done.");
    }
}

impl Tells for SignedOut {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer(204, "Signed out.");
        operation.header(204, "Set-Cookie");
    }
}

impl Tells for Redirect {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer(303, "Sends the browser there.");
        operation.header(303, "Location");
        operation.header(303, "Set-Cookie");
    }
}

impl<T: JsonSchema> Tells for File<T> {
    fn describe(operation: &mut Operation<'_>) {
        let row = operation.row::<T>();
        operation.content(200, "A file.", "application/json", &json!({"type": "array", "items": row}));
        operation.content(200, "A file.", "text/csv", &json!({"type": "string"}));
    }
}

impl<T: JsonSchema> Tells for Lines<T> {
    fn describe(operation: &mut Operation<'_>) {
        // One row; there is no schema of lines.
        let row = operation.row::<T>();
        operation.content(200, "A file.", "application/x-ndjson", &json!({"type": "string", "contentSchema": row}));
        operation.content(200, "A file.", "text/csv", &json!({"type": "string"}));
    }
}

impl Tells for String {
    fn describe(operation: &mut Operation<'_>) {
        operation.content(200, "OK", "text/plain", &json!({"type": "string"}));
    }
}

impl Tells for &'static str {
    fn describe(operation: &mut Operation<'_>) {
        String::describe(operation);
    }
}
