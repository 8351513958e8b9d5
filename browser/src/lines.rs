//! What was pasted, line by line.

use std::collections::HashSet;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use stopleak_contract::index::Classes;
use stopleak_contract::{Fingerprint, FingerprintKeys, Token, TokenError};
use stopleak_detector::{Detector, Rule, Rules};

/// Reads texts with tokens.
pub struct Reader {
    detector: Detector,
    keys: FingerprintKeys,
    with_hashes: bool,
}

/// A line in which something stands, or a token of several in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which, counted from 1.
    pub line: usize,
    /// What it is.
    pub state: State,
    /// What people may see of the token; empty when there is none.
    pub preview: String,
    /// The format, when it is a known one.
    pub rule: Option<String>,
    /// How bad one of that format is.
    pub risk: Option<&'static str>,
    /// Why it should not be blocked without asking.
    pub weakness: Option<&'static str>,
    /// What is sent of it, when it is sent.
    pub sent: Option<String>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its token is sent.
    Taken,
    /// The same token stands above.
    Duplicate,
    /// Too short: it would match by accident.
    TooShort,
    /// Too long for a token.
    TooLong,
    /// Words, and no token of a known format among them.
    NoToken,
    /// There are as many tokens above as are sent at once.
    TooMany,
}

/// Tokens that are sent at once: they fit into one request, also with a second fingerprint and a hash.
pub const AT_ONCE: usize = 5_000;

impl Reader {
    /// Under these keys. The SHA-256 of tokens is told only when it is wanted.
    #[must_use]
    pub fn new(keys: FingerprintKeys, with_hashes: bool) -> Self {
        Self { detector: Detector::new(&Rules::built_in()), keys, with_hashes }
    }

    /// What stands in the text, in its order. A line is a token, unless tokens of known formats stand in it.
    #[must_use]
    pub fn read(&self, text: &str) -> Vec<Line> {
        let mut found = Vec::new();
        self.detector.scan(text.as_bytes(), |found_here| found.push((found_here.span, found_here.rule)));
        let mut found = found.into_iter().peekable();
        let (mut lines, mut seen, mut end_of_last) = (Vec::new(), HashSet::new(), 0);
        let mut start = 0;
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let end = start + line.len();
            // The rest of a token that began above, such as a private key.
            let mut is_told = end_of_last > start;
            while let Some((span, rule)) = found.next_if(|(span, _)| span.start < end) {
                end_of_last = span.end;
                is_told = true;
                let token = text.as_bytes().get(span).unwrap_or_default();
                lines.push(self.line(number, token, Some(rule), &mut seen));
            }
            start = end;
            let line = line.trim();
            if is_told || line.is_empty() {
                continue;
            }
            if line.contains(char::is_whitespace) {
                lines.push(Line::without(number, State::NoToken));
            } else {
                lines.push(self.line(number, line.as_bytes(), None, &mut seen));
            }
        }
        lines
    }

    fn line(&self, number: usize, text: &[u8], rule: Option<&Rule>, seen: &mut HashSet<Fingerprint>) -> Line {
        let token = match Token::parse(text) {
            Ok(token) => token,
            Err(TokenError::TooShort { .. }) => return Line::without(number, State::TooShort),
            Err(TokenError::TooLong { .. }) => return Line::without(number, State::TooLong),
        };
        let fingerprint = Fingerprint::of(&self.keys.first, &token);
        let state = if seen.contains(&fingerprint) {
            State::Duplicate
        } else if seen.len() == AT_ONCE {
            State::TooMany
        } else {
            seen.insert(fingerprint);
            State::Taken
        };
        Line {
            line: number,
            state,
            preview: token.preview(),
            rule: rule.map(|rule| rule.name().to_owned()),
            risk: rule.map(|rule| rule.risk().as_str()),
            weakness: token.weakness().map(stopleak_contract::Weakness::as_str),
            sent: (state == State::Taken).then(|| self.sent(&token, &fingerprint, rule)),
        }
    }

    /// In one line and in this order: fingerprint, second fingerprint, length, classes, weakness, rule, SHA-256, preview; `-` stands for
    /// what is not there.
    fn sent(&self, token: &Token, fingerprint: &Fingerprint, rule: Option<&Rule>) -> String {
        const NONE: &str = "-";
        let second = self.keys.second.as_ref().map(|key| hex(Fingerprint::of(key, token).as_bytes()));
        let weakness = token.weakness();
        // Whoever guesses a token could find its hash: such a one has none.
        let hash = (self.with_hashes && weakness.is_none()).then(|| hex(&Sha256::digest(token.as_bytes())));
        [
            hex(fingerprint.as_bytes()).as_str(),
            second.as_deref().unwrap_or(NONE),
            &token.as_bytes().len().to_string(),
            &Classes::of(token.as_bytes()).bits().to_string(),
            weakness.map_or(NONE, stopleak_contract::Weakness::as_str),
            rule.map_or(NONE, Rule::id),
            hash.as_deref().unwrap_or(NONE),
            &token.preview(),
        ]
        .join(" ")
    }
}

