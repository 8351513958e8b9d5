//! The texts that one value offers.
//!
//! A value is offered as a whole, in the pieces that lists are made of, in what precedes and follows the first separator of each
//! piece, and in the smallest parts between punctuation; as it stands, and decoded. A token that contains punctuation itself is found among the larger texts, a
//! token inside a composite value among the smaller ones.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::ptr;

use stopleak_contract::Token;
use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::{Classes, Kind, Kinds};

use super::cut::{At, cut};
use super::decode::{base64_text, decoded_length, percent};
use super::{Candidate, Visit};

/// A place, and the visitor of what is found there.
pub struct Offer<'a, 'v, 'f> {
    /// Where the texts are from.
    pub place: Place,
    /// The header's name, when that is where.
    pub header: &'a [u8],
    /// Which texts.
    pub depth: Depth,
    /// Those of the tokens that are looked for: what cannot contain one is not offered.
    pub kinds: &'a Kinds,
    /// Takes them.
    pub visit: &'v mut Visit<'f>,
}

/// Which texts of a value are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Those that usually are tokens: the whole, its pieces and their halves.
    Usual,
    /// All others.
    Parts,
    /// Both.
    All,
}

/// All kinds of bytes: what a text is decoded to may have any.
pub const ANY: Classes =
    Classes::DIGIT.with(Classes::LOWER).with(Classes::UPPER).with(Classes::DASH).with(Classes::DOT).with(Classes::OTHER);

impl Offer<'_, '_, '_> {
    /// Offers a text that is long enough to be a token.
    pub fn text(&mut self, text: &[u8]) -> ControlFlow<()> {
        if text.len() < Token::MIN_LEN {
            return ControlFlow::Continue(());
        }
        (self.visit)(Candidate { text, place: self.place, header: self.header })
    }

    /// Offers texts that belong together as one, without the first and with it, which is put together only when a token may be of its kind.
    pub fn joined(&mut self, [prefix, start, end]: [&[u8]; 3]) -> ControlFlow<()> {
        let length = prefix.len() + start.len() + end.len();
        if !self.may_fit(length) {
            return ControlFlow::Continue(());
        }
        let classes = Classes::of(start).with(Classes::of(end));
        if self.may_be([start, end], start.len() + end.len(), classes) {
            self.text(&[start, end].concat())?;
        }
        if self.may_be([prefix, end], length, classes.with(Classes::of(prefix))) {
            self.text(&[prefix, start, end].concat())?;
        }
        ControlFlow::Continue(())
    }

    /// Whether a text that begins and ends with these may be a token.
    fn may_be(&self, ends: [&[u8]; 2], length: usize, classes: Classes) -> bool {
        let [first, last] = ends;
        // With a slash in it, it is neither a JWT nor a UUID, and between letters or digits nothing is trimmed off: it is canonical.
        let is_canonical = classes.contains(Classes::OTHER)
            && [first.first(), last.last()].into_iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric));
        self.kinds.may_hold(length, classes) && (!is_canonical || self.kinds.hold(Kind::new(length, classes)))
    }

    /// Whether a text of this length may contain a token, whatever its bytes.
    pub fn may_fit(&self, length: usize) -> bool {
        self.kinds.may_hold(length, ANY)
    }

    /// Whether a text may contain a token as it stands.
    fn may_hold(&self, text: &[u8], classes: Classes) -> bool {
        self.kinds.may_hold(text.len(), classes)
    }
}

/// A value as it stands, with its percent escapes resolved, and with what is base64 of text in either. No decoding makes a text longer.
pub fn value_and_decoded(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    if !offer.may_fit(text.len()) {
        return ControlFlow::Continue(());
    }
    let classes = texts(text, Also::Encoded, offer)?;
    // The sign of an escape is of that class.
    if !classes.contains(Classes::OTHER) {
        return ControlFlow::Continue(());
    }
    match percent(text) {
        Cow::Owned(decoded) => texts(&decoded, Also::Encoded, offer).map_continue(drop),
        Cow::Borrowed(_) => ControlFlow::Continue(()),
    }
}

