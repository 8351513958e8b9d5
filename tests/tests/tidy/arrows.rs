//! Which crate may depend on which. Whoever adds an arrow changes this list first, and so says so in the review.

use toml::{Table, Value};

use crate::{assert_none, file};

/// Folder, and the crates of this workspace that it may use: in its code, its tests and its build.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("contract", &[]),
    // Has to build while the code that it generates does not.
    ("contract/codegen", &[]),
    ("detector", &[]),
    ("filter", &["stopleak-contract"]),
    ("browser", &["stopleak-contract", "stopleak-detector"]),
    // Makes what pages load of the built module.
    ("browser/bindgen", &[]),
    ("scanner", &["stopleak-contract", "stopleak-detector"]),
    // Runs the built filter, and knows nothing of its sources.
    ("filter-host", &["stopleak-contract"]),
    // Its own tests run on a private PostgreSQL, too.
    (
        "control-plane",
        &["stopleak-contract", "stopleak-detector", "stopleak-filter-host", "stopleak-scanner", "stopleak-postgres"],
    ),
    // The detector makes fake tokens there, the host counts what the filter costs; everything else is tested through the built programs.
    ("tests", &["stopleak-contract", "stopleak-detector", "stopleak-filter", "stopleak-filter-host", "stopleak-postgres"]),
    ("tests/noop-filter", &[]),
    ("tests/postgres", &[]),
];

#[test]
fn crates_depend_only_on_those_they_may() {
    let workspace: Table = file("Cargo.toml").text.parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let mut complaints = Vec::new();
    for member in members.iter().filter_map(Value::as_str) {
        complaints.extend(complaints_about(member, &file(&format!("{member}/Cargo.toml")).text));
    }
    assert_none(&complaints);
}

#[test]
fn a_forbidden_arrow_is_noticed_wherever_it_stands() {
    for section in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
        let text = format!("lints.workspace = true\n[{section}]\nstopleak-detector.workspace = true\n");
        assert_eq!(complaints_about("filter", &text), ["filter may not depend on stopleak-detector"], "{section}");
    }
    let renamed = "lints.workspace = true\n[dependencies]\nd = { package = \"stopleak-detector\", path = \"../detector\" }\n";
    assert_eq!(complaints_about("filter", renamed).len(), 1);
    let allowed = "lints.workspace = true\n[dependencies]\nstopleak-contract.workspace = true\nserde.workspace = true\n";
    assert_none(&complaints_about("filter", allowed));
}

#[test]
fn an_unknown_crate_and_one_without_the_house_lints_are_noticed() {
    assert_eq!(complaints_about("sidecar", "lints.workspace = true").len(), 1);
    assert_eq!(complaints_about("contract", "[package]").len(), 1);
}

fn complaints_about(member: &str, manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().unwrap();
    let mut complaints = Vec::new();
    let house_lints = manifest.get("lints").and_then(|lints| lints.get("workspace")) == Some(&Value::Boolean(true));
    if !house_lints {
        complaints.push(format!("{member}/Cargo.toml lacks `[lints] workspace = true`"));
    }
    match ALLOWED.iter().find(|(folder, _)| *folder == member) {
        None => complaints.push(format!("{member} is in no list of {}", file!())),
        Some((_, allowed)) => complaints.extend(
            dependencies(&manifest)
                .into_iter()
                .filter(|name| name.starts_with("stopleak") && !allowed.contains(&name.as_str()))
                .map(|name| format!("{member} may not depend on {name}")),
        ),
    }
    complaints
}

/// The names of all packages that a manifest asks for, under whatever heading.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut names = Vec::new();
    for (heading, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        if heading.ends_with("dependencies") {
            let package =
                |(key, value): (&String, &Value)| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
            names.extend(table.iter().map(package));
        } else if heading == "target" {
            names.extend(table.values().filter_map(Value::as_table).flat_map(dependencies));
        }
    }
    names
}
