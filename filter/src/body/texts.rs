//! The texts of a body that may be tokens.
//!
//! A text is cut at quotes, lines, tags and ampersands, and what lies between is offered: JSON, forms, multipart, XML, GraphQL and plain
//! text all put a token between two of them. What lies between and has escapes is resolved and looked at in the same way, so that JSON in
//! a form, a query in JSON and a document in a string are read too.

use std::borrow::Cow;
use std::ops::ControlFlow;

use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::{Classes, Kind, Kinds};
use stopleak_contract::{Canonical, Token};

use super::seen::{Seen, segments};
use super::{escapes, markup};
use crate::candidates::Visit;
use crate::candidates::cut::{At, cut, is_mark};
use crate::candidates::decode::{base64_text, decoded_length, percent};
use crate::candidates::texts::{ANY, Depth, Offer, of_piece, split_once};

/// Where the texts go, and what may still be resolved.
pub struct Texts<'k, 'v, 'f> {
    visit: &'v mut Visit<'f>,
    kinds: &'k Kinds,
    /// Of tokens that are as long as any, see [`long_sets`].
    long: Vec<Classes>,
    bytes_left: usize,
    over_budget: bool,
}

/// Escapes in escapes that are resolved: base64 of JSON with a document in a string.
const MAX_LAYERS: u8 = 4;

/// Bytes of resolved text that are looked at, for each byte of the limit. An honest body needs one or two.
const RESOLVED_PER_BYTE: usize = 16;

/// Bytes of resolved text for one body, whatever the limit: some hundred milliseconds of work.
const MAX_RESOLVED: usize = 6 * 1024 * 1024;

/// An attribute with references in front of backslashes is not longer.
const MAX_ATTRIBUTE: usize = 16 * 1024;

/// The signature of a JWT does not count, so that a text may be longer than a token; nothing is longer than this.
const MAX_TEXT: usize = 2 * Token::MAX_LEN;

/// What a form has: without any of these, there is nothing to take apart.
const FORM: Seen = Seen::AMPERSAND.with(Seen::EQUALS).with(Seen::PERCENT);

type Flow = ControlFlow<()>;

impl<'k, 'v, 'f> Texts<'k, 'v, 'f> {
    /// Texts of a body of at most `limit` bytes.
    pub fn new(visit: &'v mut Visit<'f>, kinds: &'k Kinds, limit: usize) -> Self {
        Self { visit, kinds, long: long_sets(kinds), bytes_left: budget(limit), over_budget: false }
    }

    /// How many bytes were resolved.
    #[cfg(test)]
    pub fn resolved_bytes(&self, limit: usize) -> usize {
        budget(limit) - self.bytes_left
    }

    /// Whether there was more to resolve than is looked at.
    pub fn over_budget(&self) -> bool {
        self.over_budget
    }

    /// A text as it stands, and what its escapes hide; says which bytes it has.
    pub fn look(&mut self, text: &[u8]) -> ControlFlow<(), Seen> {
        self.text(text, MAX_LAYERS)
    }

    /// A text that was decoded, as long as the budget lasts.
    pub fn decoded(&mut self, text: &[u8]) -> Flow {
        self.resolved(text, MAX_LAYERS)
    }

    /// A single text.
    pub fn offer(&mut self, text: &[u8]) -> Flow {
        if text.len() > MAX_TEXT { ControlFlow::Continue(()) } else { self.at(Depth::All).text(text) }
    }

    /// Whether a text of this length may contain a token. No escape makes a text longer.
    pub fn may_fit(&self, length: usize) -> bool {
        self.kinds.may_hold(length, ANY)
    }

