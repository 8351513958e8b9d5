//! The form of the sources: a doc at the top, small files, nothing switched off, nothing of one person's machine.

use crate::{File, assert_none, files};

const MOST_LINES: usize = 400;

/// What must not be in a source, and why. In two parts each, so that this file has none of them.
const FORBIDDEN: [(&str, &str, &str); 4] = [
    ("#[igno", "re", "a test that does not run proves nothing"),
    ("#[seri", "al", "tests must not need an order"),
    ("tod", "o!(", "say it in an issue"),
    ("unimpleme", "nted!(", "say it in an issue"),
];

/// Folders that only exist on somebody's machine.
const MACHINE_FOLDERS: [(&str, &str); 4] = [("/roo", "t/"), ("/hom", "e/"), ("/Use", "rs/"), ("/wor", "k/")];

#[test]
fn sources_open_with_a_doc_and_are_small() {
    assert_none(&files().iter().flat_map(misshapen).collect::<Vec<_>>());
}

#[test]
fn a_source_without_a_doc_and_a_long_one_are_noticed() {
    let complaints = |text: &str| misshapen(&File::new("a/src/lib.rs", text)).len();
    assert_eq!(complaints("//! What this is.\n\nmod a;\n"), 0);
    assert_eq!(complaints("#![no_std]\n//! What this is.\n"), 0);
    for wrong in ["", "mod a;\n", "// A comment.\n", "/// Of an item.\nmod a;\n", "//!\nmod a;\n"] {
        assert_eq!(complaints(wrong), 1, "{wrong:?}");
    }
    let long = format!("//! Doc.\n{}", "// line\n".repeat(MOST_LINES));
    assert_eq!(complaints(&long), 1);
    assert_none(&misshapen(&File::new("a/src/gen/x.rs", &long.repeat(2))));
    assert_none(&misshapen(&File::new("a/notes.txt", &long.repeat(2))));
}

#[test]
fn nothing_is_switched_off_or_left_undone() {
    assert_none(&files().iter().flat_map(forbidden).collect::<Vec<_>>());
}

#[test]
fn each_forbidden_text_is_noticed() {
    for (first, second, _) in FORBIDDEN {
        let text = format!("//! Doc.\n    {first}{second}\n");
        assert_eq!(forbidden(&File::new("a/src/lib.rs", &text)).len(), 1, "{first}{second}");
        assert_none(&forbidden(&File::new("a.md", &text)));
    }
}

#[test]
fn nothing_names_a_folder_of_somebodys_machine() {
    assert_none(&files().iter().flat_map(machine_folders).collect::<Vec<_>>());
}

#[test]
fn a_folder_of_somebodys_machine_is_noticed() {
    for (first, second) in MACHINE_FOLDERS {
        for text in [format!("in {first}{second}x"), format!("\"{first}{second}x\""), format!("PATH={first}{second}x")] {
            assert_eq!(machine_folders(&File::new("any.yaml", &text)).len(), 1, "{text}");
        }
        let within = format!("https://example.com{first}{second}x, a{first}{second}x");
        assert_none(&machine_folders(&File::new("any.yaml", &within)));
    }
}

#[test]
fn no_doc_has_an_example_that_nothing_compiles() {
    assert_none(&files().iter().flat_map(untested_examples).collect::<Vec<_>>());
}

#[test]
fn an_example_that_nothing_compiles_is_noticed() {
    let complaints = |text: &str| untested_examples(&File::new("a/src/lib.rs", text)).len();
    for fine in ["//! ```text\n//! a\n//! ```\n", "/// ```json\n/// ```\n    //! ```sh\n    //! ```\n", "// ```\n// ```\n"] {
        assert_eq!(complaints(fine), 0, "{fine}");
    }
    for wrong in ["//! ```\n//! a();\n//! ```\n", "    /// ```rust\n    /// ```\n", "/// ```no_run\n/// ```\n"] {
        assert_eq!(complaints(wrong), 1, "{wrong}");
    }
}

fn misshapen(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    if file.is_rust() && !file.is_generated() {
        let first = file.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#![")).unwrap_or("");
        if first.strip_prefix("//!").is_none_or(|doc| doc.trim().is_empty()) {
            complaints.push(format!("{} does not open with a `//!` that says what it is", file.path));
        }
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            complaints.push(format!("{} has {lines} lines: {MOST_LINES} are the most", file.path));
        }
    }
    complaints
}

fn forbidden(file: &File) -> Vec<String> {
    let found = |&&(first, second, _): &&(&str, &str, &str)| file.text.contains(&format!("{first}{second}"));
    let complaint = |(first, second, why): &(&str, &str, &str)| format!("{}: `{first}{second}`: {why}", file.path);
    if file.is_rust() && !file.is_generated() { FORBIDDEN.iter().filter(found).map(complaint).collect() } else { Vec::new() }
}

/// The tests run by nextest, which runs no examples in docs: those would be untested prose.
fn untested_examples(file: &File) -> Vec<String> {
    let docs = file.text.lines().filter_map(|line| line.trim().strip_prefix("///").or(line.trim().strip_prefix("//!")));
    let fences = docs.filter_map(|doc| doc.trim().strip_prefix("```"));
    // Every other fence closes a block.
    let untested = fences.step_by(2).filter(|language| !["text", "json", "sh", "toml", "yaml", "sql"].contains(language));
    let complaint = |language| format!("{}: nothing compiles a doc's example (```{language}): write a test", file.path);
    if file.is_rust() { untested.map(complaint).collect() } else { Vec::new() }
}

/// An absolute path begins where no longer word or host name ends.
fn machine_folders(file: &File) -> Vec<String> {
    let begins = |at: usize| !file.text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/~".contains(c));
    let named = |(first, second): &(&str, &str)| {
        let folder = format!("{first}{second}");
        file.text.match_indices(&folder).any(|(at, _)| begins(at)).then(|| format!("{}: names {folder}", file.path))
    };
    MACHINE_FOLDERS.iter().filter_map(named).collect()
}
