//! A text that differs from another one in a few places, as a file does from its last version: only these are read.
//!
//! If the other text has no token, then whatever there is in this one touches a change, since everything that makes a token lies close
//! together: on a line or within a rule's window, and, for what is encoded, on lines that stand together. [`Detector::stays_clean`] reads
//! that much around each change. It does not tell what is found: who wants to know reads the whole text, which hardly ever has to be.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use memchr::{memchr, memrchr};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::Detector;
use crate::decode::{LINE_MIN, is_letter};
use crate::detector::TOKEN_MAX;
use crate::rule::Rule;

/// How much is read on both sides of a change, and then to the ends of the lines.
const AROUND: usize = 1_024;

/// How far from each other the parts of a token may be.
#[derive(Clone, Debug)]
pub(crate) struct Locality {
    /// Rules whose tokens reach farther than [`AROUND`] over several lines.
    far: Vec<Far>,
    /// A rule runs over the whole text: then there is no near and far.
    whole: bool,
}

/// What is read around the keywords of a rule that reaches far, if one stands that close to a change.
#[derive(Clone, Debug)]
struct Far {
    keywords: AhoCorasick,
    before: usize,
    behind: usize,
}

impl Detector {
    /// Whether `bytes` has no token, in what it encodes either, given that a text without any has everything but the `changes`: these
    /// are new, or, where they are empty, parts of that text meet that did not stand side by side. They come in their order.
    #[must_use]
    pub fn stays_clean(&self, bytes: &[u8], changes: &[Range<usize>]) -> bool {
        let locality = self.locality();
        // In UTF-16 a line does not end where one seems to.
        if locality.whole || memchr(0, bytes).is_some() {
            return self.is_clean(bytes);
        }
        let far = locality.far.iter().flat_map(|far| far.regions(bytes, changes));
        let mut regions: Vec<_> = changes.iter().map(|change| around(bytes, change)).chain(far).collect();
        regions.sort_unstable_by_key(|region| region.start);
        merged(regions.into_iter()).into_iter().all(|region| self.is_clean(&bytes[region]))
    }

    /// Whether there is no token in the whole of it.
    fn is_clean(&self, bytes: &[u8]) -> bool {
        let mut clean = true;
        self.scan_decoded(bytes, &mut |_, _| clean = false);
        clean
    }
}

impl Locality {
    pub(crate) fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut locality = Self { far: Vec::new(), whole: false };
        for rule in rules {
            let reach = reach(rule);
            if reach.is_some_and(|reach| reach <= AROUND) {
                continue;
            }
            let keywords = AhoCorasick::builder().ascii_case_insensitive(!rule.is_anchored()).build(rule.keywords());
            match reach.zip(keywords.ok()) {
                // Such a token begins with its keyword.
                Some((reach, keywords)) if rule.is_anchored() => locality.far.push(Far { keywords, before: 0, behind: reach }),
                Some((reach, keywords)) => locality.far.push(Far { keywords, before: reach, behind: reach }),
                None => locality.whole = true,
            }
        }
        locality
    }
}

impl Far {
    fn regions(&self, bytes: &[u8], changes: &[Range<usize>]) -> Vec<Range<usize>> {
        let near = |change: &Range<usize>| {
            change.start.saturating_sub(self.behind)
                ..change.end.saturating_add(self.before).saturating_add(AROUND).min(bytes.len())
        };
        let mut regions = Vec::new();
        for stretch in merged(changes.iter().map(near)) {
            regions.extend(self.keywords.find_iter(&bytes[stretch.clone()]).map(|found| {
                let (start, end) = (stretch.start + found.start(), stretch.start + found.end());
                start.saturating_sub(self.before)..end.saturating_add(self.behind).min(bytes.len())
            }));
        }
        regions
    }
}

/// How far over several lines a token of a rule may reach; `None` if there is no end to it.
fn reach(rule: &Rule) -> Option<usize> {
    if rule.as_foreign().is_some() {
        return None;
    }
    // Such a rule runs where another one has found something, and then the text is not clean.
    if !rule.beside().is_empty() {
        return Some(0);
    }
    if !rule.is_anchored() {
        // Keyword and token are not farther from each other, whatever stands between them.
        let keyword = rule.keywords().iter().map(String::len).max()?;
        return Some(rule.window().saturating_mul(2).saturating_add(keyword));
    }
    let pattern = ParserBuilder::new().unicode(false).utf8(false).build().parse(rule.pattern()).ok()?;
    if !has_newline(&pattern) {
        return Some(0);
    }
    Some(pattern.properties().maximum_len().unwrap_or(TOKEN_MAX).min(TOKEN_MAX))
}

/// Whether a match may go over the end of a line.
fn has_newline(pattern: &Hir) -> bool {
    match pattern.kind() {
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Class(Class::Bytes(class)) => class.iter().any(|range| range.start() <= b'\n' && b'\n' <= range.end()),
        HirKind::Class(Class::Unicode(class)) => class.iter().any(|range| range.start() <= '\n' && '\n' <= range.end()),
        HirKind::Repetition(repetition) => has_newline(&repetition.sub),
        HirKind::Capture(capture) => has_newline(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_newline),
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

/// The lines around a change, and those that are wrapped base64 together with them.
fn around(bytes: &[u8], change: &Range<usize>) -> Range<usize> {
    let mut start = line_start(bytes, change.start.saturating_sub(AROUND));
    let mut end = line_end(bytes, change.end.saturating_add(AROUND).min(bytes.len()));
    loop {
        let before = bytes[..start].trim_ascii_end();
        if !ends_encoded(before) {
            break;
        }
        start = line_start(bytes, before.len());
    }
    while end < bytes.len() && ends_encoded(bytes[start..end].trim_ascii_end()) {
        let gap = bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        end = line_end(bytes, (end + gap + 1).min(bytes.len()));
    }
    start..end
}

/// Whether what ends here may go on in the next line: see [`LINE_MIN`].
fn ends_encoded(text: &[u8]) -> bool {
    text.len() >= LINE_MIN && text[text.len() - LINE_MIN..].iter().all(|&byte| is_letter(byte))
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1)
}

/// Behind the newline.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline + 1)
}

/// Ranges in the order of their starts, those that touch put together.
fn merged(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

#[cfg(test)]
mod tests;
