//! Credentials inside URLs are secrets too: nothing that the scanner says repeats them.

/// Replaces the credentials of every URL in `text`; a bare user name, as in `ssh://git@host`, stays.
pub(crate) fn urls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://").map(|at| at + 3) {
        let (before, after) = rest.split_at(scheme_end);
        clean.push_str(before);
        let authority = after.split(|c: char| c == '/' || c.is_whitespace() || "'\"<>".contains(c)).next().unwrap_or_default();
        rest = after;
        if let Some((user, host)) = authority.rsplit_once('@') {
            clean.push_str(if names_only_a_user(before, user) { user } else { "***" });
            clean.push('@');
            clean.push_str(host);
            rest = &after[authority.len()..];
        }
    }
    clean + rest
}

/// Over HTTP a lone user name may itself be a token; over SSH it never is.
fn names_only_a_user(before: &str, user: &str) -> bool {
    !user.contains(':') && (before.ends_with("ssh://") || before.ends_with("git://"))
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn credentials_disappear_and_the_rest_stays() {
        assert_eq!(urls("https://user:pa@ss@host/x"), "https://***@host/x");
        assert_eq!(urls("fatal: 'http://tok@h:80/y' not found"), "fatal: 'http://***@h:80/y' not found");
        assert_eq!(urls("ssh://git@host/x and https://a:b@c"), "ssh://git@host/x and https://***@c");
        assert_eq!(urls(&format!("ssh://{}@host/x", "git:pw")), "ssh://***@host/x");
        assert_eq!(urls("https://host/a@b"), "https://host/a@b");
        assert_eq!(urls("no url: a@b"), "no url: a@b");
    }
}
