//! Hosts, as scopes compare them.

/// The host of a request, read in the one way that is common to all servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case, without port and final dot.
    Name(String),
    /// No plain name: an address, which has many spellings, or what servers read in different ways.
    Unclear,
}

impl Host {
    /// Reads an authority: host and perhaps port.
    pub fn of(authority: &[u8]) -> Self {
        let end = authority.iter().rposition(|b| !b.is_ascii_digit()).filter(|last| authority.get(*last) == Some(&b':'));
        let host = end.and_then(|end| authority.get(..end)).unwrap_or(authority);
        let host = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
        let mut labels = host.rsplit(|b| *b == b'.');
        // `127.1`, `0x7f.1` and `2130706433` are addresses to some.
        let is_name =
            labels.clone().all(is_label) && labels.next().is_some_and(|last| !last.first().is_some_and(u8::is_ascii_digit));
        String::from_utf8(host).ok().filter(|_| is_name).map_or(Self::Unclear, Self::Name)
    }

    /// Whether this is what `pattern` names, or may be: `api.example.com`, or `*.example.com` for all that is below.
    pub fn may_be(&self, pattern: &str) -> bool {
        match (self, pattern.strip_prefix('*')) {
            (Self::Unclear, _) => true,
            (Self::Name(name), Some(suffix)) => name.ends_with(suffix),
            (Self::Name(name), None) => name == pattern,
        }
    }
}

fn is_label(label: &[u8]) -> bool {
    !label.is_empty() && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
