//! One token format: what its file says, checked.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::anchor::begins_with;
use crate::example::Example;
use crate::gitleaks::Foreign;
use crate::shape::{Length, Shape, Texts};
use crate::{Checksum, Risk};

/// A compiled pattern may take this much memory, so that an operator's expression cannot take the machine's.
const PATTERN_SIZE_LIMIT: usize = 1 << 20;
/// Longer expressions are a mistake: the longest built-in one has about 200 bytes.
const PATTERN_TEXT_LIMIT: usize = 2_000;
/// Deeply nested groups cost stack while they are parsed.
const PATTERN_NEST_LIMIT: u32 = 32;
/// A shorter keyword stands everywhere, and its rule would run everywhere.
const KEYWORD_MIN: usize = 3;
/// How far from its keyword a token may stand when the rule does not say.
const DEFAULT_WINDOW: usize = 128;
/// The farthest that a rule may reach from its keyword.
const WINDOW_LIMIT: usize = 4_096;
/// Most tokens that look random reach more bits a character than this.
const DEFAULT_MIN_ENTROPY: f64 = 2.6;

/// A token format.
#[derive(Debug)]
pub struct Rule {
    spec: RuleSpec,
    anchored: bool,
    regex: OnceLock<Regex>,
    foreign: Option<Foreign>,
}

/// Which group of rules a rule belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A format that its provider documents.
    #[default]
    Format,
    /// An assignment that looks like a secret; noisy, therefore off unless asked for.
    Generic,
}

/// Why a rule was refused.
#[derive(Debug, thiserror::Error)]
#[error("rule `{rule}`: key `{key}`: {problem}")]
pub struct RuleError {
    /// The rule's id, or its place in the file when it has none.
    pub rule: String,
    /// The key that is wrong.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A rule exactly as a file spells it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSpec {
    id: String,
    name: String,
    risk: Risk,
    #[serde(default)]
    tier: Tier,
    /// A rule runs only where one of these stands (any case).
    #[serde(default)]
    keywords: Vec<String>,
    /// The token, or its surroundings with the token in the first group.
    #[serde(default)]
    pattern: String,
    /// Instead of keywords and pattern: what the token begins with,
    prefix: Option<Texts>,
    /// the letters after it,
    alphabet: Option<String>,
    /// how many,
    length: Option<Length>,
    /// what it ends with,
    #[serde(default)]
    suffix: String,
    /// and words of which one is in the name that the token is assigned to.
    #[serde(default)]
    context: Vec<String>,
    /// Rules beside whose tokens this one is looked for: alone, its tokens cannot be told from other text.
    #[serde(default)]
    beside: Vec<String>,
    #[serde(default)]
    checksum: Checksum,
    /// Bits a character below which a match is a placeholder.
    min_entropy: Option<f64>,
    /// Bytes besides letters, digits and `_` that cannot stand next to the token.
    #[serde(default)]
    boundary: String,
    /// The token encodes a structure, so repeated letters and low entropy are natural.
    #[serde(default)]
    structured: bool,
    /// The token ends by itself, in hours at most: what it opens is soon shut.
    #[serde(default)]
    short_lived: bool,
    /// Tests and examples of programs are full of such tokens, made for them alone.
    #[serde(default)]
    common_in_tests: bool,
    /// How far from the keyword the pattern may reach, in bytes.
    window: Option<usize>,
    reference: String,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    negative_examples: Vec<String>,
}

impl Rule {
    /// The name that reports, the API and the database use, such as `github-personal-access-token`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// The name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// How bad a leak is.
    #[must_use]
    pub const fn risk(&self) -> Risk {
        self.spec.risk
    }

    /// Whether such tokens end by themselves, in hours at most.
    #[must_use]
    pub const fn is_short_lived(&self) -> bool {
        self.spec.short_lived
    }

    /// Whether tests and examples of programs are full of such tokens, made for them alone: there, one has low confidence.
    #[must_use]
    pub const fn is_common_in_tests(&self) -> bool {
        self.spec.common_in_tests
    }

