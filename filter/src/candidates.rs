//! Where a token can be in a request, and the texts there that may be one.
//!
//! A value is offered as a whole, in the pieces that lists are made of, in what follows the first `=` or `:` of each piece, and
//! in the smallest parts between punctuation. A token that contains punctuation itself is found among the larger texts, a token
//! inside a composite value among the smaller ones. Places that usually carry credentials come first, so that padding elsewhere
//! cannot use up the budget before them.

use std::borrow::Cow;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use stopleak_contract::feed::wire::Place;
use stopleak_contract::{HeaderSelection, Token};

use crate::request::Request;

/// A text of a request that may be a token.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The text, not yet canonical.
    pub text: &'a [u8],
    /// Where it was found.
    pub place: Place,
    /// The header's name, when that is where it was found.
    pub header: &'a str,
}

/// Takes a candidate; breaks when it has seen enough.
pub type Visit<'v> = dyn FnMut(Candidate<'_>) -> ControlFlow<()> + 'v;

/// Offers every candidate of the request to `visit`.
pub fn visit(request: Request<'_>, selection: Option<&HeaderSelection>, visit: &mut Visit<'_>) -> ControlFlow<()> {
    let covered = |name: &str| selection.is_none_or(|selection| selection.covers(name.as_bytes()));
    let headers = || request.headers().filter(|(name, _)| covered(name));

    for (name, value) in headers().filter(|(name, _)| is_authorization(name)) {
        authorization(value, &mut Offer { place: Place::Authorization, header: name, visit })?;
    }
    query(request.query(), &mut Offer { place: Place::Query, header: "", visit })?;
    path(request.path(), &mut Offer { place: Place::Path, header: "", visit })?;
    for (_, value) in headers().filter(|(name, _)| *name == "cookie") {
        cookies(value, &mut Offer { place: Place::Cookie, header: "", visit })?;
    }
    for (name, value) in headers().filter(|(name, _)| !is_authorization(name) && *name != "cookie") {
        let mut offer = Offer { place: Place::Header, header: name, visit };
        value_and_parts(value, &mut offer)?;
        if name.ends_with("-bin")
            && let Some(decoded) = base64_any(value)
        {
            value_and_parts(&decoded, &mut offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// A place, and the visitor of what is found there.
struct Offer<'a, 'v, 'f> {
    place: Place,
    header: &'a str,
    visit: &'v mut Visit<'f>,
}

impl Offer<'_, '_, '_> {
    fn text(&mut self, text: &[u8]) -> ControlFlow<()> {
        if text.len() < Token::MIN_LEN {
            return ControlFlow::Continue(());
        }
        (self.visit)(Candidate { text, place: self.place, header: self.header })
    }
}

fn is_authorization(name: &str) -> bool {
    matches!(name, "authorization" | "proxy-authorization")
}

/// `scheme credentials`, in any case and with any white space; Basic is decoded into user, password and the pair.
fn authorization(value: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let value = value.trim_ascii();
    if let Some(at) = value.iter().position(u8::is_ascii_whitespace) {
        let (scheme, credentials) = value.split_at(at);
        let credentials = credentials.trim_ascii();
        offer.text(credentials)?;
        if scheme.eq_ignore_ascii_case(b"basic")
            && let Some(pair) = base64_any(credentials)
        {
            offer.text(&pair)?;
            if let Some(colon) = pair.iter().position(|&b| b == b':') {
                let (user, password) = pair.split_at(colon);
                offer.text(user)?;
                offer.text(password.get(1..).unwrap_or_default())?;
            }
        }
    }
    value_and_parts(value, offer)
}

/// `name=value` pairs between semicolons.
fn cookies(value: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for cookie in value.split(|&b| b == b';') {
        decoded_and_parts(cookie, offer)?;
    }
    ControlFlow::Continue(())
}

/// `key=value` pairs between `&` or `;`.
fn query(query: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for pair in query.split(|&b| b == b'&' || b == b';') {
        decoded_and_parts(pair, offer)?;
        if pair.contains(&b'+') {
            let spaced: Vec<u8> = pair.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
            decoded_and_parts(&spaced, offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// Segments between slashes. Telegram's API puts `bot` in front of the token.
fn path(path: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for segment in path.split(|&b| b == b'/') {
        let decoded = percent_decoded(segment);
        if let Some(token) = decoded.strip_prefix(b"bot") {
            offer.text(token)?;
        }
        decoded_and_parts(segment, offer)?;
    }
    ControlFlow::Continue(())
}

/// A value as it stands, and with its percent escapes resolved.
fn decoded_and_parts(value: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    value_and_parts(value, offer)?;
    if let Cow::Owned(decoded) = percent_decoded(value) {
        value_and_parts(&decoded, offer)?;
    }
    ControlFlow::Continue(())
}

/// The whole, its pieces, what follows a piece's first `=` or `:`, and its smallest parts; none of them twice in a row.
fn value_and_parts(value: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let value = value.trim_ascii();
    offer.text(value)?;
    for piece in value.split(|&b| is_list_separator(b)).filter(|piece| piece.len() >= Token::MIN_LEN) {
        if piece.len() < value.len() {
            offer.text(piece)?;
        }
        for separator in *b"=:" {
            if let Some(at) = piece.iter().position(|&b| b == separator) {
                offer.text(piece.get(at + 1..).unwrap_or_default())?;
            }
        }
        for part in piece.split(|&b| is_punctuation(b)) {
            if part.len() < piece.len() {
                offer.text(part)?;
            }
        }
    }
    ControlFlow::Continue(())
}

fn is_list_separator(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b',' || byte == b';'
}

fn is_punctuation(byte: u8) -> bool {
    b"=:/?&#@\"'`()<>[]{}|\\".contains(&byte)
}

/// Resolves the escapes that are well-formed and leaves the others as they are.
fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(*first);
        }
    }
    Cow::Owned(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Base64 of either alphabet, with or without padding: servers are as lenient.
fn base64_any(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);

    if text.len() > 2 * Token::MAX_LEN {
        return None;
    }
    let standard: Vec<u8> = text
        .trim_ascii()
        .iter()
        .map(|&b| match b {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    ENGINE.decode(standard).ok()
}

#[cfg(test)]
mod tests;
