//! The texts that one value offers.
//!
//! A value is offered as a whole, in the pieces that lists are made of, in what precedes and follows the first separator of each
//! piece, and in the smallest parts between punctuation; as it stands, and decoded. A token that contains punctuation itself is found among the larger texts, a
//! token inside a composite value among the smaller ones.

use std::borrow::Cow;
use std::ops::ControlFlow;

use stopleak_contract::Token;
use stopleak_contract::feed::wire::Place;

use super::decode::{base64_text, percent};
use super::{Candidate, Visit};

/// A place, and the visitor of what is found there.
pub struct Offer<'a, 'v, 'f> {
    /// Where the texts are from.
    pub place: Place,
    /// The header's name, when that is where.
    pub header: &'a str,
    /// Which texts.
    pub depth: Depth,
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

impl Offer<'_, '_, '_> {
    /// Offers a text that is long enough to be a token.
    pub fn text(&mut self, text: &[u8]) -> ControlFlow<()> {
        if text.len() < Token::MIN_LEN {
            return ControlFlow::Continue(());
        }
        (self.visit)(Candidate { text, place: self.place, header: self.header })
    }
}

/// A value as it stands, with its percent escapes resolved, and with what is base64 of text in either.
pub fn value_and_decoded(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    value(text, offer)?;
    encoded(text, offer)?;
    if let Cow::Owned(decoded) = percent(text) {
        value(&decoded, offer)?;
        encoded(&decoded, offer)?;
    }
    ControlFlow::Continue(())
}

/// A value as it stands.
pub fn value(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    if offer.depth != Depth::Parts {
        usual(text, offer)?;
    }
    if offer.depth != Depth::Usual {
        parts(text, offer)?;
    }
    ControlFlow::Continue(())
}

/// The whole, its pieces, and what is before and after the first separator of each.
fn usual(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    offer.text(text)?;
    for piece in pieces(text) {
        if piece.len() < text.len() {
            offer.text(piece)?;
        }
        for separator in *b"=:" {
            if let Some((before, after)) = split_once(piece, separator) {
                offer.text(before)?;
                offer.text(after)?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// The smallest parts, and what is around their dots.
fn parts(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for piece in pieces(text) {
        for part in piece.split(|&b| is_punctuation(b)) {
            if part.len() < piece.len() {
                offer.text(part)?;
            }
            around_dots(part, offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// What a piece, or what follows its first equals sign, says in base64.
fn encoded(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    if offer.depth == Depth::Usual {
        return ControlFlow::Continue(());
    }
    let mut offer = Offer { place: offer.place, header: offer.header, depth: Depth::All, visit: &mut *offer.visit };
    for piece in pieces(text) {
        let after = split_once(piece, b'=').map(|(_, after)| after);
        for decoded in [Some(piece), after].into_iter().flatten().filter_map(base64_text) {
            value(&decoded, &mut offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// A token may have a name before it (`token.…`), an extension (`….xml`) or a signature (`….c2ln`) behind it.
fn around_dots(part: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let (Some(first), Some(last)) = (part.iter().position(|&b| b == b'.'), part.iter().rposition(|&b| b == b'.')) else {
        return ControlFlow::Continue(());
    };
    offer.text(part.get(..first).unwrap_or_default())?;
    offer.text(part.get(last + 1..).unwrap_or_default())?;
    if first < last {
        offer.text(part.get(..last).unwrap_or_default())?;
        offer.text(part.get(first + 1..).unwrap_or_default())?;
    }
    ControlFlow::Continue(())
}

/// What lists are made of, as far as it is long enough. Whatever is no visible ASCII character separates too.
pub fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| !b.is_ascii_graphic() || b == b',' || b == b';').filter(|piece| piece.len() >= Token::MIN_LEN)
}

pub fn is_punctuation(byte: u8) -> bool {
    b"=:/?&#@\"'`()<>[]{}|\\".contains(&byte)
}

pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