/// A value as it stands.
pub fn value(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    if !offer.may_fit(text.len()) {
        return ControlFlow::Continue(());
    }
    texts(text, Also::Nothing, offer).map_continue(drop)
}

/// What a value offers beside its texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Also {
    Nothing,
    /// What its pieces say in base64.
    Encoded,
}

/// The pieces of a list, and the whole, whose kinds of bytes it tells.
fn texts(text: &[u8], also: Also, offer: &mut Offer<'_, '_, '_>) -> ControlFlow<(), Classes> {
    let text = text.trim_ascii();
    let mut whole = Classes::NONE;
    for (piece, classes) in cut(text, At::Separators) {
        whole = whole.with(classes);
        if offer.may_hold(piece, classes) {
            of_piece(piece, classes, offer)?;
        }
        if also == Also::Encoded && offer.depth != Depth::Usual && offer.may_fit(decoded_length(piece)) {
            encoded(piece, classes, offer)?;
        }
        if piece.len() == text.len() {
            // It is the whole.
            return ControlFlow::Continue(classes);
        }
    }
    let whole = whole.with(Classes::OTHER);
    if offer.depth != Depth::Parts && offer.may_hold(text, whole) {
        offer.text(text)?;
    }
    ControlFlow::Continue(whole)
}

/// A piece, what is before and after its first separators, and its parts.
pub fn of_piece(piece: &[u8], classes: Classes, offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    // All punctuation but dots and dashes is of that class.
    let halves = if classes.contains(Classes::OTHER) { halves(piece) } else { [None; 4] };
    if offer.depth != Depth::Parts {
        offer.text(piece)?;
        for half in halves.into_iter().flatten() {
            offer.text(half)?;
        }
    }
    if offer.depth == Depth::Usual {
        return ControlFlow::Continue(());
    }
    if !classes.contains(Classes::OTHER) {
        return around_dots(piece, classes, offer);
    }
    for (part, classes) in cut(piece, At::Punctuation) {
        if !offer.may_hold(part, classes) {
            continue;
        }
        let is_usual = part.len() == piece.len() || halves.into_iter().flatten().any(|half| ptr::eq(half, part));
        if !is_usual {
            offer.text(part)?;
        }
        around_dots(part, classes, offer)?;
    }
    ControlFlow::Continue(())
}

/// What a piece, or what follows its first equals sign, says in base64.
fn encoded(piece: &[u8], classes: Classes, offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let mut offer = Offer { depth: Depth::All, visit: &mut *offer.visit, ..*offer };
    let after = if classes.contains(Classes::OTHER) { split_once(piece, b'=').map(|(_, after)| after) } else { None };
    for decoded in [Some(piece), after].into_iter().flatten().filter_map(base64_text) {
        value(&decoded, &mut offer)?;
    }
    ControlFlow::Continue(())
}

/// A token may have a name before it (`token.…`), an extension (`….xml`) or a signature (`….c2ln`) behind it.
fn around_dots(part: &[u8], classes: Classes, offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    if !classes.contains(Classes::DOT) {
        return ControlFlow::Continue(());
    }
    let (Some(first), Some(last)) = (part.iter().position(|&b| b == b'.'), part.iter().rposition(|&b| b == b'.')) else {
        return ControlFlow::Continue(());
    };
    let (one, other) = (part.get(..first), part.get(last + 1..));
    let (most, rest) = if first < last { (part.get(..last), part.get(first + 1..)) } else { (None, None) };
    for text in [one, other, most, rest].into_iter().flatten() {
        if offer.may_hold(text, classes) {
            offer.text(text)?;
        }
    }
    ControlFlow::Continue(())
}

/// What is before and after the first separators of a key and its value.
fn halves(piece: &[u8]) -> [Option<&[u8]>; 4] {
    let ((key, value), (name, rest)) = (split_once(piece, b'=').unzip(), split_once(piece, b':').unzip());
    [key, value, name, rest]
}

pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
