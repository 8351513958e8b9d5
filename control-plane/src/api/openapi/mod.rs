//! The document of the API, in OpenAPI 3.1: made of the table of rights and of the types that handlers take and answer with.
//!
//! Nothing says twice what the code says already. [`describe`] asks a handler for its types, [`takes`] and [`tells`] say what each
//! type means for a caller, [`schemas`] turns bodies into JSON Schema, and [`words`] has what no type can say: what an operation is
//! for, and which problems it has of its own. `docs/openapi.json` is this document; a test fails when it is old.

mod operation;
mod schemas;
mod takes;
mod tells;
mod words;
mod served;

pub(super) use operation::Operation;
pub(super) use served::{json, page, script, style};
pub(super) use tells::Tells;

use serde_json::{Map, Value, json};

use self::operation::Takes;
use self::schemas::Schemas;
use super::problem::KINDS;
use super::rights::{Right, Route, routes};
use crate::people::Role;

/// Longest value that stands on one line.
const LINE: usize = 110;

/// What a handler takes and answers with.
pub(super) type Describe = fn(&mut Operation<'_>);

/// A handler, as `axum` calls it.
pub(super) trait Handler<Args> {
    fn describe(operation: &mut Operation<'_>);
}

/// The description of a handler. `axum` calls it with what `Args` are made of the request.
pub(super) fn describe<Args, H: Handler<Args>>(_: &H) -> Describe {
    H::describe
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for route in routes() {
        let tag = tag(route.path);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation(&route, tag, &mut schemas);
    }
    let answers = std::mem::take(&mut schemas.problems);
    let mut components = schemas.finish();
    components.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Stopleak",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Finds leaked API tokens and makes every gateway refuse them.",
            "description": words::INTRODUCTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": tags.iter().map(|tag| json!({"name": tag})).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": answers,
            "parameters": operation::shared_parameters(),
            "headers": operation::shared_headers(),
            "securitySchemes": {
                "apiToken": {"type": "http", "scheme": "bearer", "bearerFormat": "slk_…", "description": words::API_TOKEN},
                "session": {"type": "apiKey", "in": "cookie", "name": "stopleak", "description": words::SESSION},
            },
        },
    })
}

/// The document as it is checked in and served: what fits on a line stands on one, so that people can read what has changed.
#[must_use]
pub fn text() -> String {
    let mut text = String::new();
    write(&document(), "\n", &mut text);
    text + "\n"
}

fn write(value: &Value, line_end: &str, text: &mut String) {
    let short = value.to_string();
    let (brackets, members): (_, Vec<(String, &Value)>) = match value {
        Value::Object(members) if short.len() > LINE => {
            ("{}", members.iter().map(|(name, value)| (format!("{}: ", json!(name)), value)).collect())
        }
        Value::Array(items) if short.len() > LINE => ("[]", items.iter().map(|item| (String::new(), item)).collect()),
        _ => return text.push_str(&short),
    };
    let inner = format!("{line_end}  ");
    text.push_str(&brackets[..1]);
    for (place, (name, value)) in members.into_iter().enumerate() {
        text.push_str(if place > 0 { "," } else { "" });
        text.push_str(&inner);
        text.push_str(&name);
        write(value, &inner, text);
    }
    text.push_str(line_end);
    text.push_str(&brackets[1..]);
}

fn operation(route: &Route, tag: &str, schemas: &mut Schemas) -> Value {
    let mut operation = Operation::new(route.path, schemas);
    let is_known = !matches!(route.right, Right::Open | Right::Signed);
    if is_known {
        operation.is_for_the_known(&route.method, route.right.roles().len() == Role::ALL.len());
    }
    (route.describe)(&mut operation);
    let words = words::of(&route.method, route.path);
    for kind in words.problems {
        operation.problem(kind);
    }
    let mut described = operation.finish();
    described.insert("operationId".to_owned(), json!(route.name.replace("::", ".")));
    described.insert("summary".to_owned(), json!(words.summary));
    described.insert("tags".to_owned(), json!([tag]));
    described.insert("x-right".to_owned(), json!(format!("{:?}", route.right).to_lowercase()));
    if is_known {
        let roles: Vec<_> = route.right.roles().iter().map(|role| role.as_str()).collect();
        described.insert("x-roles".to_owned(), json!(roles));
        described.insert("security".to_owned(), json!([{"apiToken": []}, {"session": []}]));
    } else {
        described.insert("security".to_owned(), json!([]));
    }
    Value::Object(described)
}

/// The noun of a path; what has no place below `/api/v1` is together.
fn tag(path: &'static str) -> &'static str {
    path.strip_prefix("/api/v1/").map_or("server", |path| path.split('/').next().unwrap_or(path))
}

/// RFC 9457, with the members that some problems have.
fn problem() -> Value {
    let kinds: Vec<String> = KINDS.iter().flat_map(|(_, kinds)| *kinds).map(|kind| problem_type(kind)).collect();
    let mut types = kinds.clone();
    types.sort_unstable();
    types.dedup();
    json!({
        "type": "object",
        "description": "What is wrong (RFC 9457). A `type` never changes its meaning; some have further members.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "enum": types},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What to do. It repeats no value that may be a token."},
            "field": {"type": "string", "description": "Of `invalid`: where the value is."},
            "roles": {"type": "array", "items": {"type": "string"}, "description": "Of `forbidden`: the roles that may."},
            "position": {"type": "integer", "description": "Of a token in the request, from 1."},
            "leak": {"type": "string", "description": "Of `token-already-leaked`: whose the token is."},
            "current": {"type": "object", "description": "How the leak stands, for whoever has to decide anew."},
        },
    })
}

fn problem_type(kind: &str) -> String {
    format!("urn:stopleak:problem:{kind}")
}

macro_rules! handlers {
    ($(($($argument:ident),*))*) => {$(
        impl<Function, Answering, Answer, $($argument),*> Handler<($($argument,)*)> for Function
        where
            Function: Fn($($argument),*) -> Answering,
            Answering: Future<Output = Answer>,
            Answer: Tells,
            $($argument: Takes,)*
        {
            fn describe(operation: &mut Operation<'_>) {
                $($argument::describe(operation);)*
                Answer::describe(operation);
            }
        }
    )*};
}

handlers! {
    ()
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
}

#[cfg(test)]
mod tests;
