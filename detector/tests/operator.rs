//! The operator's own formats: a good file is used, a bad one is refused with an error that says where and why.

use stopleak_detector::{Confidence, Detector, Rules, Tier, prove};

const GOOD: &str = r#"
[[rule]]
id = "acme-deploy-key"
name = "Acme deploy key"
risk = "high"
keywords = ["acme_"]
pattern = 'acme_[0-9A-Za-z]{38}'
checksum = "crc32_base62"
reference = "https://acme.example/docs/keys"
examples = ["acme_{alnum:32}{crc32}"]
negative_examples = ["acme_{alnum:38}"]
"#;

#[test]
fn a_format_of_the_operator_is_found_like_a_built_in_one() {
    let rules = Rules::built_in().with_operator_file(GOOD).unwrap();
    let example = rules.get("acme-deploy-key").unwrap().example(5);
    let detector = Detector::new(&rules);
    let mut seen = Vec::new();
    detector.scan(example.text.as_bytes(), |found| seen.push((found.rule.id().to_owned(), found.confidence)));
    assert_eq!(seen, [("acme-deploy-key".to_owned(), Confidence::Certain)]);
    assert_ne!(rules.version(), Rules::built_in().version());
}

#[test]
fn a_bad_file_is_refused_with_rule_and_key() {
    let cases = [
        ("this is no toml", "not valid TOML"),
        ("rules = 1", "unknown key `rules`"),
        (&GOOD.replace("risk = \"high\"", "risk = \"huge\""), "rule `acme-deploy-key`: key `risk`"),
        (&GOOD.replace("reference =", "referense ="), "rule `acme-deploy-key`: key `referense`"),
        (&GOOD.replace("keywords = [\"acme_\"]\n", ""), "rule `acme-deploy-key`: key `keywords`"),
        (&GOOD.replace("[\"acme_\"]", "[\"a\"]"), "key `keywords`: `a` is too short"),
        (&GOOD.replace("[\"acme_\"]", "[]"), "key `keywords`: name at least one"),
        (&GOOD.replace("{38}'", "{38'"), "rule `acme-deploy-key`: key `pattern`"),
        (&GOOD.replace("acme_[0-9A-Za-z]{38}'", "(acme_)?'"), "key `pattern`: it matches the empty text"),
        (&GOOD.replace("{38}'", "{38}{999}{99}'"), "key `pattern`"),
        (&GOOD.replace("{crc32}\"", "{crc33}\""), "key `examples`: `{crc33}` is no template field"),
        (&GOOD.replace("acme-deploy-key", "Acme Key"), "key `id`"),
        (&GOOD.replace("keywords = [\"acme_\"]", "beside = [\"acme-id\"]"), "key `beside`: there is no rule `acme-id`"),
        (&GOOD.replace("checksum =", "beside = [\"npm-access-token\"]\nchecksum ="), "key `beside`: such a rule has no keywords"),
        (&format!("{GOOD}{GOOD}"), "another rule has this id"),
        (&GOOD.replace("acme-deploy-key", "npm-access-token"), "another rule has this id"),
    ];
    for (file, expected) in cases {
        let error = Rules::built_in().with_operator_file(file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
}

#[test]
fn there_are_many_formats_and_each_has_its_reference() {
    let rules = Rules::built_in();
    assert!(rules.iter().filter(|rule| rule.tier() == Tier::Format).count() >= 400);
    for rule in rules.iter() {
        assert!(rule.reference().starts_with("https://"), "{}", rule.id());
    }
}

#[test]
fn a_fake_token_is_the_same_for_the_same_seed() {
    let make = |seed| stopleak_detector::token("github-personal-access-token", seed);
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    assert_eq!(stopleak_detector::token("no-such-rule", 1), None);
}

#[test]
fn a_format_that_misses_its_own_examples_is_refused() {
    let proved = |file: &str| prove(&Rules::built_in().with_operator_file(file).unwrap());
    proved(GOOD).unwrap();
    let misses = GOOD.replace("acme_{alnum:32}{crc32}", "acme_{alnum:20}");
    assert!(proved(&misses).unwrap_err().to_string().starts_with("rule `acme-deploy-key`: key `examples`"));
    let finds = GOOD.replace("[\"acme_{alnum:38}\"]", "[\"acme_{alnum:32}{crc32}\"]");
    assert!(proved(&finds).unwrap_err().to_string().starts_with("rule `acme-deploy-key`: key `negative_examples`"));
}

const BY_PARTS: &str = r#"
[[rule]]
id = "acme-deploy-key"
name = "Acme deploy key"
risk = "high"
prefix = ["acme_", "acmx_"]
alphabet = "alnum"
length = 38
checksum = "crc32_base62"
reference = "https://acme.example/docs/keys"
"#;

fn count(rules: &Rules, text: &str) -> usize {
    let mut count = 0;
    Detector::new(rules).scan(text.as_bytes(), |_| count += 1);
    count
}

#[test]
fn a_format_may_be_told_by_its_parts() {
    let rules = Rules::built_in().with_operator_file(BY_PARTS).unwrap();
    prove(&rules).unwrap();
    let token = rules.get("acme-deploy-key").unwrap().example(5).token().to_owned();
    assert_eq!((token.len(), count(&rules, &token)), (43, 1));
    assert_eq!(count(&rules, &token.replace("acme_", "acmx_")), 1);
    assert_eq!(count(&rules, &token.replace("acme_", "acmy_")), 0);
    assert_eq!(count(&rules, &token[..42]), 0);
}

#[test]
fn a_token_without_a_prefix_is_known_by_the_name_beside_it() {
    let file =
        BY_PARTS.replace("prefix = [\"acme_\", \"acmx_\"]", "context = [\"acme\"]").replace("checksum = \"crc32_base62\"\n", "");
    let rules = Rules::built_in().with_operator_file(&file).unwrap();
    prove(&rules).unwrap();
    let token = rules.get("acme-deploy-key").unwrap().example(5).token().to_owned();
    for name in ["ACME_API_KEY=", "\"acmeToken\": \"", "acme.secret = '", "acme-auth => "] {
        assert_eq!(count(&rules, &format!("{name}{token}")), 1, "{name}");
    }
    for name in ["acme_commit=", "token=", "acme ", "ACME_API_KEY=x"] {
        assert_eq!(count(&rules, &format!("{name}{token}")), 0, "{name}");
    }
}

#[test]
fn parts_that_are_no_format_are_refused_with_the_key() {
    let cases = [
        (BY_PARTS.replace("\"alnum\"", "\"klingon\""), "key `alphabet`: `klingon` is none"),
        (BY_PARTS.replace("length = 38", "length = 0"), "key `length`"),
        (BY_PARTS.replace("length = 38", "length = [9, 8]"), "key `length`"),
        (BY_PARTS.replace("length = 38\n", ""), "key `length`"),
        (BY_PARTS.replace("alphabet = \"alnum\"\n", ""), "key `prefix`: it needs `alphabet` and `length` beside it"),
        (BY_PARTS.replace("prefix = [\"acme_\", \"acmx_\"]\n", ""), "key `prefix`: without one"),
        (BY_PARTS.replace("\"acmx_\"", "\"a\""), "key `keywords`: `a` is too short"),
        (format!("{BY_PARTS}pattern = 'acme_[a-z]+'\n"), "key `alphabet`: it makes pattern and keywords"),
    ];
    for (file, expected) in cases {
        let error = Rules::built_in().with_operator_file(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
}
