//! As much of JSON Schema as the published definitions use; a word that is not known here is an error, never ignored.
//!
//! The crates that know all of it switch on features of `regex` and others for the whole workspace. Then the tests would
//! run another detector than the one that is released, and everything would be compiled twice.

use regex::Regex;
use serde_json::{Map, Value};

/// Words that say nothing about what is valid, and `format`, which none of our values is bound by.
const ANNOTATIONS: [&str; 5] = ["$defs", "title", "description", "default", "format"];

/// A schema and the document that its references point into.
#[derive(Clone, Copy)]
struct Schema<'a> {
    root: &'a Value,
    here: &'a Map<String, Value>,
}

/// What a schema has against a value, with the place in it.
pub(crate) fn objection(schema: &Value, value: &Value) -> Option<String> {
    let here = schema.as_object().expect("a schema is an object");
    Schema { root: schema, here }.check(value, "").err()
}

impl<'a> Schema<'a> {
    fn check(self, value: &Value, place: &str) -> Result<(), String> {
        self.here.iter().try_for_each(|(word, argument)| self.check_word(word, argument, value, place))
    }

    fn check_word(self, word: &str, argument: &'a Value, value: &Value, place: &str) -> Result<(), String> {
        let refuse = |complaint: String| Err(format!("{place}: {complaint}"));
        let need = |holds: bool| if holds { Ok(()) } else { refuse(format!("{value} breaks {word}: {argument}")) };
        let length = || match value {
            Value::String(text) => text.chars().count(),
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        match word {
            "$ref" => self.reference(argument).check(value, place),
            "type" => need(types(argument).any(|name| has_type(value, name))),
            "enum" => need(argument.as_array().is_some_and(|allowed| allowed.contains(value))),
            "const" => need(argument == value),
            "anyOf" | "oneOf" => {
                let results: Vec<_> = self.alternatives(argument).map(|schema| schema.check(value, place)).collect();
                let fitting = results.iter().filter(|result| result.is_ok()).count();
                let objections: Vec<_> = results.into_iter().filter_map(Result::err).collect();
                let enough = fitting == 1 || (word == "anyOf" && fitting > 1);
                if enough { Ok(()) } else { refuse(format!("{fitting} fit of {word}: {objections:?}")) }
            }
            "properties" => match value.as_object() {
                Some(fields) => fields.iter().try_for_each(|(name, field)| {
                    argument.get(name).map_or(Ok(()), |schema| self.at(schema).check(field, &format!("{place}.{name}")))
                }),
                None => Ok(()),
            },
            "additionalProperties" => self.undeclared(value).try_for_each(|(name, field)| match argument {
                Value::Bool(allowed) if *allowed => Ok(()),
                Value::Bool(_) => refuse(format!("there is no field `{name}`")),
                schema => self.at(schema).check(field, &format!("{place}.{name}")),
            }),
            "required" => argument.as_array().into_iter().flatten().filter_map(Value::as_str).try_for_each(|name| {
                let missing = value.as_object().is_some_and(|fields| !fields.contains_key(name));
                if missing { refuse(format!("`{name}` is missing")) } else { Ok(()) }
            }),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .try_for_each(|(index, item)| self.at(argument).check(item, &format!("{place}[{index}]"))),
            "minLength" => need(!value.is_string() || length() >= limit(argument)),
            "maxLength" => need(!value.is_string() || length() <= limit(argument)),
            "maxItems" => need(!value.is_array() || length() <= limit(argument)),
            "minProperties" => need(!value.is_object() || length() >= limit(argument)),
            "maxProperties" => need(!value.is_object() || length() <= limit(argument)),
            "minimum" => need(value.as_f64().is_none_or(|number| number >= argument.as_f64().expect("a number"))),
            "maximum" => need(value.as_f64().is_none_or(|number| number <= argument.as_f64().expect("a number"))),
            "pattern" => {
                let pattern = Regex::new(argument.as_str().expect("a text")).expect("a pattern without Unicode classes");
                need(value.as_str().is_none_or(|text| pattern.is_match(text)))
            }
            word if ANNOTATIONS.contains(&word) || word.starts_with("x-kubernetes-") => Ok(()),
            word => panic!("{place}: the definition uses `{word}`, which is not known here"),
        }
    }

    fn at(self, schema: &'a Value) -> Self {
        Self { here: schema.as_object().expect("a schema is an object"), ..self }
    }

    fn alternatives(self, schemas: &'a Value) -> impl Iterator<Item = Self> {
        schemas.as_array().expect("a list of schemas").iter().map(move |schema| self.at(schema))
    }

    /// `#/$defs/Name`, the only form that the definitions use.
    fn reference(self, target: &Value) -> Self {
        let name = target.as_str().and_then(|target| target.strip_prefix("#/$defs/")).expect("a reference to a definition");
        self.at(&self.root["$defs"][name])
    }

    /// The fields of a value that `properties` beside this word does not name.
    fn undeclared(self, value: &Value) -> impl Iterator<Item = (&String, &Value)> {
        let declared = self.here.get("properties").and_then(Value::as_object);
        let fields = value.as_object().into_iter().flatten();
        fields.filter(move |(name, _)| !declared.is_some_and(|declared| declared.contains_key(*name)))
    }
}

fn types(argument: &Value) -> impl Iterator<Item = &str> {
    let several = argument.as_array().into_iter().flatten().filter_map(Value::as_str);
    argument.as_str().into_iter().chain(several)
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        name => panic!("there is no type {name}"),
    }
}

fn limit(argument: &Value) -> usize {
    argument.as_u64().and_then(|limit| usize::try_from(limit).ok()).expect("a length")
}

#[test]
fn each_word_refuses_what_it_should() {
    use serde_json::json;
    for (word, argument, good, bad) in [
        ("$ref", json!("#/$defs/text"), json!("a"), json!(1)),
        ("type", json!(["string", "null"]), json!(null), json!(1)),
        ("type", json!("integer"), json!(1), json!(1.5)),
        ("enum", json!(["a", "b"]), json!("b"), json!("c")),
        ("const", json!("a"), json!("a"), json!("b")),
        ("anyOf", json!([{"type": "string"}, {"const": 1}]), json!("a"), json!(2)),
        ("oneOf", json!([{"type": "string"}, {"const": "a"}]), json!("b"), json!("a")),
        ("properties", json!({"a": {"type": "string"}}), json!({"a": "", "b": 1}), json!({"a": 1})),
        ("additionalProperties", json!(false), json!({}), json!({"a": 1})),
        ("additionalProperties", json!({"type": "string"}), json!({"a": ""}), json!({"a": 1})),
        ("required", json!(["a"]), json!({"a": 1}), json!({"b": 1})),
        ("items", json!({"type": "string"}), json!(["a"]), json!(["a", 1])),
        ("minLength", json!(2), json!("ab"), json!("a")),
        ("maxLength", json!(2), json!("äß"), json!("abc")),
        ("maxItems", json!(1), json!([1]), json!([1, 2])),
        ("minProperties", json!(1), json!({"a": 1}), json!({})),
        ("maxProperties", json!(1), json!({"a": 1}), json!({"a": 1, "b": 1})),
        ("minimum", json!(1), json!(1), json!(0)),
        ("maximum", json!(1), json!(1), json!(2)),
        ("pattern", json!("^a$"), json!("a"), json!("ab")),
    ] {
        let schema = json!({word: argument, "$defs": {"text": {"type": "string"}}});
        assert_eq!(objection(&schema, &good), None, "{schema}");
        assert!(objection(&schema, &bad).is_some(), "{schema} accepts {bad}");
    }
}
