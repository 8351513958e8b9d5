//! Everything that can be wrong with a request, and how it is told (RFC 9457).

mod kinds;
mod of_errors;
mod of_index;
mod of_leaks;
mod of_intake;
mod of_people;
mod of_repeats;
mod shown;

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub use self::kinds::KINDS;
use self::of_errors::setting_changed;
pub use self::of_index::NoIndex;
pub use self::of_repeats::Repeat;
pub(crate) use self::shown::Shown;
use crate::imports::ImportError;
use crate::intake::NotGenuine;
use crate::leaks::{Current, Known, RecordError, Refusal};
use crate::people::Role;
use crate::people::limits::Left;
use crate::store::{Trouble, trouble};

/// What is wrong. The detail is for the caller and never repeats a value that was sent.
#[derive(Debug)]
pub enum Problem {
    /// No route has this path.
    NoSuchRoute,
    /// The path has other methods.
    MethodNotAllowed,
    /// No token, or one that is not in force.
    Unauthenticated(String),
    /// The caller's role does not allow it.
    Forbidden {
        /// Which roles would.
        roles: &'static [Role],
    },
    /// No such object in the caller's tenant.
    NotFound {
        /// The noun.
        what: &'static str,
    },
    /// The body is not declared as JSON.
    NotJson,
    /// The body is longer than the limit.
    TooLarge,
    /// The body or the query is not of the expected shape.
    Malformed(String),
    /// A value makes no sense.
    Invalid {
        /// Where it is, such as `title`.
        field: &'static str,
        /// What to do.
        detail: String,
    },
    /// A token that cannot be taken.
    TokenRejected {
        /// Which of the tokens, counted from 1.
        position: usize,
        /// Why.
        reason: String,
    },
    /// A token belongs to one leak.
    TokenAlreadyLeaked {
        /// Which of the tokens, counted from 1.
        position: usize,
        /// Whose it is.
        known: Known,
    },
    /// The leak does not stand where the decision starts.
    Refused(Refusal, Box<Current>),
    /// A setting has this version by now, and not the one that the caller has seen.
    SettingChanged(i64),
    /// Somebody else changed the leak meanwhile.
    Changed {
        /// How it stands now.
        current: Box<Current>,
        /// Whether the caller made the version a precondition of HTTP's.
        precondition: bool,
    },
    /// Somebody else changed the object since the version that the caller has seen.
    Stale,
    /// A pending decision does not wait for this.
    Settled {
        /// What became of it.
        status: String,
    },
    /// Two administrators are two people.
    SamePerson,
    /// Something of this name is there already.
    NameTaken {
        /// The noun.
        what: &'static str,
    },
    /// Name or password is wrong.
    SignInFailed,
    /// Too many wrong passwords.
    LockedOut {
        /// Until the next try.
        wait: Duration,
    },
    /// Too many requests.
    RateLimited {
        /// What is left.
        left: Left,
    },
    /// The provider of single sign-on is down or lies.
    ProviderFailed {
        /// How.
        detail: String,
    },
    /// The provider of single sign-on has not vouched for somebody whom we know.
    SsoRefused {
        /// Why, and what to do.
        detail: String,
    },
    /// A request with a session's cookie that no page of ours made.
    CrossSite,
    /// Nobody removes or demotes themselves.
    OwnAccount,
    /// Somebody has to stay who can manage the others.
    LastAdministrator {
        /// Of whom there is no other.
        role: Role,
    },
    /// The tenant's API Leaks module is off.
    ModuleOff,
    /// A scan of the source has not ended yet.
    ScanUnderWay {
        /// That scan.
        scan: i64,
    },
    /// Only a dead delivery is sent again by hand.
    NotDead,
    /// A report was not read to its end.
    Import(ImportError),
    /// A delivery is not known to come from who it says.
    NotGenuine(NotGenuine),
    /// What a delivery could be verified by cannot be had.
    NoKeys,
    /// There is no index to ask.
    NoIndex(NoIndex),
    /// The request's `Idempotency-Key` was used before.
    Repeat(Repeat),
    /// As many requests of this kind are under way as there may be.
    Busy {
        /// What they do.
        what: &'static str,
    },
    /// The database did not do it.
    Store(sqlx::Error),
    /// A defect, or the system's fault.
    Internal(anyhow::Error),
}

/// How a problem is told.
struct Told {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<u64>,
}

/// Beside an answer: the database broke off, and nobody knows whether it was before or after the commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct BrokeOff;

