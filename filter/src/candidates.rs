//! Where a token can be in a request. What texts a value offers is the matter of [`texts`], how bytes are read the matter of [`decode`].
//!
//! A large request is gone through twice: first for the texts that usually are tokens, in every place, then for the smaller parts of all
//! of them. Padding in one place cannot use up the budget before the usual texts of the others are seen.
//!
//! What cannot contain a token of the index, by its length and its kinds of bytes, is passed over: whole values before their pieces, and
//! pieces before their parts.

pub(crate) mod cut;
pub(crate) mod decode;
pub(crate) mod texts;

use std::ops::ControlFlow;

use stopleak_contract::feed::wire::Place;
use stopleak_contract::index::Kinds;
use stopleak_contract::{HeaderSelection, Token};

use self::cut::is_separator;
use self::decode::{base64, base64_text};
use self::texts::{ANY, Depth, Offer, value, value_and_decoded};
use crate::request::Request;

/// A text of a request that may be a token.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The text, not yet canonical.
    pub text: &'a [u8],
    /// Where it was found.
    pub place: Place,
    /// The header's name, when that is where it was found.
    pub header: &'a [u8],
}

/// Takes a candidate; breaks when it has seen enough.
pub type Visit<'v> = dyn FnMut(Candidate<'_>) -> ControlFlow<()> + 'v;

/// A token that spans several segments lies among the first: webhooks have it there.
const MAX_SEGMENTS: usize = 16;

/// Bytes of values that cannot use up the budget of hashed bytes, whatever they are, so that one pass over the request does.
const SMALL: usize = 4 * 1024;

/// Offers to `visit` every candidate of the request that may be a token of one of these kinds, and a few that cannot.
pub fn visit(request: Request<'_>, selection: Option<&HeaderSelection>, kinds: &Kinds, visit: &mut Visit<'_>) -> ControlFlow<()> {
    let is_covered = |name: &[u8]| selection.is_none_or(|selection| selection.covers(name));
    // Most values are too short to contain any token, and need no closer look.
    let is_long_enough = |value: &[u8]| kinds.may_hold(value.len(), ANY);
    let headers: Vec<(Place, &[u8], &[u8])> = request
        .headers()
        .filter(|(name, value)| is_long_enough(value) && is_covered(name))
        .map(|(name, value)| (place_of(name), name, value))
        .collect();
    let all = |place| headers.iter().filter(move |header| header.0 == place).map(|&(_, name, value)| (name, value));

    let depths: &[Depth] = if request.size() <= SMALL { &[Depth::All] } else { &[Depth::Usual, Depth::Parts] };
    for &depth in depths {
        for (name, value) in all(Place::Authorization) {
            authorization(value, &mut Offer { place: Place::Authorization, header: name, depth, kinds, visit })?;
        }
        query(request.query(), &mut Offer { place: Place::Query, header: b"", depth, kinds, visit })?;
        path(request, &mut Offer { place: Place::Path, header: b"", depth, kinds, visit })?;
        for (_, value) in all(Place::Cookie) {
            cookies(value, &mut Offer { place: Place::Cookie, header: b"", depth, kinds, visit })?;
        }
        for (name, value) in all(Place::Header) {
            header(name, value, &mut Offer { place: Place::Header, header: name, depth, kinds, visit })?;
        }
    }
    ControlFlow::Continue(())
}

/// Offers the texts of a single value, as if it were a header's.
pub fn visit_value(text: &[u8], kinds: &Kinds, visit: &mut Visit<'_>) -> ControlFlow<()> {
    value_and_decoded(text, &mut Offer { place: Place::Header, header: b"", depth: Depth::All, kinds, visit })
}

fn place_of(name: &[u8]) -> Place {
    match name {
        b"authorization" | b"proxy-authorization" => Place::Authorization,
        b"cookie" => Place::Cookie,
        _ => Place::Header,
    }
}

/// `scheme credentials`, in any case and with any white space; what Basic encodes may be any bytes.
fn authorization(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let text = text.trim_ascii();
    if let Some(at) = text.iter().position(|b| !b.is_ascii_graphic()) {
        let (scheme, credentials) = text.split_at(at);
        if scheme.eq_ignore_ascii_case(b"basic") {
            value(&decode::basic(credentials), offer)?;
        }
        // Of one piece, they are offered among the pieces.
        if offer.depth != Depth::Parts && credentials.trim_ascii().iter().any(|&b| is_separator(b)) {
            offer.text(credentials)?;
        }
    }
    value_and_decoded(text, offer)
}

/// `key=value` pairs between `&` or `;`.
fn query(query: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    if !offer.may_fit(query.len()) {
        return ControlFlow::Continue(());
    }
    for pair in query.split(|&b| b == b'&' || b == b';').filter(|pair| pair.len() >= Token::MIN_LEN) {
        value_and_decoded(pair, offer)?;
        if offer.may_fit(pair.len()) && pair.contains(&b'+') {
            let spaced: Vec<u8> = pair.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
            value_and_decoded(&spaced, offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// Segments between slashes, what spans several of them, and the whole URL. Telegram's API puts `bot` in front of the token.
fn path(request: Request<'_>, offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let path = request.path();
    if offer.may_fit(path.len()) {
        for segment in path.split(|&b| b == b'/').filter(|segment| segment.len() >= Token::MIN_LEN) {
            value_and_decoded(segment, offer)?;
            if let Some(token) = segment.strip_prefix(b"bot") {
                value_and_decoded(token, offer)?;
            }
        }
    }
    if offer.depth == Depth::Parts {
        return ControlFlow::Continue(());
    }
    spans(path, offer)?;
    offer.joined([b"https://", request.authority(), path])
}

/// What lies between any two of the first slashes, or between one of them and the end, when there is a slash in it.
fn spans(path: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let slashes: Vec<usize> = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).take(MAX_SEGMENTS).collect();
    let mut after = slashes.as_slice();
    while let [slash, rest @ ..] = after {
        after = rest;
        let start = slash + 1;
        let ends = rest.iter().copied().chain([path.len()]).filter(|end| *end > start).skip(1);
        for text in ends.filter_map(|end| path.get(start..end)) {
            if offer.may_fit(text.len()) {
                offer.text(text)?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// `name=value` pairs between semicolons. Some servers resolve backslashes: `\146` is an `f`.
fn cookies(cookies: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for cookie in cookies.split(|&b| b == b';').filter(|cookie| cookie.len() >= Token::MIN_LEN) {
        value_and_decoded(cookie, offer)?;
        if offer.may_fit(cookie.len()) && cookie.contains(&b'\\') {
            value_and_decoded(&decode::backslashes(cookie), offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// Any other header. Metadata of gRPC whose name ends in `-bin` is base64 of any bytes; browsers put the token of a websocket, plain or in
/// base64, behind a dotted prefix into `Sec-WebSocket-Protocol`.
fn header(name: &[u8], text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    value_and_decoded(text, offer)?;
    let entries = || text.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    if name.ends_with(b"-bin") {
        for decoded in entries().filter_map(base64) {
            value(&decoded, offer)?;
        }
    }
    if name == b"sec-websocket-protocol" {
        let last = |entry: &[u8]| entry.rsplit(|&b| b == b'.').next().and_then(base64_text);
        for decoded in entries().filter_map(last) {
            value(&decoded, offer)?;
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests;
