//! Hosts, as scopes compare them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host of a request, read in the one way that is common to all servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case, without port and final dot.
    Name(String),
    /// An address, however it was spelt.
    Address(IpAddr),
    /// Neither, so that nobody knows where a server would see it.
    Unclear,
}

impl Host {
    /// Reads an authority: host and perhaps port.
    pub fn of(authority: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(authority) else { return Self::Unclear };
        if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_digits);
            return match address.parse::<Ipv6Addr>() {
                Ok(address) if is_port => Self::Address(IpAddr::V6(address).to_canonical()),
                _ => Self::Unclear,
            };
        }
        let name = text.rsplit_once(':').filter(|(_, port)| is_digits(port)).map_or(text, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Self::Address(address.into());
        }
        // `127.1`, `0x7f.1` and `2130706433` are addresses to some.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.starts_with(|first: char| first.is_ascii_digit()) || !name.split('.').all(is_label) {
            return Self::Unclear;
        }
        Self::Name(name)
    }

    /// Whether this is what `pattern` names, or may be: `api.example.com`, or `*.example.com` for all that is below.
    pub fn may_be(&self, pattern: &str) -> bool {
        match (self, pattern.strip_prefix('*')) {
            (Self::Unclear, _) => true,
            (Self::Name(name), Some(suffix)) => name.ends_with(suffix),
            (_, Some(_)) => false,
            (_, None) => *self == Self::of(pattern.as_bytes()),
        }
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}