    fn at(&mut self, depth: Depth) -> Offer<'_, '_, 'f> {
        Offer { place: Place::Body, header: b"", depth, kinds: self.kinds, visit: &mut *self.visit }
    }

    fn text(&mut self, text: &[u8], layers: u8) -> ControlFlow<(), Seen> {
        let mut seen = Seen::default();
        for (segment, bytes) in segments(text) {
            seen = seen.with(bytes);
            if self.may_fit(segment.len()) {
                self.segment(segment, bytes, layers)?;
            }
        }
        for (quote, bit) in [(b'\'', Seen::APOSTROPHE), (b'`', Seen::BACKTICK)] {
            if seen.has(bit) {
                between(text, quote).try_for_each(|segment| self.compound(segment))?;
            }
        }
        // Without a quote, the whole was a segment.
        if seen.has(Seen::QUOTE) {
            self.compound(text)?;
        }
        if seen.has(Seen::BREAK) {
            text.split(|&b| b == b'\n' || b == b'\r').try_for_each(|line| self.line(line, seen))?;
        } else {
            self.halves(text, seen)?;
        }
        if seen.has(Seen::LESS) {
            markup::nodes(text, &mut |node| match node {
                Cow::Borrowed(node) => self.compound(node),
                Cow::Owned(node) => self.resolved(&node, layers),
            })?;
        }
        ControlFlow::Continue(seen)
    }

    fn line(&mut self, line: &[u8], seen: Seen) -> Flow {
        if !self.may_fit(line.len()) {
            return ControlFlow::Continue(());
        }
        self.compound(line)?;
        self.halves(line, seen)
    }

    /// What is before and after the first separators of a line.
    fn halves(&mut self, line: &[u8], seen: Seen) -> Flow {
        for (separator, bit) in [(b'=', Seen::EQUALS), (b':', Seen::COLON)] {
            if seen.has(bit)
                && let Some((before, after)) = split_once(line, separator)
            {
                self.compound(before)?;
                self.compound(after)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// What lies between two quotes, in its pieces and parts, and with its escapes resolved.
    fn segment(&mut self, segment: &[u8], seen: Seen, layers: u8) -> Flow {
        self.pieces(segment.trim_ascii(), layers)?;
        if layers == 0 {
            return ControlFlow::Continue(());
        }
        let unescaped = if seen.has(Seen::BACKSLASH) { escapes::backslashes(segment) } else { Cow::Borrowed(segment) };
        if let Cow::Owned(unescaped) = &unescaped {
            self.resolved(unescaped, layers)?;
        }
        // What has both is a document in a string, whose references have just been resolved, or a string in an attribute.
        if seen.has(Seen::AMPERSAND)
            && (matches!(unescaped, Cow::Borrowed(_)) || segment.len() <= MAX_ATTRIBUTE)
            && let Cow::Owned(resolved) = escapes::entities(segment)
        {
            self.resolved(&resolved, layers)?;
        }
        if seen.has(FORM) { self.form(segment, seen, layers) } else { ControlFlow::Continue(()) }
    }

    /// The pieces of a list, what they say in base64, and the whole.
    fn pieces(&mut self, text: &[u8], layers: u8) -> Flow {
        for (piece, classes) in cut(text, At::Separators) {
            if self.kinds.may_hold(piece.len(), classes) {
                of_piece(piece, classes, &mut self.at(Depth::All))?;
            }
            if layers > 0 && self.may_fit(decoded_length(piece)) {
                let after = if classes.contains(Classes::OTHER) { split_once(piece, b'=') } else { None };
                for decoded in [Some(piece), after.map(|(_, after)| after)].into_iter().flatten().filter_map(base64_text) {
                    self.resolved(&decoded, layers)?;
                }
            }
        }
        self.compound(text)
    }

    /// `name=value` between ampersands; `+` also as a space.
    fn form(&mut self, text: &[u8], seen: Seen, layers: u8) -> Flow {
        for pair in text.split(|&b| b == b'&').filter(|pair| pair.len() >= Token::MIN_LEN) {
            let (name, value) = split_once(pair, b'=').unwrap_or((pair, b""));
            for half in [name, value] {
                if !self.may_fit(half.len()) {
                    continue;
                }
                match percent(half) {
                    // A percent sign may be just that, and then nothing has changed.
                    Cow::Owned(resolved) if resolved.len() < half.len() => self.resolved(&resolved, layers)?,
                    _ => self.compound(half)?,
                }
            }
            if seen.has(Seen::PLUS) && self.may_fit(value.len()) && value.contains(&b'+') {
                let spaced: Vec<u8> = value.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
                self.resolved(&percent(&spaced), layers)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn resolved(&mut self, text: &[u8], layers: u8) -> Flow {
        let Some(layers) = layers.checked_sub(1).filter(|_| self.may_fit(text.len())) else { return ControlFlow::Continue(()) };
        let Some(left) = self.bytes_left.checked_sub(text.len()) else {
            self.over_budget = true;
            return ControlFlow::Continue(());
        };
        self.bytes_left = left;
        self.text(text, layers)?;
        ControlFlow::Continue(())
    }

    /// Offers a text that is more than one part: one part alone is among the pieces already.
    fn compound(&mut self, text: &[u8]) -> Flow {
        if text.len() <= MAX_TEXT && self.may_fit(text.len()) && text.iter().any(|&b| is_mark(b)) && self.may_be_long(text) {
            self.at(Depth::All).text(text)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether a text of more than one part, if it is one of those whose length is not told apart, has only bytes that such a token
    /// has: hardly any has, and one of its first bytes says so.
    fn may_be_long(&self, text: &[u8]) -> bool {
        let is_short = |length: usize| length < usize::from(Kind::LONG);
        let is_within = |set: &Classes| text.iter().all(|&b| set.contains(Classes::of_byte(b)));
        is_short(text.len()) || self.long.iter().any(is_within) || is_short(Canonical::of(text).length())
    }
}

/// The sets of bytes that the longest tokens have which are more than one part.
fn long_sets(kinds: &Kinds) -> Vec<Classes> {
    let all = (0..=ANY.bits()).filter_map(Classes::from_bits).filter(|set| set.contains(Classes::OTHER));
    all.filter(|set| kinds.hold(Kind::new(Kind::LONG.into(), *set))).collect()
}

fn budget(limit: usize) -> usize {
    limit.saturating_mul(RESOLVED_PER_BYTE).min(MAX_RESOLVED)
}

/// What lies between two of these quotes, or between one and an end. A quote behind a backslash does not count; which of them open
/// and which close is not asked, so that an odd one changes nothing.
fn between(text: &[u8], quote: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_escaped = false;
    text.split(move |&b| {
        let is_quote = b == quote && !is_escaped;
        is_escaped = b == b'\\' && !is_escaped;
        is_quote
    })
}
