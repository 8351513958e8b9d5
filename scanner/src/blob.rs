//! Matching one blob or file.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use stopleak_contract::Token;
use stopleak_detector::{Claims, Confidence, Detector, Match, Reason, Rule};

use crate::encoding::narrowed;
use crate::{Finding, archive, place};

/// A token in a blob whose path is not known yet.
pub(crate) struct Hit<'d> {
    rule: &'d Rule,
    confidence: Confidence,
    reasons: Vec<Reason>,
    claims: Option<Claims>,
    lists: Vec<usize>,
    /// In which file inside the blob; empty for the blob itself.
    pub(crate) inside: String,
    /// Where it begins in the bytes.
    pub(crate) offset: usize,
    pub(crate) line: u64,
    pub(crate) column: u64,
    token: Token,
}

/// Finds the tokens of one blob, and of what can be decoded from it, in the order of their places.
pub(crate) fn hits<'d>(detector: &'d Detector, bytes: &[u8]) -> Vec<Hit<'d>> {
    judge(detector, bytes).0
}

/// Whether a blob has no token, given that one without any has everything but the `changes`.
pub(crate) fn stays_clean(detector: &Detector, bytes: &[u8], changes: &[Range<usize>]) -> bool {
    matches!(narrowed(bytes), Cow::Borrowed(bytes) if detector.stays_clean(bytes, changes))
}

/// As [`hits`]; tells also whether the detector found nothing at all, not even what is no token after all.
pub(crate) fn judge<'d>(detector: &'d Detector, bytes: &[u8]) -> (Vec<Hit<'d>>, bool) {
    let bytes: &[u8] = &narrowed(bytes);
    let (mut hits, mut clean) = (Vec::new(), true);
    detector.scan_decoded(bytes, &mut |found, token| {
        clean = false;
        // Whatever is no token by contract cannot be blocked either.
        let Ok(token) = Token::parse(token) else { return };
        let Match { rule, confidence, mut reasons, claims, lists, span, .. } = found;
        if claims.as_ref().is_some_and(|claims| claims.ended_by(now())) {
            reasons.push(Reason::Expired);
        }
        if place::is_test_code(bytes, span.start) {
            reasons.push(Reason::TestCode);
        }
        let inside = String::new();
        hits.push(Hit { rule, confidence, reasons, claims, lists, inside, offset: span.start, line: 0, column: 0, token });
    });
    // What is found twice, as it is and decoded, keeps the order in which it was found.
    hits.sort_by_key(|hit| hit.offset);
    let mut lines = Lines::default();
    for hit in &mut hits {
        (hit.line, hit.column) = lines.advance(bytes, hit.offset);
    }
    (hits, clean)
}

/// In seconds since 1970; a clock that stands before that says that nothing has ended.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Hit<'_> {
    /// Says which file the hit is in, unless its rule allows such tokens there.
    pub(crate) fn at(mut self, path: String) -> Option<Finding> {
        let path = archive::path_inside(path, &self.inside);
        if !self.rule.holds_at(&path, &self.lists) {
            return None;
        }
        self.reasons.extend(place::reason(&path));
        let is_test = place::purpose(&path).is_some() || self.reasons.contains(&Reason::TestCode);
        let unlikely = is_test && self.rule.is_common_in_tests();
        Some(Finding {
            rule: self.rule.id().into(),
            rule_name: self.rule.name().into(),
            risk: self.rule.risk().given(&self.reasons),
            confidence: if unlikely { Confidence::Low } else { self.confidence },
            reasons: self.reasons,
            claims: self.claims,
            path,
            line: self.line,
            column: self.column,
            commit: None,
            committed_at: None,
            blob: None,
            preview: self.token.preview(),
            token: self.token,
        })
    }
}

/// Counts lines from match to match, so that a blob full of matches is still read once.
pub(crate) struct Lines {
    line: u64,
    line_start: usize,
    counted: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { line: 1, line_start: 0, counted: 0 }
    }
}

impl Lines {
    /// Line and column of `offset`, which is not before the last one asked for.
    pub(crate) fn advance(&mut self, bytes: &[u8], offset: usize) -> (u64, u64) {
        for (at, _) in bytes[self.counted..offset].iter().enumerate().filter(|&(_, &byte)| byte == b'\n') {
            self.line += 1;
            self.line_start = self.counted + at + 1;
        }
        self.counted = offset;
        (self.line, (offset - self.line_start) as u64 + 1)
    }
}

/// Remembers which token was reported for which path, without keeping any token.
#[derive(Default)]
pub(crate) struct Reported {
    keys: RandomState,
    seen: HashSet<u64>,
}

impl Reported {
    /// Whether this token is new at this path. A file keeps its token through many versions: the first one counts.
    pub(crate) fn is_new(&mut self, finding: &Finding) -> bool {
        self.seen.insert(self.keys.hash_one((&finding.path, &finding.rule, finding.token.as_bytes())))
    }
}