impl Line {
    fn without(line: usize, state: State) -> Self {
        Self { line, state, preview: String::new(), rule: None, risk: None, weakness: None, sent: None }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use stopleak_contract::FingerprintKey;

    use super::*;

    fn reader() -> Reader {
        Reader::new(FingerprintKey::new([7; 32]).into(), true)
    }

    fn states(text: &str) -> Vec<(usize, State)> {
        reader().read(text).into_iter().map(|line| (line.line, line.state)).collect()
    }

    #[test]
    fn each_line_is_told() {
        let text = "fk_9aQ7zLm2Xw4RtB8v\n\n short\n'fk_9aQ7zLm2Xw4RtB8v'\r\nnot a token at all\nchangeme\n";
        let expected = [(1, State::Taken), (3, State::TooShort), (4, State::Duplicate), (5, State::NoToken), (6, State::Taken)];
        assert_eq!(states(text), expected);
        assert_eq!(states(&"a".repeat(Token::MAX_LEN + 1)), [(1, State::TooLong)]);
        assert_eq!(states(""), []);
    }

    #[test]
    fn what_is_sent_is_what_the_server_would_have_made_of_the_token_and_not_the_token() {
        let (text, key) = ("fk_9aQ7zLm2Xw4RtB8v", FingerprintKey::new([7; 32]));
        let token = Token::parse(text.as_bytes()).unwrap();
        let lines = reader().read(text);
        let sent = lines[0].sent.as_deref().unwrap();
        let fields: Vec<&str> = sent.split(' ').collect();
        assert_eq!(fields[0], hex(Fingerprint::of(&key, &token).as_bytes()));
        assert_eq!(fields[1..6], ["-", "19", "15", "-", "-"]);
        assert_eq!(fields[6], hex(&Sha256::digest(text.as_bytes())));
        assert_eq!(fields[7], token.preview());
        assert!(!serde_json::to_string(&lines).unwrap().contains(&text[4..12]));
        let weak = reader().read("changeme");
        assert_eq!(weak[0].weakness, Some("placeholder"));
        assert_eq!(weak[0].sent.as_deref().unwrap().split(' ').nth(6), Some("-"), "somebody could guess it");
        let without = Reader::new(key.into(), false).read(text);
        assert_eq!(without[0].sent.as_deref().unwrap().split(' ').nth(6), Some("-"), "nobody asked for it");
    }

    #[test]
    fn tokens_of_known_formats_are_found_among_words() {
        let reader = reader();
        let rule = reader.detector.rules().find(|rule| rule.id() == "github-personal-access-token").unwrap();
        let token = stopleak_detector::token(rule.id(), 1).unwrap();
        let lines = reader.read(&format!("before\nexport TOKEN=\"{token}\" # of the pipeline\n{token}"));
        assert_eq!(lines.iter().map(|line| line.state).collect::<Vec<_>>(), [State::Taken, State::Taken, State::Duplicate]);
        assert_eq!((lines[1].rule.as_deref(), lines[1].risk), (Some(rule.name()), Some(rule.risk().as_str())));
        let whole = Token::parse(token.as_bytes()).unwrap();
        assert_eq!(lines[1].preview, whole.preview());
    }

    #[test]
    fn no_more_are_sent_than_fit() {
        let text: Vec<String> = (0..AT_ONCE + 2).map(|n| format!("fk_9aQ7zLm2Xw4RtB8v{n}")).collect();
        let lines = reader().read(&text.join("\n"));
        assert_eq!(lines.iter().filter(|line| line.state == State::Taken).count(), AT_ONCE);
        assert_eq!(lines.last().unwrap().state, State::TooMany);
    }
}
