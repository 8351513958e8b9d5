//! JSON with the path to each of its values, so that whatever is wrong with one can be said with its key.
//!
//! A derived `Deserialize` with such paths made the filter's module 50 KB larger than this.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::PluginConfigError;

/// A value, and where it is: `body.limit` or `headers.only[0]`.
pub struct At {
    path: String,
    json: Json,
}

/// The keys of an object that were not taken yet.
pub struct Fields {
    path: String,
    left: Vec<(String, Json)>,
    taken: Vec<&'static str>,
}

enum Json {
    Null,
    Bool(bool),
    Count(u64),
    /// One that is no count.
    Number,
    Text(String),
    List(Vec<Json>),
    /// In the order of the text, with keys that are there twice.
    Object(Vec<(String, Json)>),
}

type Result<T> = std::result::Result<T, PluginConfigError>;

impl At {
    /// The whole of a text.
    pub fn whole(json: &[u8]) -> Result<Self> {
        Ok(Self { path: String::new(), json: serde_json::from_slice(json)? })
    }

    pub fn text(self) -> Result<String> {
        match self.json {
            Json::Text(text) => Ok(text),
            _ => self.refuse("is a text"),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.json {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn flag(self) -> Result<bool> {
        match self.json {
            Json::Bool(flag) => Ok(flag),
            _ => self.refuse("is `true` or `false`"),
        }
    }

    pub fn count(self) -> Result<usize> {
        match self.json {
            // On a machine of 32 bits, as many as there can be.
            Json::Count(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
            _ => self.refuse("is a whole number, and not negative"),
        }
    }

    pub fn texts(self) -> Result<Vec<String>> {
        match self.json {
            Json::List(_) => self.items().into_iter().map(Self::text).collect(),
            _ => self.refuse("is a list of texts"),
        }
    }

    /// The values of a list; of what is none, itself.
    pub fn items(self) -> Vec<Self> {
        match self.json {
            Json::List(list) => {
                let at = |(n, json)| Self { path: format!("{}[{n}]", self.path), json };
                list.into_iter().enumerate().map(at).collect()
            }
            _ => vec![self],
        }
    }

    pub fn fields(self) -> Result<Fields> {
        match self.json {
            Json::Object(left) => Ok(Fields { path: self.path, left, taken: Vec::new() }),
            _ => self.refuse("is an object"),
        }
    }

    /// Says what the value should be.
    pub fn refuse<T>(&self, reason: &'static str) -> Result<T> {
        Err(PluginConfigError::value(&self.path, reason))
    }
}

impl Fields {
    /// What belongs to a key; `null` is as good as nothing.
    pub fn take(&mut self, key: &'static str) -> Option<At> {
        self.taken.push(key);
        let at = self.left.iter().position(|(name, _)| name == key)?;
        let (_, json) = self.left.remove(at);
        (!matches!(json, Json::Null)).then(|| At { path: self.path_of(key), json })
    }

    /// A misspelt setting would otherwise be one that is not in force, and of two it would not be known which one is.
    pub fn end(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some((key, _)) if self.taken.contains(&key.as_str()) => self.refuse(key, "is there twice"),
            Some((key, _)) => self.refuse(key, "is not a setting"),
        }
    }

    /// Says what is wrong with a key.
    pub fn refuse<T>(&self, key: &str, reason: &'static str) -> Result<T> {
        Err(PluginConfigError::value(&self.path_of(key), reason))
    }

    /// Says what is wrong with the object.
    pub fn refuse_all<T>(&self, reason: &'static str) -> Result<T> {
        Err(PluginConfigError::value(&self.path, reason))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Builder)
    }
}

/// Takes whatever there is.
struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> std::result::Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_u64<E>(self, count: u64) -> std::result::Result<Json, E> {
        Ok(Json::Count(count))
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> std::result::Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Json, A::Error> {
        let mut object = Vec::new();
        // A key is a text always.
        while let Some((Json::Text(key), value)) = entries.next_entry()? {
            object.push((key, value));
        }
        Ok(Json::Object(object))
    }
}
