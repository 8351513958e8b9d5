//! What forms send and queries say: names and texts. What was left empty was not said.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use form_urlencoded::{Serializer, parse};
use serde::de::DeserializeOwned;

use crate::api::input::all_of_it;
use crate::api::problem::Problem;

/// Names and texts, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(String, String)>);

const FORM: &str = "application/x-www-form-urlencoded";

impl Pairs {
    /// Reads a form's body or a query.
    pub(crate) fn of(encoded: &[u8]) -> Self {
        let said = parse(encoded).filter(|(_, text)| !text.is_empty());
        Self(said.map(|(name, text)| (name.into_owned(), text.into_owned())).collect())
    }

    /// The first text of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first text of that name; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether the name has this text.
    pub(crate) fn has(&self, name: &str, text: &str) -> bool {
        self.all(name).any(|found| found == text)
    }

    /// Every text of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, text)| text.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| wanted(name));
    }

    /// The same with another text.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, as they come")]
    pub(crate) fn with(&self, name: &str, text: impl ToString) -> Self {
        let mut pairs = self.without(name);
        pairs.0.push((name.to_owned(), text.to_string()));
        pairs
    }

    /// The same without that name.
    #[must_use]
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut pairs = self.clone();
        pairs.retain(|found| found != name);
        pairs
    }

    /// The same and others behind it.
    #[must_use]
    pub(crate) fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// Only these names.
    #[must_use]
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let mut pairs = self.clone();
        pairs.retain(|name| names.contains(&name));
        pairs
    }

    /// What the API would make of it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let uri: Uri = format!("/?{self}").parse().map_err(|_| Problem::Malformed("the query is too long".to_owned()))?;
        let read = Query::try_from_uri(&uri).map(|Query(read)| read);
        read.map_err(|_| Problem::Malformed("the query has something that this page does not know".to_owned()))
    }
}

/// As in a URL.
impl std::fmt::Display for Pairs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }
}

/// A form.
pub(crate) struct Form(pub(crate) Pairs);

/// The query.
pub(crate) struct Asked(pub(crate) Pairs);

pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM)
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_form(request.headers()) {
            return Err(Problem::Malformed("a page's form is expected".to_owned()));
        }
        Ok(Self(Pairs::of(&all_of_it(request, state).await?)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(Pairs::of(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_again_what_was_said() {
        let pairs = Pairs::of(b"status=open&text=a%26b+c&risk=&leak=1&leak=2");
        assert_eq!(pairs.get("text"), Some("a&b c"));
        assert_eq!(pairs.get("risk"), None, "left empty");
        assert_eq!(pairs.all("leak").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(pairs.to_string(), "status=open&text=a%26b+c&leak=1&leak=2");
        assert_eq!(pairs.with("status", "closed").without("leak").to_string(), "text=a%26b+c&status=closed");
        assert_eq!(Pairs::of(pairs.to_string().as_bytes()), pairs);
    }
}
