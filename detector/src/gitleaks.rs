//! Rule files of Gitleaks, as they are: <https://github.com/gitleaks/gitleaks#configuration>.
//!
//! Such a rule is one expression, which runs over the whole text wherever one of its keywords stands in it, and lists of what it must not
//! report. Go's expressions and ours are close relatives, both of them linear. What has no counterpart here is left out and named.

mod allow;
mod foreign;
mod translate;

use serde::Deserialize;
use toml::{Table, Value};

use allow::{AllowSpec, Allowed};
pub(crate) use foreign::Foreign;

use crate::rule::{Rule, RuleError};

/// Where the form of these rules is documented.
pub(crate) const REFERENCE: &str = "https://github.com/gitleaks/gitleaks#configuration";
/// Keys of a file that say nothing about what is found.
const SILENT: &[&str] = &["title", "description", "minVersion"];

/// What a file brings.
pub(crate) struct Loaded {
    pub(crate) rules: Vec<Rule>,
    /// What was left out.
    pub(crate) notes: Vec<String>,
}

/// A rule exactly as a file spells it.
#[derive(Debug, Deserialize)]
struct Spec {
    id: String,
    #[serde(default)]
    description: String,
    regex: Option<String>,
    path: Option<String>,
    #[serde(default, rename = "secretGroup")]
    secret_group: usize,
    entropy: Option<f64>,
    #[serde(default)]
    keywords: Vec<String>,
    allowlist: Option<AllowSpec>,
    #[serde(default)]
    allowlists: Vec<AllowSpec>,
    #[serde(default, rename = "tags")]
    _tags: Vec<String>,
    #[serde(flatten)]
    unknown: Table,
}

/// Whether a file is one of Gitleaks rather than one of ours.
pub(crate) fn is_gitleaks(file: &Table) -> bool {
    file.get("rules").is_some_and(Value::is_array) || file.contains_key("extend")
}

/// Reads a file; the error names the rule and the key.
pub(crate) fn load(mut file: Table) -> Result<Loaded, RuleError> {
    let mut notes = Vec::new();
    let listed = list(&mut file, "rules", "rules")?;
    let mut everywhere: Vec<AllowSpec> = list(&mut file, "allowlists", "allowlists")?;
    everywhere.extend(file.remove("allowlist").map(|value| read("the file", "allowlist", value)).transpose()?);
    for key in file.keys().filter(|key| !SILENT.contains(&key.as_str())) {
        notes.push(format!("`{key}` is left out"));
    }
    let everywhere = everywhere.into_iter().map(|spec| spec.compile("the file", &mut notes)).collect::<Result<Vec<_>, _>>()?;
    let mut rules = Vec::new();
    for value in listed {
        let spec: Spec = read("a rule", "rules", value)?;
        rules.extend(spec.compile(&everywhere, &mut notes)?);
    }
    Ok(Loaded { rules, notes })
}

impl Spec {
    fn compile(self, everywhere: &[Allowed], notes: &mut Vec<String>) -> Result<Option<Rule>, RuleError> {
        let id = self.id.as_str();
        notes.extend(self.unknown.keys().map(|key| format!("rule `{id}`: `{key}` is left out")));
        let Some(regex) = &self.regex else {
            notes.push(format!("rule `{id}` is left out: it has no `regex`, and a path alone is no token"));
            return Ok(None);
        };
        let error = |key: &str, problem: String| RuleError { rule: id.to_owned(), key: key.to_owned(), problem };
        let pattern = translate::compile(regex).map_err(|problem| error("regex", problem))?;
        if self.secret_group >= pattern.captures_len() {
            return Err(error("secretGroup", format!("the expression has no group {}", self.secret_group)));
        }
        let path = self.path.as_deref().map(translate::compile).transpose().map_err(|problem| error("path", problem))?;
        let mut allowed = everywhere.to_vec();
        for spec in self.allowlist.into_iter().chain(self.allowlists) {
            allowed.push(spec.compile(id, notes)?);
        }
        let foreign = Foreign { group: self.secret_group, entropy: self.entropy.unwrap_or_default(), path, allowed };
        let name = if self.description.is_empty() { self.id.clone() } else { self.description };
        Ok(Some(Rule::foreign(self.id, name, self.keywords, pattern, foreign)))
    }
}

fn list<T: for<'de> Deserialize<'de>>(file: &mut Table, key: &str, what: &str) -> Result<Vec<T>, RuleError> {
    file.remove(key).map_or_else(|| Ok(Vec::new()), |value| read("the file", what, value))
}

fn read<T: for<'de> Deserialize<'de>>(rule: &str, key: &str, value: Value) -> Result<T, RuleError> {
    let id = value.get("id").and_then(Value::as_str).unwrap_or(rule).to_owned();
    value.try_into().map_err(|error: toml::de::Error| RuleError {
        rule: id,
        key: key.into(),
        problem: error.message().to_owned(),
    })
}
