//! Every path of this repository that a Markdown file names exists.

use std::collections::BTreeSet;

use crate::{File, assert_none, files};

/// What makes a name without a folder look like one of our files.
const EXTENSIONS: [&str; 9] = [".rs", ".md", ".toml", ".yaml", ".yml", ".proto", ".py", ".sql", ".sh"];

/// Written by the build and by `just setup`, and so in no checkout.
const BUILT: [&str; 2] = ["target/", ".tools/"];

#[test]
fn every_path_in_the_prose_exists() {
    assert_none(&dead_paths(&files()));
}

#[test]
fn a_dead_path_is_noticed() {
    let complaints = |text: &str| dead_paths(&[File::new("docs/page.md", text), File::new("scripts/setup", "")]).len();
    for dead in [
        "see `scripts/setpu`",
        "see `scripts/setup/deeper`",
        "see `src/lib.rs`",
        "see `missing.toml`",
        "[a link](missing.md)",
        "[a link](../scripts/gone)",
        "- `scripts/gone`, and `scripts/setup` which is there",
    ] {
        assert_eq!(complaints(dead), 1, "{dead}");
    }
}

#[test]
fn what_is_no_path_or_exists_is_left_alone() {
    let complaints = |text: &str| dead_paths(&[File::new("docs/page.md", text), File::new("scripts/setup", "")]);
    for fine in [
        "`scripts/setup` and `scripts/`, `page.md`, `docs/page.md`",
        "[relative](../scripts/setup), [anchor](#words), [anchor there](page.md#words), [outside](https://example.com/a.md)",
        "`application/json`, `/api/v1/leaks`, `outbound|8081||a.b`, `NNNN-title.md`, `docs/NNNN-title.md`, `a/{b}.rs`, `x/*.rs`",
        "`target/debug/stopleak`, `.tools/envoy`",
        "`~/.cargo/config.toml`, `*.rs`, `git clone https://example.com/a.rs`",
        "```sh\ncat scripts/gone\n```",
    ] {
        assert_none(&complaints(fine));
    }
}

fn dead_paths(files: &[File]) -> Vec<String> {
    let mut known = BTreeSet::new();
    for file in files {
        known.insert(file.path.as_str());
        known.extend(file.path.match_indices('/').map(|(end, _)| &file.path[..end]));
    }
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let prose = without_code_blocks(&file.text);
        let spans = between(&prose, "`", "`").filter(|span| looks_like_a_path(span, &known));
        let links = between(&prose, "](", ")").filter(|link| !link.contains("://") && !link.starts_with('#'));
        for path in spans.chain(links) {
            let path = path.split('#').next().unwrap_or(path).trim_end_matches('/');
            let exists = known.contains(path)
                || known.contains(beside(folder, path).as_str())
                || (!path.contains('/') && files.iter().any(|file| file.path.ends_with(&format!("/{path}"))));
            if !exists {
                complaints.push(format!("{}: there is no `{path}`", file.path));
            }
        }
    }
    complaints
}

/// A code span that means a file or folder of ours: it ends like one, or it begins with one of our folders.
fn looks_like_a_path(span: &str, known: &BTreeSet<&str>) -> bool {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if !plain || span.starts_with(['/', '.']) || span.contains("NNNN") || BUILT.iter().any(|built| span.starts_with(built)) {
        return false;
    }
    let ours = span.split_once('/').is_some_and(|(first, _)| known.contains(first));
    ours || EXTENSIONS.iter().any(|extension| span.ends_with(extension))
}

/// What a relative link of a file in `folder` points at.
fn beside(folder: &str, path: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The text without what stands in fences: commands have a check of their own, and examples are free.
fn without_code_blocks(text: &str) -> String {
    let mut inside = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// Every stretch of a line between an opening and the next closing mark.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().flat_map(move |line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            let (_, after) = rest.split_once(open)?;
            let (found, after) = after.split_once(close)?;
            rest = after;
            Some(found)
        })
    })
}
