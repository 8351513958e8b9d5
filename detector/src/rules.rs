//! The set of rules that a scan uses: the built-in ones and the operator's own.

use std::sync::Arc;

use toml::{Table, Value};

use crate::gitleaks;
use crate::rule::{Rule, RuleError, RuleSpec, Tier};

/// The built-in formats, a file per theme.
const BUILT_IN: &[&str] = &[
    include_str!("../rules/code.toml"),
    include_str!("../rules/cloud.toml"),
    include_str!("../rules/services.toml"),
    include_str!("../rules/money.toml"),
    include_str!("../rules/models.toml"),
    include_str!("../rules/data.toml"),
    include_str!("../rules/identity.toml"),
    include_str!("../rules/chat.toml"),
    include_str!("../rules/chain.toml"),
    include_str!("../rules/pairs.toml"),
    include_str!("../rules/universal.toml"),
    include_str!("../rules/generic.toml"),
];
/// An operator's file may have this many bytes; a thousand rules fit.
const FILE_LIMIT: usize = 1 << 20;

/// A set of rules with unique ids.
#[derive(Clone, Debug)]
pub struct Rules {
    all: Vec<Arc<Rule>>,
    notes: Vec<String>,
    /// How many of them are built in; they come first.
    built_in: usize,
    /// Over the text of every file, so that a change of any rule is a new version.
    checksum: crc32fast::Hasher,
}

