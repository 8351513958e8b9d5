//! The forms in which a request may be sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::request::{ParsedRequest, Unreadable, unreadable};
use super::{curl, raw};
use crate::secret::SecretText;

/// A request, as somebody has it to hand. The text is overwritten when dropped.
pub enum Form {
    /// The text of an HTTP/1.1 request.
    Raw(Zeroizing<String>),
    /// A `curl` command.
    Curl(Zeroizing<String>),
    /// Its parts.
    Parts(Parts),
}

/// The parts of a request.
#[derive(Default)]
pub struct Parts {
    /// `GET`, or `POST` with a body, when absent.
    pub method: Option<String>,
    /// Absolute, or a path.
    pub url: Zeroizing<String>,
    /// Names and values.
    pub headers: Headers,
    /// The body.
    pub body: Option<Zeroizing<String>>,
}

/// Headers as JSON has them: a name has a value, or several.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Headers(BTreeMap<String, Values>);

struct Values(Vec<SecretText>);

/// Bytes of a request: as much as a gateway looks at in a header map and in a body with the usual limits.
pub const MAX_TEXT: usize = 256 * 1024;

impl Form {
    /// The text that positions count in.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Raw(text) | Self::Curl(text) => Some(text),
            Self::Parts(_) => None,
        }
    }

    /// The field of the API that it came in.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Raw(_) => "raw",
            Self::Curl(_) => "curl",
            Self::Parts(_) => "url",
        }
    }

    /// The request that it stands for.
    pub fn parse(&self) -> Result<ParsedRequest, Unreadable> {
        if self.length() > MAX_TEXT {
            return Err(unreadable(&format!("has over {MAX_TEXT} bytes")));
        }
        match self {
            Self::Raw(text) => raw::parse(text),
            Self::Curl(text) => curl::parse(text),
            Self::Parts(parts) => parts.parse(),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Raw(text) | Self::Curl(text) => text.len(),
            Self::Parts(parts) => {
                let values = parts.headers.all().map(|(name, value)| name.len() + value.len());
                parts.url.len() + parts.body.as_ref().map_or(0, |body| body.len()) + values.sum::<usize>()
            }
        }
    }
}

impl Parts {
    fn parse(&self) -> Result<ParsedRequest, Unreadable> {
        let mut request = ParsedRequest::default();
        request.url(&self.url)?;
        for (name, value) in self.headers.all() {
            request.header(name, value.as_bytes())?;
        }
        request.body = self.body.as_ref().map(|body| body.as_bytes().to_vec()).unwrap_or_default();
        let usual = if self.body.is_some() { "POST" } else { "GET" };
        request.method = self.method.clone().unwrap_or_else(|| usual.to_owned());
        Ok(request)
    }
}

impl Headers {
    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| values.0.iter().map(|SecretText(value)| (name.as_str(), value.as_str())))
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "HeaderValues".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
    }
}

/// Not `untagged`: that would keep copies which nobody overwrites.
impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Values, E> {
                Ok(Values(vec![SecretText::from(value.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Values(values))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}
