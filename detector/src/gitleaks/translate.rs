//! Go's expressions as ours.

use regex::bytes::{Regex, RegexBuilder};

/// The longest of the expressions that Gitleaks comes with has about 1,700 bytes; lists of words have more.
const TEXT_LIMIT: usize = 32_000;
/// A compiled expression may take this much memory, and the automaton that is made of it while it runs as much again.
const SIZE_LIMIT: usize = 8 << 20;
/// Deeply nested groups cost stack while they are parsed.
const NEST_LIMIT: u32 = 64;

/// Compiles an expression of Go's `regexp`, of bytes. What takes too much memory is refused; what is compiled runs in linear time.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    if text.len() > TEXT_LIMIT {
        return Err(format!("it is longer than {TEXT_LIMIT} bytes"));
    }
    RegexBuilder::new(&unquoted(text))
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .map_err(|error| error.to_string())
}

/// Go knows `\Q…\E`, which takes what is between literally, and `\z`, which both know. Letters beyond ASCII are groups of bytes here.
fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = &rest[at..];
        if let Some(quoted) = escaped.strip_prefix("\\Q") {
            let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&regex::escape(literal));
            rest = after;
        } else {
            let length = 1 + escaped[1..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&escaped[..length]);
            rest = &escaped[length..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_go_are_read() {
        let finds = |expression: &str, text: &str| compile(expression).unwrap().is_match(text.as_bytes());
        assert!(finds(r"(?i)\Qa.b\E[[:alnum:]]{3}\z", "A.Bx9z"));
        assert!(!finds(r"\Qa.b\E", "axb"));
        assert!(finds(r"(?P<name>\x60k\\)", "`k\\"));
        assert!(compile(r"(?i)[a-z]{1000}{1000}{1000}").unwrap_err().contains("size limit"));
        assert!(compile(&"(".repeat(99)).is_err());
        assert!(compile("a(?=b)").unwrap_err().contains("look-around"));
    }
}