/// Why a file of rules was refused.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The text is no TOML.
    #[error("the rule file is not valid TOML: {0}")]
    Syntax(String),
    /// The file has something else than rules in it.
    #[error("the rule file has an unknown key `{0}` at the top: only `[[rule]]` tables belong there")]
    UnknownKey(String),
    /// There is more text than any real rule file has.
    #[error("the rule file has {got} bytes: at most {expected} are read")]
    TooLarge {
        /// The limit.
        expected: usize,
        /// The file's size.
        got: usize,
    },
    /// Two rules would be confused.
    #[error("rule `{0}`: key `id`: another rule has this id already")]
    Duplicate(String),
    /// One rule is wrong.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl Rules {
    /// The formats that Stopleak knows, without the generic ones.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a test reads the very same text")]
    pub fn built_in() -> Self {
        let mut rules = Self { all: Vec::new(), notes: Vec::new(), built_in: 0, checksum: crc32fast::Hasher::new() };
        for file in BUILT_IN {
            rules.add(file, false).expect("the built-in rules are valid");
        }
        rules.built_in = rules.all.len();
        rules
    }

    /// Adds the operator's own formats: a rule file of Gitleaks as it is (what is left out of it, [`Self::notes`] tells), or formats written like the built-in ones; [`crate::prove`] then holds them against their examples:
    ///
    /// ```toml
    /// [[rule]]
    /// id = "acme-deploy-key"              # lower-case letters, digits, `-`
    /// name = "Acme deploy key"
    /// risk = "high"                       # critical, high, medium, low
    /// keywords = ["acme_"]                # the pattern runs only where one of them stands, in any case
    /// pattern = 'acme_[0-9A-Za-z]{38}'    # of bytes; the token is the first group if there is one
    /// reference = "https://acme.example/docs/keys"
    /// examples = ["acme_{alnum:32}{crc32}"]          # templates; `<…>` marks the token in a longer text
    /// negative_examples = ["acme_{alnum:38}"]
    /// # What may be left out:
    /// checksum = "crc32_base62"           # none, crc32_base62, crc32_hex, crc32_base62_parts, crc16_base32, bech32, jwt
    /// min_entropy = 3.0                   # bits a character, without the prefix; 2.6
    /// boundary = "-"                      # bytes besides letters, digits and `_` that cannot stand beside the token
    /// structured = false                  # true: the token encodes something, so placeholders are not looked for
    /// short_lived = false                 # true: the token ends by itself, in hours at most; a leak's risk is low then
    /// common_in_tests = false             # true: at a path of tests or examples, a token is only reported on demand
    /// window = 128                        # how far from a keyword the pattern reaches when it does not begin with one
    /// beside = ["acme-key-id"]            # instead of keywords: the pattern runs only where this other rule has found something
    /// tier = "format"                     # generic: only reported on demand, with low confidence
    /// ```
    ///
    /// Instead of `keywords`, `pattern` and examples, a rule may tell the parts of its tokens:
    ///
    /// ```toml
    /// prefix = ["acme_", "acmx_"]         # one or several
    /// alphabet = "alnum"                  # a name that templates use
    /// length = 38                         # after the prefix, or [least, most]
    /// suffix = "=="                       # may be left out
    /// context = ["acme"]                  # the token is the value of a name that has this in it, and `key`, `token` or the like
    /// ```
    ///
    /// The fields of a template are `{alnum:N}`, `{lower:N}`, `{upper:N}`, `{letters:N}`, `{digits:N}`, `{hex:N}`,
    /// `{upper_hex:N}`, `{base32:N}`, `{base32_lower:N}`, `{base58:N}`, `{base64:N}`, `{base64url:N}`, `{uuid}`, `{crc32}`,
    /// `{crc32_hex}`, `{crc32_parts}`, `{crc16}`, `{bech32:NAME}`, `{bech32_lower:NAME}`, `{jwt}`, `{pem:LABEL}`,
    /// `{base64_of:TEXT}` and `{lit:TEXT}`.
    pub fn with_operator_file(mut self, text: &str) -> Result<Self, RulesError> {
        if text.len() > FILE_LIMIT {
            return Err(RulesError::TooLarge { expected: FILE_LIMIT, got: text.len() });
        }
        match text.parse::<Table>() {
            Ok(file) if gitleaks::is_gitleaks(&file) => self.add_gitleaks(text, file)?,
            _ => self.add(text, true)?,
        }
        Ok(self)
    }

    /// What of the operator's file was left out: keys of Gitleaks that have no counterpart here.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Every rule, those of the generic tier included.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter().map(AsRef::as_ref)
    }

    /// The rules of the operator's own.
    pub fn own(&self) -> impl Iterator<Item = &Rule> {
        self.iter().skip(self.built_in)
    }

    /// Whether it is one of the operator's own.
    #[must_use]
    pub fn is_own(&self, id: &str) -> bool {
        self.own().any(|rule| rule.id() == id)
    }

    /// The rule with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.iter().find(|rule| rule.id() == id)
    }

    /// Names this very set of rules, so that a blob is scanned again only when it is new or the rules are.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}-{:08x}", env!("CARGO_PKG_VERSION"), self.checksum.clone().finalize())
    }

    pub(crate) fn of_tiers(&self, generic: bool) -> Vec<Arc<Rule>> {
        self.all.iter().filter(|rule| generic || rule.tier() == Tier::Format).cloned().collect()
    }

    /// Adds the rules of a file of Gitleaks. Some of theirs have ids that ours have too.
    fn add_gitleaks(&mut self, text: &str, file: Table) -> Result<(), RulesError> {
        let loaded = gitleaks::load(file)?;
        self.notes.extend(loaded.notes);
        for mut rule in loaded.rules {
            if self.get(rule.id()).is_some() {
                rule.rename(format!("gitleaks-{}", rule.id()));
            }
            if self.get(rule.id()).is_some() {
                return Err(RulesError::Duplicate(rule.id().into()));
            }
            self.all.push(Arc::new(rule));
        }
        self.checksum.update(text.as_bytes());
        Ok(())
    }

    /// The first rule that is to run beside another one that does not exist.
    fn first_without_companion(&self) -> Option<(&Rule, &str)> {
        let named = self.iter().flat_map(|rule| rule.beside().iter().map(move |id| (rule, id.as_str())));
        named.into_iter().find(|(_, id)| self.get(id).is_none())
    }

    fn add(&mut self, text: &str, compile: bool) -> Result<(), RulesError> {
        let mut file: Table = text.parse().map_err(|error: toml::de::Error| RulesError::Syntax(error.to_string()))?;
        let listed = file.remove("rule").unwrap_or_else(|| Value::Array(Vec::new()));
        if let Some(key) = file.keys().next() {
            return Err(RulesError::UnknownKey(key.clone()));
        }
        let Value::Array(listed) = listed else { return Err(RulesError::UnknownKey("rule".into())) };
        for (index, value) in listed.into_iter().enumerate() {
            let rule = read(index, value)?;
            if compile {
                rule.compile()?;
            }
            if self.get(rule.id()).is_some() {
                return Err(RulesError::Duplicate(rule.id().into()));
            }
            self.all.push(Arc::new(rule));
        }
        if let Some((rule, unknown)) = self.first_without_companion() {
            let problem = format!("there is no rule `{unknown}`");
            return Err(RuleError { rule: rule.id().into(), key: "beside".into(), problem }.into());
        }
        self.checksum.update(text.as_bytes());
        Ok(())
    }
}

/// Reads one rule; the error names the rule and the key.
fn read(index: usize, value: Value) -> Result<Rule, RuleError> {
    let id = value.get("id").and_then(Value::as_str).map_or_else(|| format!("number {}", index + 1), str::to_owned);
    let spec: RuleSpec = value.try_into().map_err(|error: toml::de::Error| {
        let key = key_of(&error.to_string()).to_owned();
        RuleError { rule: id, key, problem: error.message().to_owned() }
    })?;
    Rule::new(spec)
}

/// The key that the error is about: TOML says it last, in a line such as "in `risk`"; serde's own sentences
/// about a missing or unknown key have it between their first back quotes.
fn key_of(error: &str) -> &str {
    let path = error.lines().rev().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
    path.or_else(|| error.split('`').nth(1)).unwrap_or("?")
}
