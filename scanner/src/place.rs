//! What a path says of the tokens in its file.

use memchr::memmem;
use stopleak_detector::Reason;

/// Folders of other people's code; what is in one was published before.
const VENDORED: &[&str] = &[
    "node_modules",
    "vendor",
    "vendored",
    "third_party",
    "third-party",
    "thirdparty",
    "bower_components",
    "site-packages",
    "dist-packages",
    "pods",
    "carthage",
    "external",
];
const TESTS: &[&str] = &[
    "test",
    "tests",
    "__tests__",
    "testing",
    "testdata",
    "test_data",
    "test-data",
    "spec",
    "specs",
    "fixture",
    "fixtures",
    "__fixtures__",
    "mock",
    "mocks",
    "__mocks__",
    "e2e",
    "testutil",
    "testutils",
    "bench",
    "benches",
    "benchmarks",
];
const EXAMPLES: &[&str] = &["example", "examples", "sample", "samples", "demo", "demos", "doc", "docs", "tutorial", "tutorials"];
/// What files of tests are called, before the last ending of their names,
const TEST_NAMES: &[&str] = &["test", "tests"];
/// how they begin,
const TEST_STEMS: &[&str] = &["test_", "test-"];
/// and how they end.
const TEST_ENDS: &[&str] = &["_test", "-test", ".test", "_tests", "_spec", "-spec", ".spec", ".mock", ".fixture"];

/// Why a token at this path matters less than elsewhere, if it does.
pub(crate) fn reason(path: &str) -> Option<Reason> {
    let is_vendored = path.to_ascii_lowercase().rsplit_once('/').is_some_and(|(folders, _)| inside(folders, VENDORED));
    if is_vendored { Some(Reason::VendoredPath) } else { purpose(path) }
}

/// Behind this, a file of Rust has its tests.
const TESTS_BEGIN: &[u8] = b"#[cfg(test)]";

/// Whether what stands at `offset` of a text belongs to the tests that the file itself has.
pub(crate) fn is_test_code(text: &[u8], offset: usize) -> bool {
    memmem::find(&text[..offset], TESTS_BEGIN).is_some()
}

/// Whether the file tests or shows something, be it somebody else's.
pub(crate) fn purpose(path: &str) -> Option<Reason> {
    let path = path.to_ascii_lowercase();
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let is_test = TEST_NAMES.contains(&stem)
        || TEST_STEMS.iter().any(|start| stem.starts_with(start))
        || TEST_ENDS.iter().any(|end| stem.ends_with(end));
    if inside(folders, TESTS) || is_test {
        Some(Reason::TestPath)
    } else if inside(folders, EXAMPLES) || stem == "readme" {
        Some(Reason::ExamplePath)
    } else {
        None
    }
}

fn inside(folders: &str, names: &[&str]) -> bool {
    folders.split('/').any(|folder| names.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_whose_code_it_is_and_what_for() {
        for (path, expected) in [
            ("src/main.rs", None),
            ("deploy/production.env", None),
            ("latest/contest.py", None),
            ("src/testimony.rs", None),
            ("tests/it/main.rs", Some(Reason::TestPath)),
            ("src/Fixtures/Keys.json", Some(Reason::TestPath)),
            ("pkg/auth_test.go", Some(Reason::TestPath)),
            ("src/api.spec.ts", Some(Reason::TestPath)),
            ("test_login.py", Some(Reason::TestPath)),
            ("src/jwt/tests.rs", Some(Reason::TestPath)),
            ("benches/pem.rs", Some(Reason::TestPath)),
            ("web/node_modules/x/tests/a.js", Some(Reason::VendoredPath)),
            ("vendor/github.com/x/y.go", Some(Reason::VendoredPath)),
            ("docs/auth.md", Some(Reason::ExamplePath)),
            ("README.md", Some(Reason::ExamplePath)),
        ] {
            assert_eq!(reason(path), expected, "{path}");
        }
    }

    #[test]
    fn tests_in_other_peoples_code_are_tests() {
        assert_eq!(purpose("web/node_modules/x/tests/a.js"), Some(Reason::TestPath));
        assert_eq!(purpose("vendor/x/README.md"), Some(Reason::ExamplePath));
        assert_eq!(purpose("vendor/x/src/a.rs"), None);
    }

    #[test]
    fn what_stands_behind_the_mark_of_tests_is_test_code() {
        let text = b"fn a() {}\n#[cfg(test)]\nmod tests {}\n";
        assert!(is_test_code(text, 30) && !is_test_code(text, 5));
    }
}
