//! Types as JSON Schema: what callers send and what they are told, which may differ for the same type.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The types so far.
pub(super) struct Schemas {
    asked: SchemaGenerator,
    told: SchemaGenerator,
    /// Answers that say what is wrong.
    pub(super) problems: Map<String, Value>,
}

/// Where schemas stand in the document.
const PLACE: &str = "/components/schemas";

impl Default for Schemas {
    fn default() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into());
        Self {
            asked: settings().for_deserialize().with_transform(bounded).into_generator(),
            told: settings().for_serialize().into_generator(),
            problems: Map::new(),
        }
    }
}

impl Schemas {
    /// Of what callers send.
    pub(super) fn asked<T: JsonSchema>(&mut self) -> Value {
        self.asked.subschema_for::<T>().to_value()
    }

    /// Of what they are told.
    pub(super) fn told<T: JsonSchema>(&mut self) -> Value {
        self.told.subschema_for::<T>().to_value()
    }

    /// A query: each member of the type is a parameter. It is absent or has a value, so that no value is `null`.
    pub(super) fn query<T: JsonSchema>(&mut self) -> Vec<Value> {
        let mut schema = T::json_schema(&mut self.asked);
        bounded(&mut schema);
        let schema = schema.to_value();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let parameter = |(name, mut schema): (String, Value)| {
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let required = required.contains(&json!(name));
            let mut parameter = json!({"name": name, "in": "query", "required": required, "schema": not_null(schema)});
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter
        };
        properties.into_iter().map(parameter).collect()
    }

    /// All types that have a name. One that is sent and told looks the same both times.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut all = self.told.take_definitions(true);
        for (name, schema) in self.asked.take_definitions(true) {
            let told = all.insert(name.clone(), schema.clone());
            debug_assert!(told.is_none_or(|told| told == schema), "{name} is sent and told, and is not the same");
        }
        all
    }
}

/// Numbers have the bounds of their types, which `format` alone does not say to everybody.
fn bounded(schema: &mut Schema) {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        _ => (Value::Null, Value::Null),
    };
    if let Some(schema) = schema.as_object_mut()
        && !most.is_null()
    {
        schema.entry("minimum").or_insert(least);
        schema.entry("maximum").or_insert(most);
    }
    transform_subschemas(&mut bounded, schema);
}

fn not_null(mut schema: Value) -> Value {
    if let Some(choices) = schema["anyOf"].as_array() {
        let others: Vec<&Value> = choices.iter().filter(|choice| choice["type"] != "null").collect();
        if let [only] = others[..] {
            return only.clone();
        }
    }
    if let Some(types) = schema["type"].as_array() {
        let others: Vec<&Value> = types.iter().filter(|kind| *kind != "null").collect();
        if let [only] = others[..] {
            schema["type"] = only.clone();
        }
    }
    schema
}
