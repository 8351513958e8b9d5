//! One operation while it is described.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::problem_type;
use super::schemas::Schemas;
use crate::api::problem::KINDS;

/// What a handler's argument means for a caller.
pub(crate) trait Takes {
    fn describe(operation: &mut Operation<'_>);
}

/// What is known of it so far.
pub(crate) struct Operation<'s> {
    schemas: &'s mut Schemas,
    /// Names in the path that no argument has taken yet.
    in_path: Vec<&'static str>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Map<String, Value>>,
    problems: BTreeMap<u16, BTreeSet<&'static str>>,
    /// Whether answers tell what is left of the caller's quota.
    is_limited: bool,
    /// Whether answers may be those of an earlier request.
    is_once: bool,
}

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
/// What becomes of a key that comes again.
const REPEATS: [&str; 6] = [
    "malformed",
    "too-large",
    "idempotency-key-reused",
    "idempotent-request-under-way",
    "idempotent-request-done",
    "idempotent-request-unknown",
];

impl<'s> Operation<'s> {
    pub(super) fn new(path: &'static str, schemas: &'s mut Schemas) -> Self {
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let (parameters, answers, problems) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { schemas, in_path, parameters, body: None, answers, problems, is_limited: false, is_once: false }
    }

    /// What is not open to all.
    pub(super) fn is_for_the_known(&mut self, method: &Method, is_for_all_roles: bool) {
        self.is_limited = true;
        self.parameter_ref("tenant");
        // The last: a tenant that is not there, or none of the caller's.
        for kind in ["unauthenticated", "rate-limited", "not-found"] {
            self.problem(kind);
        }
        if !is_for_all_roles {
            self.problem("forbidden");
        }
        if !method.is_safe() {
            self.problem("cross-site");
        }
        if method == Method::POST {
            self.is_once = true;
            self.parameter_ref("idempotency-key");
            for kind in REPEATS {
                self.problem(kind);
            }
        }
    }

    /// A problem of the status that it usually has.
    pub(super) fn problem(&mut self, kind: &'static str) {
        let row = KINDS.iter().find(|(_, kinds)| kinds.contains(&kind));
        debug_assert!(row.is_some(), "{kind} is in no row of KINDS");
        if let Some((status, _)) = row {
            self.problem_with(*status, kind);
        }
    }

    /// A problem of this status.
    pub(super) fn problem_with(&mut self, status: u16, kind: &'static str) {
        self.problems.entry(status).or_default().insert(kind);
    }

    /// The next name in the path.
    pub(super) fn path(&mut self, schema: &Value, description: &str) {
        if self.in_path.is_empty() {
            return;
        }
        let name = self.in_path.remove(0);
        self.problem("not-found");
        self.parameters.push(json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema}));
    }

    /// The query.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        for kind in ["malformed", "invalid"] {
            self.problem(kind);
        }
        let parameters = self.schemas.query::<T>();
        self.parameters.extend(parameters);
    }

    /// One of [`shared_parameters`].
    pub(super) fn parameter_ref(&mut self, name: &str) {
        self.parameters.push(Value::Object(reference("parameters", name)));
    }

    /// A header by which a request is let in.
    pub(super) fn signature(&mut self, name: &str) {
        self.problem("signature-rejected");
        let description = "A part of the signature, over the body as it is sent.";
        let schema = json!({"type": "string"});
        self.parameters
            .push(json!({"name": name, "in": "header", "required": true, "description": description, "schema": schema}));
    }

    /// A body of JSON.
    pub(super) fn json_body<T: JsonSchema>(&mut self) {
        for kind in ["malformed", "too-large", "not-json", "invalid"] {
            self.problem(kind);
        }
        let schema = self.schemas.asked::<T>();
        self.body = Some(json!({"required": true, "content": {JSON: {"schema": schema}}}));
    }

    /// A body of any kind and length.
    pub(super) fn any_body(&mut self, description: &str) {
        self.body =
            Some(json!({"required": true, "description": description, "content": {"application/octet-stream": {"schema": {}}}}));
    }

    /// An answer of JSON.
    pub(in crate::api) fn json<T: JsonSchema>(&mut self, status: u16, description: &str) {
        let schema = self.schemas.told::<T>();
        self.content(status, description, JSON, &schema);
    }

    /// An answer of another kind.
    pub(in crate::api) fn content(&mut self, status: u16, description: &str, media_type: &str, schema: &Value) {
        let answer = self.answer(status, description);
        let content = answer.entry("content").or_insert_with(|| json!({}));
        content[media_type] = json!({"schema": schema});
    }

    /// A schema for [`Self::content`].
    pub(super) fn row<T: JsonSchema>(&mut self) -> Value {
        self.schemas.told::<T>()
    }

    /// An answer without a body, or the beginning of one.
    pub(super) fn answer(&mut self, status: u16, description: &str) -> &mut Map<String, Value> {
        let answer = self.answers.entry(status).or_default();
        answer.insert("description".to_owned(), json!(description));
        answer
    }

    /// A header that an answer of this status has.
    pub(super) fn header(&mut self, status: u16, name: &str) {
        let headers = self.answers.entry(status).or_default().entry("headers").or_insert_with(|| json!({}));
        headers[name] = Value::Object(reference("headers", name));
    }

    pub(super) fn finish(mut self) -> Map<String, Value> {
        let of_all =
            [(self.is_limited, "RateLimit"), (self.is_limited, "RateLimit-Policy"), (self.is_once, "Idempotency-Replayed")];
        for status in self.answers.keys().copied().collect::<Vec<_>>() {
            for (_, name) in of_all.iter().filter(|(has, _)| *has) {
                self.header(status, name);
            }
        }
        for (status, kinds) in std::mem::take(&mut self.problems) {
            let list = kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
            let types: Vec<String> = kinds.iter().map(|kind| problem_type(kind)).collect();
            let narrowed = json!({"properties": {"type": {"enum": types}, "status": {"const": status}}});
            let schema = json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]});
            self.content(status, &list, PROBLEM, &schema);
            match status {
                401 => self.header(status, "WWW-Authenticate"),
                429 | 503 => self.header(status, "Retry-After"),
                _ => {}
            }
            // Few of them are of one operation alone.
            let name = format!("{status}-{}", kinds.into_iter().collect::<Vec<_>>().join("-"));
            if let Some(answer) = self.answers.insert(status, reference("responses", &name)) {
                self.schemas.problems.insert(name, Value::Object(answer));
            }
        }
        let answers = self.answers.into_iter().map(|(status, answer)| (status.to_string(), Value::Object(answer)));
        let mut described = Map::new();
        described.insert("responses".to_owned(), Value::Object(answers.collect()));
        if !self.parameters.is_empty() {
            described.insert("parameters".to_owned(), Value::Array(self.parameters));
        }
        if let Some(body) = self.body {
            described.insert("requestBody".to_owned(), body);
        }
        described
    }
}

