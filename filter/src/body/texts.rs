//! The texts of a body that may be tokens.
//!
//! A text is cut at quotes, lines, tags and ampersands, and what lies between is offered: JSON, forms, multipart, XML, GraphQL and plain
//! text all put a token between two of them. What lies between and has escapes is resolved and looked at in the same way, so that JSON in
//! a form, a query in JSON and a document in a string are read too.

use std::borrow::Cow;
use std::ops::ControlFlow;

use stopleak_contract::Token;
use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::Kinds;

use super::{escapes, markup};
use crate::candidates::Visit;
use crate::candidates::cut::{At, cut, is_mark};
use crate::candidates::decode::{base64_text, decoded_length, percent};
use crate::candidates::texts::{ANY, Depth, Offer, split_once, value};

/// Where the texts go, and what may still be resolved.
pub struct Texts<'k, 'v, 'f> {
    visit: &'v mut Visit<'f>,
    kinds: &'k Kinds,
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

type Flow = ControlFlow<()>;

impl<'k, 'v, 'f> Texts<'k, 'v, 'f> {
    /// Texts of a body of at most `limit` bytes.
    pub fn new(visit: &'v mut Visit<'f>, kinds: &'k Kinds, limit: usize) -> Self {
        Self { visit, kinds, bytes_left: budget(limit), over_budget: false }
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

    /// A text as it stands, and what its escapes hide.
    pub fn look(&mut self, text: &[u8]) -> Flow {
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
    fn may_fit(&self, length: usize) -> bool {
        self.kinds.may_hold(length, ANY)
    }

    fn at(&mut self, depth: Depth) -> Offer<'_, '_, 'f> {
        Offer { place: Place::Body, header: b"", depth, kinds: self.kinds, visit: &mut *self.visit }
    }

    fn text(&mut self, text: &[u8], layers: u8) -> Flow {
        for segment in between(text, b'"') {
            self.segment(segment, layers)?;
        }
        for quote in *b"'`" {
            if text.contains(&quote) {
                between(text, quote).try_for_each(|segment| self.compound(segment))?;
            }
        }
        for line in text.split(|&b| b == b'\n' || b == b'\r') {
            self.compound(line)?;
            for separator in *b"=:" {
                if let Some((before, after)) = split_once(line, separator) {
                    self.compound(before)?;
                    self.compound(after)?;
                }
            }
        }
        markup::nodes(text, &mut |node| match node {
            Cow::Borrowed(node) => self.compound(node),
            Cow::Owned(node) => self.resolved(&node, layers),
        })
    }

    /// What lies between two quotes, in its pieces and parts, and with its escapes resolved.
    fn segment(&mut self, segment: &[u8], layers: u8) -> Flow {
        if layers == 0 || !self.may_fit(segment.len()) {
            return value(segment, &mut self.at(Depth::All));
        }
        value(segment, &mut self.at(Depth::All))?;
        for (piece, _) in cut(segment, At::Separators).filter(|(piece, _)| self.kinds.may_hold(decoded_length(piece), ANY)) {
            let after = split_once(piece, b'=').map(|(_, after)| after);
            for decoded in [Some(piece), after].into_iter().flatten().filter_map(base64_text) {
                self.resolved(&decoded, layers)?;
            }
        }
        let unescaped = escapes::backslashes(segment);
        if let Cow::Owned(unescaped) = &unescaped {
            self.resolved(unescaped, layers)?;
        }
        // What has both is a document in a string, whose references have just been resolved, or a string in an attribute.
        if (matches!(unescaped, Cow::Borrowed(_)) || segment.len() <= MAX_ATTRIBUTE)
            && let Cow::Owned(resolved) = escapes::entities(segment)
        {
            self.resolved(&resolved, layers)?;
        }
        self.form(segment, layers)
    }

    /// `name=value` between ampersands; `+` also as a space.
    fn form(&mut self, text: &[u8], layers: u8) -> Flow {
        if !text.iter().any(|b| b"&=%".contains(b)) {
            return ControlFlow::Continue(());
        }
        for pair in text.split(|&b| b == b'&') {
            let (name, value) = split_once(pair, b'=').unwrap_or((pair, b""));
            for half in [name, value] {
                match percent(half) {
                    // A percent sign may be just that, and then nothing has changed.
                    Cow::Owned(resolved) if resolved.len() < half.len() => self.resolved(&resolved, layers)?,
                    _ => self.compound(half)?,
                }
            }
            if value.contains(&b'+') {
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
        self.offer(text)?;
        self.text(text, layers)
    }

    /// Offers a text that is more than one part: one part alone is among the pieces already.
    fn compound(&mut self, text: &[u8]) -> Flow {
        if text.len() <= MAX_TEXT && self.may_fit(text.len()) && text.iter().any(|&b| is_mark(b)) {
            self.at(Depth::All).text(text)?;
        }
        ControlFlow::Continue(())
    }
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
