//! Credentials inside URLs are secrets too: nothing that the scanner says repeats them. In doubt it says less.

use crate::address::Address;

/// Shows a text that is an address, or was meant to be one.
pub(crate) fn address(text: &str) -> String {
    let Some(address) = Address::split(text) else { return mistaken(text) };
    let Address { scheme, user_info, host, path } = address;
    let path = path.find(['?', '#']).map_or(path.to_owned(), |at| format!("{}***", &path[..=at]));
    match user_info {
        None if address.has_odd_port() => mistaken(text),
        None => format!("{}://{host}{path}", mistaken(scheme)),
        Some(_) if address.has_credentials() => format!("{}://***@{host}{path}", mistaken(scheme)),
        Some(user) => format!("{}://{user}@{host}{path}", mistaken(scheme)),
    }
}

/// Shows every URL in `text` without its credentials; a bare user name, as in `ssh://git@host`, stays. No URL that Git gets from
/// here has white space, so that ends one.
pub(crate) fn urls(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| if word.contains("://") { word_with_url(word) } else { word.to_owned() })
        .collect()
}

/// A quotation mark at the end belongs to the sentence, and one inside may belong to a password.
fn word_with_url(word: &str) -> String {
    let end = word.trim_end_matches(|c: char| c.is_whitespace() || "'\"<>:,;.)".contains(c)).len();
    let (mut rest, mut clean) = (&word[..end], word[end..].to_owned());
    // From the end, since one may follow another without a space.
    while let Some(scheme_end) = rest.rfind("://") {
        let begin = rest[..scheme_end].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-".contains(c)).len();
        clean.insert_str(0, &address(&rest[begin..]));
        rest = &rest[..begin];
    }
    clean.insert_str(0, rest);
    clean
}

/// A secret may stand anywhere before the last `@`, unless that is but a user's name.
fn mistaken(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) if before.contains(':') => format!("***@{after}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, urls};

    #[test]
    fn credentials_disappear_and_the_rest_stays() {
        assert_eq!(urls("https://user:pa@ss@host/x"), "https://***@host/x");
        assert_eq!(urls("fatal: 'http://tok@h:80/y' not found"), "fatal: 'http://***@h:80/y' not found");
        assert_eq!(urls("ssh://git@host/x and https://a:b@c"), "ssh://git@host/x and https://***@c");
        assert_eq!(urls(&format!("ssh://{}@host/x", "git:pw")), "ssh://***@host/x");
        assert_eq!(urls("https://host/a@b"), "https://host/a@b");
        assert_eq!(urls("no url: a@b\n x"), "no url: a@b\n x");
        assert_eq!(urls("(https://a:b@c,https://d:e@f/g)"), "(https://***@c,https://***@f/g)");
        assert_eq!(urls("'https://me:pa'ss@h/r': gone"), "'https://***@h/r': gone");
        assert_eq!(urls("'https://h/r?private_token=x': gone"), "'https://h/r?***': gone");
    }

    #[test]
    fn what_was_meant_to_be_an_address_is_shown_without_what_may_be_a_secret() {
        for text in
            ["https://me:pa/ss@h/r", "me:hunter22@h:r", "https:/me:hunter22@h/r", "https://me:a b@h/r", "me:pw@https://h/r"]
        {
            let shown = address(text);
            assert!(!shown.contains("me:") && shown.ends_with("h/r") || shown == "***@h:r", "{shown}");
        }
        for text in ["git@h:r", "a@b", "/srv/x", "https://h:8443/r@v", "ssh://git@h/r"] {
            assert_eq!(address(text), text);
        }
    }
}