    /// The group of rules it belongs to.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.spec.tier
    }

    /// Where the provider documents the format.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.spec.reference
    }

    /// Makes a well-formed fake token with the text around it; another seed, another token.
    #[must_use]
    pub fn example(&self, seed: u64) -> Example {
        // Rules of Gitleaks have none.
        Example::expand(self.spec.examples.first().map_or("", String::as_str), seed)
    }

    /// Every example of the rule, made from `seed`.
    pub fn examples(&self, seed: u64) -> impl Iterator<Item = Example> + '_ {
        self.spec.examples.iter().map(move |template| Example::expand(template, seed))
    }

    /// Texts that resemble the format and must not match it.
    pub fn negative_examples(&self, seed: u64) -> impl Iterator<Item = Example> + '_ {
        self.spec.negative_examples.iter().map(move |template| Example::expand(template, seed))
    }

    pub(crate) fn new(mut spec: RuleSpec) -> Result<Self, RuleError> {
        spec.complete()?;
        check(&spec)?;
        let anchored = spec.beside.is_empty() && begins_with(&spec.pattern, &spec.keywords);
        Ok(Self { spec, anchored, regex: OnceLock::new(), foreign: None })
    }

    /// A rule of Gitleaks.
    pub(crate) fn foreign(id: String, name: String, keywords: Vec<String>, pattern: Regex, foreign: Foreign) -> Self {
        let keywords = keywords.into_iter().filter(|keyword| !keyword.is_empty()).collect();
        let (pattern_text, reference) = (pattern.as_str().to_owned(), crate::gitleaks::REFERENCE.to_owned());
        let spec = RuleSpec { id, name, keywords, pattern: pattern_text, reference, ..RuleSpec::default() };
        Self { spec, anchored: false, regex: OnceLock::from(pattern), foreign: Some(foreign) }
    }

    pub(crate) const fn as_foreign(&self) -> Option<&Foreign> {
        self.foreign.as_ref()
    }

    /// Another name for a rule whose id is taken.
    pub(crate) fn rename(&mut self, id: String) {
        self.spec.id = id;
    }

    /// Whether a match is to be reported in the file at `path`; `lists` are those of [`crate::Match::lists`].
    #[must_use]
    pub fn holds_at(&self, path: &str, lists: &[usize]) -> bool {
        self.foreign.as_ref().is_none_or(|foreign| foreign.holds_at(path, lists))
    }

    /// Compiles the pattern now instead of at its first use, to find out whether it is valid.
    pub(crate) fn compile(&self) -> Result<(), RuleError> {
        let regex = self.build().map_err(|error| self.spec.error("pattern", error.to_string()))?;
        if regex.is_match(b"") {
            return Err(self.spec.error("pattern", "it matches the empty text".into()));
        }
        // Losing a race only means that another thread stored the same pattern.
        let _ = self.regex.set(regex);
        Ok(())
    }

    /// The compiled pattern; compiled at its first use, since most scans meet few of the formats.
    pub(crate) fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| {
            // An operator's patterns are compiled when they are read; a test compiles every built-in one.
            self.build().expect("the pattern was checked")
        })
    }

    /// Whether a match begins exactly where the keyword does.
    pub(crate) const fn is_anchored(&self) -> bool {
        self.anchored
    }

    pub(crate) fn window(&self) -> usize {
        // Theirs run over the whole text.
        if self.foreign.is_some() { usize::MAX } else { self.spec.window.unwrap_or(DEFAULT_WINDOW) }
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.spec.pattern
    }

    pub(crate) fn keywords(&self) -> &[String] {
        &self.spec.keywords
    }

    /// The rules beside whose tokens this one is looked for.
    pub(crate) fn beside(&self) -> &[String] {
        &self.spec.beside
    }

    pub(crate) const fn checksum(&self) -> Checksum {
        self.spec.checksum
    }

    pub(crate) fn boundary(&self) -> &[u8] {
        self.spec.boundary.as_bytes()
    }

    pub(crate) const fn is_structured(&self) -> bool {
        self.spec.structured
    }

    pub(crate) fn min_entropy(&self) -> f64 {
        self.spec.min_entropy.unwrap_or(DEFAULT_MIN_ENTROPY)
    }

    fn build(&self) -> Result<Regex, regex::Error> {
        let pattern = if self.anchored { format!("^(?:{})", self.spec.pattern) } else { self.spec.pattern.clone() };
        // Without Unicode tables the patterns compile fifty times faster, match ten times faster, and match bytes.
        RegexBuilder::new(&pattern)
            .unicode(false)
            .size_limit(PATTERN_SIZE_LIMIT)
            .dfa_size_limit(PATTERN_SIZE_LIMIT)
            .nest_limit(PATTERN_NEST_LIMIT)
            .build()
    }
}

