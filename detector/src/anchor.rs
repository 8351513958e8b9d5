//! Whether a pattern always begins with one of its keywords: then it is tried exactly where the keyword stands, and nowhere else.

/// Whether everything that the pattern matches begins with one of the keywords, as far as its text shows.
pub(crate) fn begins_with(pattern: &str, keywords: &[String]) -> bool {
    let alternatives = match pattern.strip_prefix("(?:").and_then(|rest| rest.split_once(')')) {
        Some((alternatives, rest)) if !is_quantifier(rest) => alternatives.split('|').collect(),
        _ if has_top_level_alternative(pattern) => return false,
        _ => vec![pattern],
    };
    alternatives.iter().all(|text| {
        let literal = literal_prefix(text);
        keywords.iter().any(|keyword| literal.starts_with(keyword.as_bytes()))
    })
}

/// The bytes that a pattern begins with before anything but plain text comes.
fn literal_prefix(pattern: &str) -> Vec<u8> {
    let mut literal = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let escaped = first == '\\';
        let Some(letter) = (if escaped { rest[1..].chars().next() } else { Some(first) }) else { break };
        let plain = if escaped { letter.is_ascii_punctuation() } else { !"[](){}|?*+.^$".contains(letter) };
        rest = &rest[usize::from(escaped) + letter.len_utf8()..];
        if !plain || !letter.is_ascii() || is_quantifier(rest) {
            break;
        }
        literal.push(letter as u8);
    }
    literal
}

fn is_quantifier(rest: &str) -> bool {
    rest.starts_with(['?', '*', '+', '{'])
}

/// An alternative at the top level could begin otherwise than the pattern's text does.
fn has_top_level_alternative(pattern: &str) -> bool {
    let (mut depth, mut in_class, mut escaped) = (0_u32, false, false);
    for byte in pattern.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class => depth = depth.saturating_sub(1),
            b'|' if !in_class && depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchored(pattern: &str, keywords: &[&str]) -> bool {
        let keywords: Vec<_> = keywords.iter().map(|&keyword| keyword.to_owned()).collect();
        begins_with(pattern, &keywords)
    }

    #[test]
    fn a_pattern_is_anchored_when_it_always_begins_with_a_keyword() {
        assert!(anchored("ghp_[a-z]{9}", &["ghp_"]));
        assert!(anchored(r"v1\.0-[0-9]+", &["v1.0-"]));
        assert!(anchored("(?:abc|abd)[0-9]", &["abc", "abd"]));
        assert!(anchored(r"a\$b(c|d)", &["a$b"]));
        assert!(!anchored("(?:abc|xyz)[0-9]", &["abc"]));
        assert!(!anchored("(?:abc|abd)?[0-9]", &["abc", "abd"]));
        assert!(!anchored("abc?[0-9]", &["abc"]));
        assert!(!anchored("abc|[0-9]+", &["abc"]));
        assert!(!anchored("(?i:abc)", &["abc"]));
        assert!(!anchored(r"ab\dc", &["abd"]));
        assert!(!anchored("[a]bc", &["abc"]));
    }
}
