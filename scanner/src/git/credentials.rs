//! Credentials inside a URL: they reach `git` by its environment, which only its owner can read, and not by its arguments, which
//! everybody on the machine can, nor are they written into the mirror's configuration.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::address::Address;

/// The address without credentials; those of an HTTP URL are handed to `command` as a header for its host alone.
pub(super) fn hand_over(url: &str, command: &mut Command) -> String {
    let plain = || url.to_owned();
    let Some(address) = Address::split(url).filter(Address::is_http) else { return plain() };
    let Address { scheme, user_info: Some(user_info), host, path } = address else { return plain() };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut pair = decoded(user);
    pair.push(b':');
    pair.extend(decoded(password));
    // The user may have settings in the environment too.
    let count = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0_u32);
    command.env("GIT_CONFIG_COUNT", count.saturating_add(1).to_string());
    command.env(format!("GIT_CONFIG_KEY_{count}"), format!("http.{scheme}://{host}/.extraHeader"));
    command.env(format!("GIT_CONFIG_VALUE_{count}"), format!("Authorization: Basic {}", STANDARD.encode(pair)));
    format!("{scheme}://{host}{path}")
}

/// Percent-decodes; what is no escape stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after.first_chunk::<2>().filter(|_| first == b'%');
        let byte = escape.and_then(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(url: &str) -> (String, Option<String>) {
        let mut command = Command::new("git");
        let address = hand_over(url, &mut command);
        let value = command
            .get_envs()
            .find(|(key, _)| key.to_string_lossy().starts_with("GIT_CONFIG_VALUE_"))
            .and_then(|(_, value)| value);
        (address, value.map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_address_loses_its_credentials_and_the_header_has_them() {
        let (address, header) = handed(&format!("https://{}@h:8443/r.git", "me%40x:p%2Fw"));
        assert_eq!(address, "https://h:8443/r.git");
        assert_eq!(header, Some(format!("Authorization: Basic {}", STANDARD.encode("me@x:p/w"))));
        assert_eq!(handed("https://tok@h").1, Some(format!("Authorization: Basic {}", STANDARD.encode("tok:"))));
    }

    #[test]
    fn other_addresses_stay_as_they_are() {
        for url in ["https://h/r@v", "ssh://git@h/r", "git@h:r", "file:///r"] {
            assert_eq!(handed(url), (url.to_owned(), None));
        }
    }

    #[test]
    fn half_escapes_are_kept() {
        assert_eq!(decoded("a%2"), b"a%2");
        assert_eq!(decoded("%zz%41"), b"%zzA");
    }
}