impl RuleSpec {
    /// Makes what follows from the parts of the token, where the rule names them instead of a pattern.
    fn complete(&mut self) -> Result<(), RuleError> {
        let Some(alphabet) = &self.alphabet else {
            let stray = [("prefix", self.prefix.is_some()), ("length", self.length.is_some())];
            return match stray.into_iter().chain([("context", !self.context.is_empty())]).find(|&(_, given)| given) {
                Some((key, _)) => Err(self.error(key, "it needs `alphabet` and `length` beside it".into())),
                None => Ok(()),
            };
        };
        if !self.pattern.is_empty() || !self.keywords.is_empty() {
            return Err(self.error("alphabet", "it makes pattern and keywords: leave these out".into()));
        }
        let shape = Shape {
            prefixes: self.prefix.as_ref().map(Texts::all).unwrap_or_default(),
            alphabet,
            length: self.length,
            suffix: &self.suffix,
            context: &self.context,
            checksum: self.checksum,
        };
        let made = shape.make().map_err(|(key, problem)| self.error(key, problem))?;
        (self.pattern, self.keywords) = (made.pattern, made.keywords);
        self.window = self.window.or(made.window);
        self.min_entropy = self.min_entropy.or(made.min_entropy);
        if self.boundary.is_empty() {
            made.boundary.clone_into(&mut self.boundary);
        }
        self.examples.extend(made.examples);
        self.negative_examples.extend(made.negative_examples);
        Ok(())
    }

    fn error(&self, key: &str, problem: String) -> RuleError {
        RuleError { rule: self.id.clone(), key: key.into(), problem }
    }
}

fn check(spec: &RuleSpec) -> Result<(), RuleError> {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let problem = if spec.id.is_empty() || !spec.id.bytes().all(word) {
        ("id", "use lower-case letters, digits and `-`".into())
    } else if spec.name.trim().is_empty() {
        ("name", "it is empty".into())
    } else if !spec.beside.is_empty() && !spec.keywords.is_empty() {
        ("beside", "such a rule has no keywords: it runs where the other has found something".into())
    } else if spec.keywords.is_empty() && spec.beside.is_empty() {
        ("keywords", "name at least one text that every token of this format has in it or beside it".into())
    } else if let Some(short) = spec.keywords.iter().find(|keyword| keyword.len() < KEYWORD_MIN) {
        ("keywords", format!("`{short}` is too short: use at least {KEYWORD_MIN} bytes"))
    } else if spec.pattern.is_empty() {
        ("pattern", "give one, or `prefix`, `alphabet` and `length` instead".into())
    } else if spec.pattern.len() > PATTERN_TEXT_LIMIT {
        ("pattern", format!("it is longer than {PATTERN_TEXT_LIMIT} bytes"))
    } else if spec.window.is_some_and(|window| window == 0 || window > WINDOW_LIMIT) {
        ("window", format!("use 1 to {WINDOW_LIMIT} bytes"))
    } else if spec.min_entropy.is_some_and(|bits| !(0.0..=8.0).contains(&bits)) {
        ("min_entropy", "use 0 to 8 bits a character".into())
    } else if spec.examples.is_empty() {
        ("examples", "give at least one, as a template such as `acme_{alnum:32}`".into())
    } else if let Some(bad) = Example::first_unknown(spec.examples.iter().chain(&spec.negative_examples)) {
        ("examples", format!("`{{{bad}}}` is no template field"))
    } else {
        return Ok(());
    };
    Err(spec.error(problem.0, problem.1))
}
