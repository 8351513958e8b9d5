//! What handlers answer with. Each kind of answer says by its type what it is, so that the [document](super::openapi) says what the
//! code does.

use std::marker::PhantomData;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Digits of a tag: 64 bits, for a few versions of one object.
const TAG: usize = 16;

/// 201: something was made.
pub struct Created<T> {
    body: T,
    location: Option<String>,
    is_secret: bool,
}

/// 202: something waits, or goes on.
pub struct Accepted<T> {
    body: T,
    location: Option<String>,
}

/// 201 when something was made, 200 when there was one like it already.
pub struct CreatedOrThere<T> {
    /// What is there now.
    pub body: T,
    /// Where.
    pub location: String,
    /// Whether it was made now.
    pub is_new: bool,
}

/// 200 with the `ETag` of what is shown.
pub struct Tagged<T> {
    /// What is shown.
    pub body: T,
    /// Its version, or what [`tag`] makes of it.
    pub etag: String,
}

/// 200 with a secret that no other answer holds: nobody on the way may keep it.
pub struct Once<T>(pub T);

/// 201 with a session's cookie.
pub struct Opened<T> {
    /// Who has the session.
    pub body: T,
    /// The session.
    pub cookie: HeaderValue,
}

/// 204; the browser forgets its cookie.
pub struct SignedOut(pub HeaderValue);

/// 303 to another page.
pub struct Redirect(pub Response);

/// 200 with a file that is written while it is read: rows of `T`, in the format that was asked for.
pub struct File<T> {
    response: Response,
    rows: PhantomData<T>,
}

/// The same, with a line for each row.
pub struct Lines<T> {
    response: Response,
    rows: PhantomData<T>,
}

impl<T> Created<T> {
    /// Without a page of its own.
    pub fn new(body: T) -> Self {
        Self { body, location: None, is_secret: false }
    }

    /// To be found there.
    pub fn at(location: String, body: T) -> Self {
        Self { body, location: Some(location), is_secret: false }
    }

    /// What was made.
    pub fn into_body(self) -> T {
        self.body
    }

    /// The only answer that ever holds the secret: nobody on the way may keep it.
    #[must_use]
    pub fn once(self) -> Self {
        Self { is_secret: true, ..self }
    }
}

impl<T> Accepted<T> {
    /// Goes on.
    pub fn new(body: T) -> Self {
        Self { body, location: None }
    }

    /// To be followed there.
    pub fn at(location: String, body: T) -> Self {
        Self { body, location: Some(location) }
    }
}

impl<T> Accepted<T> {
    /// What waits.
    pub fn into_body(self) -> T {
        self.body
    }
}

impl<T> File<T> {
    /// With its headers.
    pub fn new(response: Response) -> Self {
        Self { response, rows: PhantomData }
    }
}

impl<T> Lines<T> {
    /// With its headers.
    pub fn new(response: Response) -> Self {
        Self { response, rows: PhantomData }
    }
}

impl<T: Serialize> Tagged<T> {
    /// With a tag of all that is shown.
    pub fn new(body: T) -> Self {
        Self { etag: tag(&body), body }
    }
}

/// Another one for whatever else is shown.
pub fn tag(shown: &impl Serialize) -> String {
    // What the API answers with can always be written as JSON.
    let text = serde_json::to_vec(shown).unwrap_or_default();
    blake3::hash(&text).to_hex()[..TAG].to_owned()
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = located(StatusCode::CREATED, self.location, self.body);
        if self.is_secret {
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        located(StatusCode::ACCEPTED, self.location, self.body)
    }
}

impl<T: Serialize> IntoResponse for CreatedOrThere<T> {
    fn into_response(self) -> Response {
        located(if self.is_new { StatusCode::CREATED } else { StatusCode::OK }, Some(self.location), self.body)
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, format!("\"{}\"", self.etag))], Json(self.body)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Once<T> {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Opened<T> {
    fn into_response(self) -> Response {
        let headers = [(header::SET_COOKIE, self.cookie), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (StatusCode::CREATED, headers, Json(self.body)).into_response()
    }
}

impl IntoResponse for SignedOut {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(header::SET_COOKIE, self.0)]).into_response()
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T> IntoResponse for File<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<T> IntoResponse for Lines<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

fn located<T: Serialize>(status: StatusCode, location: Option<String>, body: T) -> Response {
    let location = location.map(|location| [(header::LOCATION, location)]);
    match location {
        Some(location) => (status, location, Json(body)).into_response(),
        None => (status, Json(body)).into_response(),
    }
}
