//! How a rule of Gitleaks judges what it matches; its own way takes the place of ours.

use std::ops::Range;

use regex::bytes::{Captures, Regex};

use super::allow::{Allowed, Seen, Verdict};
use crate::overlap::Claim;
use crate::rule::Rule;
use crate::{Confidence, plausible};

/// How much of a line an allowlist looks at, on both sides of a match: minified files have no lines.
const LINE_REACH: usize = 1_000;

/// What such a rule has besides an expression.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// The group with the token; 0 for the first that is not empty, or all of it.
    pub(crate) group: usize,
    /// Bits a character that the token must have more of.
    pub(crate) entropy: f64,
    /// Where alone the rule holds.
    pub(crate) path: Option<Regex>,
    /// What must not be reported.
    pub(crate) allowed: Vec<Allowed>,
}

impl Foreign {
    /// Runs the rule over the whole text.
    pub(crate) fn claims(&self, index: usize, rule: &Rule, bytes: &[u8], claims: &mut Vec<Claim>) {
        let keyword = rule.keywords().iter().map(String::len).max().unwrap_or_default();
        for groups in rule.regex().captures_iter(bytes) {
            let Some((whole, secret)) = self.secret(&groups) else { continue };
            if self.entropy > 0.0 && plausible::entropy(&bytes[secret.clone()]) <= self.entropy {
                continue;
            }
            let seen = Seen { secret: &bytes[secret.clone()], whole: &bytes[whole.clone()], line: line(bytes, whole) };
            let verdicts: Vec<_> = self.allowed.iter().map(|list| list.judge(seen)).collect();
            if !verdicts.contains(&Verdict::Allow) {
                let lists = (0..verdicts.len()).filter(|&list| verdicts[list] == Verdict::AskPath).collect();
                claims.push(Claim { lists, ..Claim::new(index, secret, Confidence::High, keyword) });
            }
        }
    }

    /// Whether a match is to be reported at `path`; `lists` are those that ask for it.
    pub(crate) fn holds_at(&self, path: &str, lists: &[usize]) -> bool {
        let allowed = lists.iter().filter_map(|&list| self.allowed.get(list)).any(|list| list.has_path(path));
        !allowed && self.path.as_ref().is_none_or(|regex| regex.is_match(path.as_bytes()))
    }

    /// The match and the token in it.
    fn secret(&self, groups: &Captures<'_>) -> Option<(Range<usize>, Range<usize>)> {
        let whole = groups.get(0)?.range();
        let secret = match self.group {
            0 => groups.iter().skip(1).flatten().find(|group| !group.is_empty()).map_or(whole.clone(), |group| group.range()),
            group => groups.get(group)?.range(),
        };
        (!secret.is_empty()).then_some((whole, secret))
    }
}

fn line(bytes: &[u8], whole: Range<usize>) -> &[u8] {
    let before = bytes[..whole.start].iter().rev().take(LINE_REACH).take_while(|&&byte| byte != b'\n').count();
    let behind = bytes[whole.end..].iter().take(LINE_REACH).take_while(|&&byte| byte != b'\n').count();
    &bytes[whole.start - before..whole.end + behind]
}
