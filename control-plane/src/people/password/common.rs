//! Passwords that everybody tries first.
//!
//! A list of the most common passwords has little that is as long as ours must be. What is common at that length is a common word or
//! two with something around them, in a spelling of digits and signs: that is recognised by its parts.

/// Words of which common passwords are made, in lower case.
const WORDS: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "pass",
    "secret",
    "geheim",
    "letmein",
    "welcome",
    "willkommen",
    "admin",
    "administrator",
    "root",
    "user",
    "login",
    "test",
    "testing",
    "guest",
    "default",
    "changeme",
    "change",
    "master",
    "access",
    "system",
    "server",
    "stopleak",
    "company",
    "qwerty",
    "qwertz",
    "azerty",
    "qwertyuiop",
    "qwertzuiop",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "zxcvbn",
    "zxcvbnm",
    "yxcvbnm",
    "qazwsx",
    "qwer",
    "iloveyou",
    "ilove",
    "love",
    "you",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "basketball",
    "soccer",
    "hockey",
    "superman",
    "batman",
    "spiderman",
    "pokemon",
    "starwars",
    "princess",
    "sunshine",
    "shadow",
    "michael",
    "jordan",
    "charlie",
    "jennifer",
    "daniel",
    "thomas",
    "jessica",
    "ashley",
    "hunter",
    "summer",
    "winter",
    "spring",
    "autumn",
    "sommer",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "hello",
    "hallo",
    "computer",
    "internet",
    "freedom",
    "whatever",
    "trustno",
    "correct",
    "horse",
    "battery",
    "staple",
    "abc",
    "abcd",
    "abcdef",
    "my",
    "the",
    "is",
    "a",
    "i",
    "me",
    "please",
    "cookie",
    "cheese",
    "flower",
    "orange",
    "banana",
    "purple",
    "yellow",
    "silver",
    "golden",
    "diamond",
    "ginger",
    "pepper",
    "killer",
    "matrix",
    "mustang",
    "ferrari",
    "mercedes",
    "google",
    "facebook",
    "microsoft",
    "windows",
    "linux",
    "ubuntu",
    "android",
    "apple",
    "samsung",
    "london",
    "berlin",
    "paris",
    "newyork",
    "america",
    "liverpool",
    "chelsea",
    "arsenal",
    "barcelona",
    "security",
    "private",
    "database",
    "oracle",
];
/// Rows and orders that fingers follow.
const RUNS: &[&str] =
    &["abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm"];
/// Fewer different characters than that are a pattern.
const MIN_DISTINCT: usize = 5;
/// A run has that many characters at least.
const MIN_RUN: usize = 3;

/// Whether the password is among the first that are tried for this account.
pub(super) fn is_common(account: &str, password: &str) -> bool {
    let lower = password.to_lowercase();
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < MIN_DISTINCT {
        return true;
    }
    let account = letters(&account.to_lowercase());
    // As it is typed, and with the signs that stand for letters read as those.
    [letters(&lower), letters(&unleet(&lower))].iter().any(|core| is_made_of(core, &account)) || is_runs(&lower)
}

/// Whether nothing is left when common words, the account's name and runs of keys are taken out.
fn is_made_of(core: &str, account: &str) -> bool {
    let mut reachable = vec![false; core.len() + 1];
    reachable[0] = true;
    for at in 0..core.len() {
        let (true, Some(rest)) = (reachable[at], core.get(at..)) else { continue };
        let words = WORDS.iter().copied().chain([account]).filter(|word| !word.is_empty() && rest.starts_with(word));
        for length in words.map(str::len).chain(run(rest)) {
            reachable[at + length] = true;
        }
    }
    reachable[core.len()]
}

/// Whether all of it is runs of keys, forwards or backwards.
fn is_runs(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(length) = run(rest) else { return false };
        rest = &rest[length..];
    }
    true
}

/// The length of the longest run that the text begins with.
fn run(text: &str) -> Option<usize> {
    let backwards = RUNS.iter().map(|run| run.chars().rev().collect::<String>());
    let both = RUNS.iter().map(|&run| run.to_owned()).chain(backwards);
    both.filter_map(|run| (MIN_RUN..=run.len()).rev().find(|&n| text.get(..n).is_some_and(|head| run.contains(head)))).max()
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic()).collect()
}

fn unleet(text: &str) -> String {
    let plain = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    // Digits at the end are a year or a number, not letters.
    let end = text.trim_end_matches(|c: char| !c.is_alphabetic()).len();
    text[..end].chars().map(plain).collect()
}
