//! The pages that must be there, and their size and numbering.

use crate::{File, assert_none, file, files};

/// ARCHITECTURE.md is read in one sitting or not at all.
const ARCHITECTURE_LINES: usize = 200;

const DECISIONS: &str = "docs/decisions/";

#[test]
fn the_pages_that_people_look_for_are_there() {
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"] {
        assert!(file(page).text.len() > 200, "{page} says next to nothing");
    }
}

#[test]
fn the_architecture_fits_one_sitting() {
    assert_none(&too_long(&file("ARCHITECTURE.md")));
    assert_eq!(too_long(&File::new("ARCHITECTURE.md", &"a line\n".repeat(ARCHITECTURE_LINES))).len(), 1);
}

#[test]
fn decisions_are_numbered_without_gaps_and_listed() {
    assert_none(&misnumbered(&files()));
}

#[test]
fn a_gap_a_double_and_an_unlisted_decision_are_noticed() {
    let complaints = |names: &[&str]| {
        let list = File::new("docs/decisions/README.md", "[one](0001-one.md) [two](0002-two.md) [three](0003-three.md)");
        let pages = names.iter().map(|name| File::new(&format!("{DECISIONS}{name}"), ""));
        misnumbered(&pages.chain([list]).collect::<Vec<_>>()).len()
    };
    assert_eq!(complaints(&["0001-one.md", "0002-two.md"]), 0);
    assert_eq!(complaints(&["0001-one.md", "0003-three.md"]), 1);
    assert_eq!(complaints(&["0001-one.md", "0002-two.md", "0002-three.md"]), 2, "misnumbered and unlisted");
    assert_eq!(complaints(&["0001-one.md", "0002-zwei.md"]), 1);
    assert_eq!(complaints(&["one.md"]), 2, "misnumbered and unlisted");
}

fn too_long(architecture: &File) -> Vec<String> {
    let lines = architecture.text.lines().count();
    let complaint = format!("{} has {lines} lines, and must stay under {ARCHITECTURE_LINES}", architecture.path);
    (lines >= ARCHITECTURE_LINES).then_some(complaint).into_iter().collect()
}

fn misnumbered(files: &[File]) -> Vec<String> {
    let list_path = format!("{DECISIONS}README.md");
    let list = files.iter().find(|file| file.path == list_path).map_or("", |file| file.text.as_str());
    let mut names: Vec<_> = files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS)).collect();
    names.retain(|name| *name != "README.md");
    names.sort_unstable();
    let mut complaints = Vec::new();
    for (name, number) in names.into_iter().zip(1..) {
        if !name.starts_with(&format!("{number:04}-")) {
            complaints.push(format!("{DECISIONS}{name}: the next number is {number:04}"));
        }
        if !list.contains(&format!("({name})")) {
            complaints.push(format!("{list_path} does not list {name}"));
        }
    }
    complaints
}