/// A result whose error is told to the caller.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    fn told(&self) -> Told {
        match self {
            Self::NoSuchRoute => told(StatusCode::NOT_FOUND, "no-such-route", "No such route", "the API lives under /api/v1"),
            Self::MethodNotAllowed => told(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "the path exists, but not with this method; the Allow header names those it has",
            ),
            Self::Unauthenticated(detail) => told(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first", detail.as_str()),
            Self::Forbidden { roles } => of_people::forbidden(roles),
            Self::NotFound { what } => told(
                StatusCode::NOT_FOUND,
                "not-found",
                "Not found",
                format!("there is no such {what}; list them to see which there are"),
            ),
            Self::NotJson => told(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "JSON is expected",
                "send the body as JSON, with the header content-type: application/json",
            ),
            Self::TooLarge => told(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "Body too large",
                format!("a body may have {} bytes; send what is in it in several requests", super::MAX_BODY),
            ),
            Self::Malformed(detail) => told(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail.as_str()),
            Self::Invalid { field, detail } => {
                told(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid value", format!("{field}: {detail}"))
                    .with("field", json!(field))
            }
            Self::TokenRejected { position, reason } => told(
                StatusCode::UNPROCESSABLE_ENTITY,
                "token-rejected",
                "Token rejected",
                format!("token {position} of the request cannot be taken: {reason}; nothing was added"),
            )
            .with("position", json!(position)),
            Self::TokenAlreadyLeaked { position, known } => of_leaks::already_leaked(*position, known),
            Self::Refused(refusal, current) => of_leaks::refused(refusal, current),
            Self::Changed { .. } | Self::Settled { .. } | Self::SamePerson => of_leaks::told_of(self),
            Self::SettingChanged(version) => setting_changed(*version),
            Self::Stale => told(
                StatusCode::PRECONDITION_FAILED,
                "changed-meanwhile",
                "Changed meanwhile",
                "somebody else has changed it since you saw it; look at it again, then change it",
            ),
            Self::NameTaken { what } => told(
                StatusCode::CONFLICT,
                "name-taken",
                "Already there",
                format!("there is a {what} of this name already; choose another name"),
            ),
            Self::SignInFailed
            | Self::LockedOut { .. }
            | Self::RateLimited { .. }
            | Self::ProviderFailed { .. }
            | Self::SsoRefused { .. }
            | Self::CrossSite
            | Self::OwnAccount
            | Self::LastAdministrator { .. } => of_people::told_of(self),
            Self::ModuleOff => told(
                StatusCode::CONFLICT,
                "module-off",
                "Module off",
                "the tenant's API Leaks module is off: nothing is scanned or pushed; a global administrator switches it on",
            ),
            Self::ScanUnderWay { scan } => told(
                StatusCode::CONFLICT,
                "scan-under-way",
                "Already scanning",
                format!("scan {scan} of this source has not ended yet; follow it at /api/v1/scans/{scan}"),
            )
            .with("scan", json!(scan)),
            Self::NotDead => told(
                StatusCode::CONFLICT,
                "not-dead",
                "Not dead",
                "only a dead delivery can be sent again, and a test cannot: test the channel once more",
            ),
            Self::Import(_) | Self::NotGenuine(_) | Self::NoKeys => of_intake::told_of(self),
            Self::Busy { what } => busy(what),
            Self::NoIndex(missing) => missing.told(),
            Self::Repeat(repeat) => repeat.told(),
            Self::Store(error) => store(error),
            Self::Internal(_) => internal(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let told = self.told();
        debug_assert!(kinds::has(told.status, told.kind), "{} {} is not in KINDS", told.status, told.kind);
        match &self {
            Self::Store(error) if trouble(error) != Trouble::Text => {
                tracing::error!(%error, kind = told.kind, "a request failed");
            }
            Self::Internal(error) => tracing::error!(error = format!("{error:#}"), "a request failed"),
            _ => tracing::debug!(kind = told.kind, "a request was refused"),
        }
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("urn:stopleak:problem:{}", told.kind)));
        body.insert("title".to_owned(), json!(told.title));
        body.insert("status".to_owned(), json!(told.status.as_u16()));
        body.insert("detail".to_owned(), json!(&told.detail));
        body.extend(told.members);
        let mut response = (told.status, Value::Object(body).to_string()).into_response();
        response.extensions_mut().insert(Shown::of(told.status, told.kind, told.title, told.detail));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if told.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stopleak\""));
        }
        let broke_off = matches!(&self, Self::Store(error) if trouble(error) == Trouble::Unavailable);
        let busy = (told.status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        if let Some(seconds) = told.retry_after.or(busy) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if broke_off {
            response.extensions_mut().insert(BrokeOff);
        }
        response
    }
}

impl Problem {
    /// Of a caller who may have said in `If-Match` what they have seen.
    pub(super) fn record(error: RecordError, precondition: bool) -> Self {
        match error {
            RecordError::Changed(current) => Self::Changed { current, precondition },
            error => error.into(),
        }
    }
}

impl Told {
    fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(seconds(wait)), ..self }
    }

    fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }
}

/// Rounded up: a client that comes exactly then is let in.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn told(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Told {
    Told { status, kind, title, detail: detail.into(), members: Map::new(), retry_after: None }
}

fn busy(what: &str) -> Told {
    let detail = format!("{what} already, as many as go at once; send the request again when one has ended");
    told(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", detail)
}

fn store(error: &sqlx::Error) -> Told {
    match trouble(error) {
        Trouble::Locked => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "database-locked",
            "Database locked",
            "another process holds the lock on the database; end that process or wait, then send the request again; nothing was changed",
        ),
        Trouble::Busy => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "database-busy",
            "Database busy",
            "more is being written than the database takes at the moment; send the request again; nothing was changed; \
             if this goes on, a gateway that reports very many attempts may be why: GET /api/v1/gateways",
        ),
        Trouble::Unavailable => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "database-unavailable",
            "Database unavailable",
            "the database cannot be used: look for a full or read-only disk, or a server that does not answer, then send the request again; \
             gateways go on with the last index",
        ),
        Trouble::Text => told(
            StatusCode::BAD_REQUEST,
            "malformed",
            "Malformed request",
            "a text has a zero byte (\\u0000 in JSON, %00 in an address), which the database cannot store; take it out",
        ),
        Trouble::Defect => internal(),
    }
}

fn internal() -> Told {
    told(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Internal error",
        "the request could not be carried out; the server's log says why",
    )
}
