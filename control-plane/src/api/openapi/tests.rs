//! The document says what the code does, all of it, and is the one that is checked in.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use super::*;

const CHECKED_IN: &str = include_str!("../../../../docs/openapi.json");
const PROSE: &str = include_str!("../../../../docs/api.md");

#[test]
fn the_checked_in_document_is_that_of_the_code() {
    let (fresh, kept) = (text(), CHECKED_IN);
    let first = fresh.lines().zip(kept.lines()).find(|(fresh, kept)| fresh != kept);
    assert!(fresh == kept, "docs/openapi.json is old ({first:?}): cargo run -p stopleak -- openapi > docs/openapi.json");
}

#[test]
fn the_document_has_the_rights_of_the_table_and_nothing_else() {
    let document = document();
    let mut said = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            said.insert((path.clone(), method.to_uppercase()), (operation["x-right"].clone(), operation["x-roles"].clone()));
            assert_eq!(
                operation["security"] == json!([]),
                ["open", "signed"].contains(&operation["x-right"].as_str().unwrap()),
                "{method} {path}"
            );
        }
    }
    let listed = routes().into_iter().map(|route| {
        let roles: Vec<_> = route.right.roles().iter().map(|role| role.as_str()).collect();
        let roles = if matches!(route.right, Right::Open | Right::Signed) { Value::Null } else { json!(roles) };
        let right = json!(format!("{:?}", route.right).to_lowercase());
        ((route.path.to_owned(), route.method.to_string()), (right, roles))
    });
    assert_eq!(said, listed.collect());
}

#[test]
fn every_operation_has_its_words_and_a_name_of_its_own() {
    let said: Vec<_> = words::rows().collect();
    let there: BTreeSet<_> = routes().iter().map(|route| (route.method.to_string(), route.path)).collect();
    assert_eq!(said.len(), there.len(), "something is said twice, or not at all");
    assert_eq!(said.iter().map(|(method, path)| ((*method).to_owned(), *path)).collect::<BTreeSet<_>>(), there);
    let names: BTreeSet<_> = routes().iter().map(|route| route.name).collect();
    assert_eq!(names.len(), there.len(), "two routes have one handler");
}

#[test]
fn types_have_names_of_their_own_and_references_lead_somewhere() {
    let document = document();
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            !name.ends_with(|c: char| c.is_ascii_digit()),
            "{name}: two types have one name; rename one with #[schemars(rename)]"
        );
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
}

fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn bodies_take_no_unknown_members() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema/$ref") else { continue };
            let schema = document.pointer(&schema.as_str().unwrap()[1..]).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        }
    }
}

/// Each problem is in the table of `docs/api.md`, under its status.
#[test]
fn the_prose_lists_the_same_problems() {
    let table = PROSE.split("## Problems").nth(1).unwrap();
    let mut told = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        told.extend(row.split('`').skip(1).step_by(2));
    }
    let listed: BTreeSet<&str> = KINDS.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect();
    assert_eq!(told, listed);
}

/// Its policy lets the page load nothing else, and what it has inline would not run.
#[test]
fn the_page_needs_nothing_but_its_own_files() {
    let (html, script, style) = (include_str!("page/page.html"), include_str!("page/page.js"), include_str!("page/page.css"));
    for (name, text) in [("page.html", html), ("page.js", script), ("page.css", style)] {
        for foreign in ["http:", "https:", "//cdn", "@import", "url("] {
            assert!(!text.contains(foreign), "{name} has {foreign}");
        }
    }
    for inline in ["<style", "style=", "<script>", "onclick", "onload", "javascript:"] {
        assert!(!html.contains(inline), "page.html has {inline}");
    }
    for dangerous in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "sessionStorage"]
    {
        assert!(!script.contains(dangerous), "page.js has {dangerous}");
    }
    let there: BTreeSet<&str> = routes().iter().map(|route| route.path).collect();
    for path in html.split('"').chain(script.split('"')).filter(|text| text.starts_with("/api/")) {
        assert!(there.contains(path) || path == "/api/v1", "the page asks for {path}");
    }
}
