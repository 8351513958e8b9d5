//! Every command that the README and CONTRIBUTING tell people to type is one that CI runs or that a recipe names.

use std::collections::BTreeSet;

use crate::{File, assert_none, file, files};

const PAGES: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

#[test]
fn every_command_is_one_that_ci_runs_or_a_recipe_names() {
    let known = Known::of(&files());
    assert!(known.recipes.contains("test"), "the recipes are read from the justfile");
    for page in PAGES {
        assert_none(&unknown_commands(&file(page), &known));
    }
}

#[test]
fn a_command_that_nothing_runs_is_noticed() {
    let known = Known::of(&[
        File::new("justfile", "export PATH := \"x\"\n\n# Doc\ntest: build\n    cargo test\n\ndemo *ARGS:\n    run\n"),
        File::new(".ci/run", "./just test\nscripts/other --flag\n"),
        File::new("tests/tests/cli.rs", "run(&[\"scan\", path])"),
    ]);
    let complaints = |command: &str| unknown_commands(&File::new("README.md", &format!("```sh\n{command}\n```")), &known).len();
    for fine in [
        "./just",
        "./just test   # what it does",
        "just demo --once",
        "# a comment",
        "scripts/other --flag",
        "git clone https://example.com/stopleak",
        "cd stopleak",
        "stopleak scan .",
        "./just demo \\\n  --once",
        "./just test && ./just demo",
    ] {
        assert_eq!(complaints(fine), 0, "{fine}");
    }
    for unknown in ["./just tset", "cargo xtask", "stopleak scam .", "./just test && cargo xtask", "PATH", "just build:"] {
        assert_eq!(complaints(unknown), 1, "{unknown}");
    }
}

/// What a reader can be told to type.
struct Known {
    recipes: BTreeSet<String>,
    /// What CI and the scripts run, line by line.
    lines: BTreeSet<String>,
    /// The tests' sources: a subcommand of `stopleak` must be in them as a string.
    tests: String,
}

impl Known {
    fn of(files: &[File]) -> Self {
        let text_of = |wanted: fn(&str) -> bool| {
            files.iter().filter(|file| wanted(&file.path)).map(|file| file.text.as_str()).collect::<Vec<_>>().join("\n")
        };
        Self {
            recipes: text_of(|path| path == "justfile").lines().filter_map(recipe).collect(),
            lines: text_of(|path| path.starts_with(".ci/") || path.starts_with("scripts/"))
                .lines()
                .map(|line| line.trim().to_owned())
                .collect(),
            tests: text_of(|path| path.starts_with("tests/") && !path.starts_with("tests/tests/tidy/")),
        }
    }

    fn knows(&self, command: &str) -> bool {
        let words: Vec<_> = command.split_whitespace().collect();
        match words.as_slice() {
            ["./just" | "just", recipe, ..] => self.recipes.contains(*recipe),
            // Alone it lists the recipes; the others get the sources in the first place.
            ["./just" | "just"] | ["git", "clone", _] | ["cd", _] => true,
            ["stopleak" | "target/debug/stopleak", subcommand, ..] => self.tests.contains(&format!("\"{subcommand}\"")),
            _ => self.lines.contains(command),
        }
    }
}

/// The name of the recipe whose head this line is.
fn recipe(line: &str) -> Option<String> {
    let head = line.split_once(':').filter(|(_, rest)| !rest.starts_with('='))?.0;
    let name = head.split_whitespace().next()?;
    let is_name = line.starts_with(name) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_name.then(|| name.to_owned())
}

fn unknown_commands(page: &File, known: &Known) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut inside = false;
    let joined = page.text.replace("\\\n", " ");
    for line in joined.lines().map(str::trim) {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && ["sh", "bash", "shell", "console"].contains(&language);
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            // A trailing comment explains the command and is no part of it.
            let command = line.trim_start_matches("$ ").split(" #").next().unwrap_or(line);
            let unknown = command.split("&&").map(str::trim).filter(|command| !known.knows(command));
            complaints.extend(unknown.map(|command| format!("{}: nothing runs `{command}`", page.path)));
        }
    }
    complaints
}
