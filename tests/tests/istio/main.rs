//! The files in `envoy/istio/` against the published definitions of the resources, which `just setup` fetches.
//!
//! An API server drops a field that it does not know, and a misspelt `failStrategy` would then quietly be the default. So every
//! field of every file is also misspelt once here, to prove that the comparison would notice.

mod schema;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use stopleak_contract::PluginConfig;

const EXTENSIONS: [&str; 2] = ["trafficextension.yaml", "wasmplugin.yaml"];
const CONTROL_PLANE: &str = "control-plane.yaml";

/// Maps whose keys are the user's own words.
const FREE_FORM: [&str; 5] = ["labels", "matchLabels", "requests", "limits", "pluginConfig"];

#[test]
fn every_resource_is_as_its_definition_says() {
    for file in EXTENSIONS.into_iter().chain([CONTROL_PLANE]) {
        for document in documents(file) {
            assert_eq!(objection(&document), None, "{file}");
        }
    }
}

#[test]
fn every_misspelt_field_is_noticed() {
    let mut tried = 0;
    for file in EXTENSIONS.into_iter().chain([CONTROL_PLANE]) {
        for document in documents(file) {
            for path in field_paths(&document) {
                let mut misspelt = document.clone();
                rename(&mut misspelt, &path);
                assert!(objection(&misspelt).is_some(), "{file}: nobody notices a misspelt {}", path.join("."));
                tried += 1;
            }
        }
    }
    assert!(tried > 80, "only {tried} fields were found to misspell");
}

#[test]
fn a_value_outside_the_allowed_ones_is_noticed() {
    for (pointer, value) in [("failStrategy", json!("FAIL_CLOSED")), ("type", json!("http")), ("pluginConfig", json!("text"))] {
        for file in EXTENSIONS {
            let mut document = documents(file).remove(0);
            wasm_of(&mut document)[pointer] = value.clone();
            assert!(objection(&document).is_some(), "{file}: {pointer} may be {value}");
        }
    }
}

#[test]
fn both_extensions_say_the_same_and_the_filter_accepts_their_settings() {
    let [mut new, mut old] = EXTENSIONS.map(|file| documents(file).remove(0));
    for field in ["url", "failStrategy", "pluginConfig", "vmConfig", "imagePullPolicy", "type"] {
        assert_eq!(wasm_of(&mut new)[field], wasm_of(&mut old)[field], "{field}");
    }
    for field in ["phase", "selector", "priority"] {
        assert_eq!(new["spec"][field], old["spec"][field], "{field}");
    }
    assert_eq!(wasm_of(&mut new)["failStrategy"], "FAIL_RELOAD");
    let config = PluginConfig::from_json(wasm_of(&mut new)["pluginConfig"].to_string().as_bytes()).unwrap();
    assert!(config.credential.is_none(), "the credential comes from the environment");
    assert_eq!(config.cluster, feed_cluster());
}

/// Istio's name for the feed's port of the Service.
fn feed_cluster() -> String {
    let service = documents(CONTROL_PLANE).into_iter().find(|document| document["kind"] == "Service").unwrap();
    let ports = service["spec"]["ports"].as_array().unwrap();
    // Istio takes a port for HTTP/2 by the prefix of its name.
    let feed = ports.iter().find(|port| port["name"].as_str().unwrap().starts_with("grpc-")).unwrap();
    let [name, namespace] = ["name", "namespace"].map(|field| service["metadata"][field].as_str().unwrap());
    format!("outbound|{}||{name}.{namespace}.svc.cluster.local", feed["port"])
}

/// Where a resource keeps what concerns the module: the older kind has no level of its own for it.
fn wasm_of(document: &mut Value) -> &mut Value {
    if document["kind"] == "TrafficExtension" { &mut document["spec"]["wasm"] } else { &mut document["spec"] }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documents(file: &str) -> Vec<Value> {
    let path = repository().join("envoy/istio").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What the definition of the document's kind has against it.
fn objection(document: &Value) -> Option<String> {
    let Some(kind) = document["kind"].as_str() else { return Some("no `kind`".to_owned()) };
    let path = repository().join(".tools/schemas").join(format!("{kind}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `just setup`, and see scripts/schemas.py for the kinds", path.display())
    });
    schema::objection(&serde_json::from_str(&text).unwrap(), document)
}

/// The path of every field whose name the definition decides.
fn field_paths(value: &Value) -> Vec<Vec<String>> {
    let steps: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let mut paths = Vec::new();
    for (step, inner) in steps {
        if value.is_object() {
            // It is the kind that says which definition to compare with.
            if step == "kind" {
                continue;
            }
            paths.push(vec![step.clone()]);
        }
        // A Service's selector has free keys; that of all others has `matchLabels` inside.
        let free = FREE_FORM.contains(&step.as_str()) || (step == "selector" && inner.get("matchLabels").is_none());
        if !free {
            paths.extend(field_paths(inner).into_iter().map(|rest| [vec![step.clone()], rest].concat()));
        }
    }
    paths
}

/// Misspells the last field of a path.
fn rename(document: &mut Value, path: &[String]) {
    let (last, parents) = path.split_last().unwrap();
    let mut parent = document;
    for step in parents {
        parent = match parent {
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            other => &mut other[step.as_str()],
        };
    }
    let map = parent.as_object_mut().unwrap();
    let value = map.remove(last).unwrap();
    map.insert(format!("{last}x"), value);
}
