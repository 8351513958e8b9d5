//! How much there is, and how it is spread: by arithmetic on the number of a row, so that every run has the same.

use stopleak_contract::Token;
use stopleak_tests::tokens;

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub leaks: i64,
    /// About so many: each leak has one at least.
    pub tokens: i64,
    pub attempts: i64,
}

/// A prime above all numbers of rows; its square fits into an `i64`.
const PRIME: i64 = 1_000_000_007;
/// Of a hundred tokens, how many each of ten leaks has: most have one or two.
const SHARES: [i64; 10] = [1, 1, 1, 2, 2, 3, 5, 10, 25, 50];
/// The leak that has a thousandth of all tokens.
const LARGEST: i64 = 1_001;
/// Leaks that one source has on average.
const LEAKS_OF_SOURCE: i64 = 500;
/// People who have leaks.
pub const PEOPLE: i64 = 40;

impl Default for Sizes {
    fn default() -> Self {
        Self { leaks: 1_000_000, tokens: 10_000_000, attempts: 10_000_000 }
    }
}

impl Sizes {
    /// Repositories.
    pub fn sources(self) -> i64 {
        (self.leaks / LEAKS_OF_SOURCE).max(10)
    }

    /// The leak with most tokens, as far as there is one.
    pub fn largest(self) -> i64 {
        LARGEST.min(self.leaks)
    }

    /// Tokens of the largest leak; a request can bring ten thousand.
    pub fn tokens_of_largest(self) -> i64 {
        (self.tokens / 1_000).clamp(1, 10_000)
    }

    /// Tokens that an ordinary leak has at most.
    pub fn most_tokens(self) -> i64 {
        self.share(50)
    }

    /// SQL: how many tokens the leak `i` has.
    pub fn tokens_of(self, i: &str) -> String {
        let cases: Vec<_> = SHARES.iter().enumerate().map(|(n, share)| format!("WHEN {n} THEN {}", self.share(*share))).collect();
        let largest = format!("CASE WHEN {i} = {} THEN {}", self.largest(), self.tokens_of_largest());
        format!("{largest} ELSE CASE {i} % 10 {} ELSE 0 END END", cases.join(" "))
    }

    /// The leak whose tokens turn up most: a twentieth of all attempts are of the first of them.
    pub fn busiest_token(self) -> i64 {
        self.tokens / 3 + 1
    }

    fn share(self, of_hundred: i64) -> i64 {
        (of_hundred * self.tokens / (10 * self.leaks)).max(1)
    }
}

/// SQL: a number from 0 to `below - 1` that looks random; each `salt` gives another.
pub fn any(i: &str, salt: i64, below: i64) -> String {
    let factor = (salt + 7) * 179_424_673 % PRIME;
    let scattered = format!("(({i} % {PRIME} * {factor} + {salt}) % {PRIME})");
    // Its low and its high part change places, since numbers in a row would be evenly apart.
    format!("(({scattered} % 65521 * 48271 + {scattered} / 65521) % {below})")
}

/// SQL: the same, with small numbers far more often than large ones.
pub fn mostly_low(i: &str, salt: i64, below: i64) -> String {
    format!("({} * {} / {below})", any(i, salt, below), any(i, salt + 500, below))
}

/// SQL: `kinds (k, rule, length, classes)`, what tokens there are, and how many kinds.
pub fn kinds() -> (String, i64) {
    let mut rows = Vec::new();
    for (rule, text) in tokens::all_formats(1) {
        let Ok(token) = Token::parse(text.as_bytes()) else { continue };
        let (length, kind) = (token.as_bytes().len(), token.kind());
        let classes = kind.classes().map_or(0, stopleak_contract::index::Classes::bits);
        rows.push(format!("({}, '{rule}', {length}, {classes})", rows.len()));
    }
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    (format!("kinds (k, rule, length, classes) AS (VALUES {})", rows.join(", ")), count)
}

/// The rule that found most tokens, and one that found few.
pub fn rules() -> (String, String) {
    let mut all = tokens::all_formats(1).map(|(rule, _)| rule);
    let first = all.next().unwrap_or_default();
    (first.clone(), all.last().unwrap_or(first))
}