fn reference(kind: &str, name: &str) -> Map<String, Value> {
    Map::from_iter([("$ref".to_owned(), json!(format!("#/components/{kind}/{name}")))])
}

/// Headers that many operations take.
pub(super) fn shared_parameters() -> Value {
    let header = |name: &str, description: &str, schema: &Value| json!({"name": name, "in": "header", "description": description, "schema": schema});
    json!({
        "tenant": header(
            crate::api::TENANT_HEADER,
            "Of a global role: which tenant the request is about; `default` when absent. Others have no choice.",
            &json!({"type": "string", "pattern": "^[a-z0-9-]+$", "minLength": 1, "maxLength": 63}),
        ),
        "idempotency-key": header(
            "Idempotency-Key",
            "Of a request that is to be carried out once, however often it is sent: a new one for each new request, such as a UUID.",
            &json!({"type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255}),
        ),
        "if-match": header(
            "If-Match",
            "The `ETag` of what the caller has seen: when it has changed since, nothing is done (412 `changed-meanwhile`).",
            &json!({"type": "string", "pattern": "^(\\*|\"[0-9]{1,18}\")$", "minLength": 1}),
        ),
        "if-match-tag": header(
            "If-Match",
            "The `ETag` of what the caller has seen: when it has changed since, nothing is done (412 `changed-meanwhile`).",
            &json!({"type": "string", "pattern": "^(\\*|\"[0-9a-f]{16}\")$", "minLength": 1}),
        ),
    })
}

/// Headers that many answers have.
pub(super) fn shared_headers() -> Value {
    let header = |description: &str, schema: &Value| json!({"description": description, "schema": schema});
    let text = json!({"type": "string"});
    json!({
        "ETag": header("The version of what is shown, for `If-Match`.", &json!({"type": "string", "pattern": "^\"[0-9a-f]+\"$"})),
        "Idempotency-Replayed": header("The answer is that of the first request with this key.", &json!({"type": "string", "const": "true"})),
        "Location": header("Where it is to be found.", &json!({"type": "string", "format": "uri-reference"})),
        "RateLimit": header("What is left of the caller's quota, as in the IETF's draft `httpapi-ratelimit-headers`.", &text),
        "RateLimit-Policy": header("The caller's quota.", &text),
        "Retry-After": header("Seconds to wait before the next try.", &json!({"type": "integer", "minimum": 0})),
        "WWW-Authenticate": header("How to say who calls.", &text),
        "Set-Cookie": header("The session's cookie, or its end.", &text),
    })
}
