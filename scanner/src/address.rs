//! The parts of a URL, for everybody here who looks at one: what is a password for one must be a password for all.

/// A URL in its parts, which make it up again when they are put together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address<'t> {
    /// What stands before `://`.
    pub(crate) scheme: &'t str,
    /// What stands before the `@`, if there is one; a password may hold further ones.
    pub(crate) user_info: Option<&'t str>,
    /// Host and port.
    pub(crate) host: &'t str,
    /// The rest, from the first `/`, `?` or `#`.
    pub(crate) path: &'t str,
}

impl<'t> Address<'t> {
    /// `None` when `text` is no URL.
    pub(crate) fn split(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        Some(Self { scheme, user_info, host, path })
    }

    /// Over HTTP alone a password is something that Git uses, and a lone user name may itself be a token.
    pub(crate) fn is_http(&self) -> bool {
        ["http", "https"].iter().any(|http| self.scheme.eq_ignore_ascii_case(http))
    }

    /// Whether the port is none. Then this is no host, but a user whose password has a `/`.
    pub(crate) fn has_odd_port(&self) -> bool {
        // The address of an IPv6 host has colons inside brackets.
        let after = self.host.rsplit_once(']').map_or(self.host, |(_, after)| after);
        after.split_once(':').is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Whether what stands before the `@` is a secret.
    pub(crate) fn has_credentials(&self) -> bool {
        self.user_info.is_some_and(|user| self.is_http() || user.contains(':'))
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn the_last_at_sign_before_the_path_ends_the_credentials() {
        let split = |text| Address::split(text).map(|Address { user_info, host, path, .. }| (user_info, host, path));
        assert_eq!(split("https://me:p@'s@h:1/r@v"), Some((Some("me:p@'s"), "h:1", "/r@v")));
        assert_eq!(split("https://h?key=a@b"), Some((None, "h", "?key=a@b")));
        assert_eq!(split("file:///r"), Some((None, "", "/r")));
        assert_eq!(split("git@h:r"), None);
    }

    #[test]
    fn a_password_with_a_slash_looks_like_a_port() {
        let odd = |text| Address::split(text).unwrap().has_odd_port();
        assert!(odd("https://me:pa/ss@h/r"));
        for text in ["https://h/r", "https://h:8443/r", "https://[::1]/r", "https://[::1]:80/r", "https://h:/r"] {
            assert!(!odd(text), "{text}");
        }
    }
}
