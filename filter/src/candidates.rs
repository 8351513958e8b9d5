//! Where a token can be in a request. What texts a value offers is the matter of [`texts`], how bytes are read the matter of [`decode`].
//!
//! The request is gone through twice: first for the texts that usually are tokens, in every place, then for the smaller parts of all
//! of them. Padding in one place cannot use up the budget before the usual texts of the others are seen.

pub(crate) mod decode;
pub(crate) mod texts;

use std::ops::ControlFlow;

use stopleak_contract::HeaderSelection;
use stopleak_contract::feed::wire::Place;

use self::decode::{base64, base64_text};
use self::texts::{Depth, Offer, value, value_and_decoded};
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

/// A token that spans several segments lies among the first: webhooks have it there.
const MAX_SEGMENTS: usize = 16;

/// Offers every candidate of the request to `visit`.
pub fn visit(request: Request<'_>, selection: Option<&HeaderSelection>, visit: &mut Visit<'_>) -> ControlFlow<()> {
    let covered = |name: &str| selection.is_none_or(|selection| selection.covers(name.as_bytes()));
    let headers = || request.headers().filter(|(name, _)| covered(name));

    for depth in [Depth::Usual, Depth::Parts] {
        for (name, value) in headers().filter(|(name, _)| is_authorization(name)) {
            authorization(value, &mut Offer { place: Place::Authorization, header: name, depth, visit })?;
        }
        query(request.query(), &mut Offer { place: Place::Query, header: "", depth, visit })?;
        path(request, &mut Offer { place: Place::Path, header: "", depth, visit })?;
        for (_, value) in headers().filter(|(name, _)| *name == "cookie") {
            cookies(value, &mut Offer { place: Place::Cookie, header: "", depth, visit })?;
        }
        for (name, value) in headers().filter(|(name, _)| !is_authorization(name) && *name != "cookie") {
            header(name, value, &mut Offer { place: Place::Header, header: name, depth, visit })?;
        }
    }
    ControlFlow::Continue(())
}

/// Offers every text of a single value, as if it were a header's.
pub fn visit_value(text: &[u8], visit: &mut Visit<'_>) -> ControlFlow<()> {
    value_and_decoded(text, &mut Offer { place: Place::Header, header: "", depth: Depth::All, visit })
}

fn is_authorization(name: &str) -> bool {
    matches!(name, "authorization" | "proxy-authorization")
}

/// `scheme credentials`, in any case and with any white space; what Basic encodes may be any bytes.
fn authorization(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let text = text.trim_ascii();
    if let Some(at) = text.iter().position(|b| !b.is_ascii_graphic()) {
        let (scheme, credentials) = text.split_at(at);
        if scheme.eq_ignore_ascii_case(b"basic") {
            value(&decode::basic(credentials), offer)?;
        }
        if offer.depth != Depth::Parts {
            offer.text(credentials)?;
        }
    }
    value_and_decoded(text, offer)
}

/// `key=value` pairs between `&` or `;`.
fn query(query: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for pair in query.split(|&b| b == b'&' || b == b';') {
        value_and_decoded(pair, offer)?;
        if pair.contains(&b'+') {
            let spaced: Vec<u8> = pair.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
            value_and_decoded(&spaced, offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// Segments between slashes, what spans several of them, and the whole URL. Telegram's API puts `bot` in front of the token.
fn path(request: Request<'_>, offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let path = request.path();
    for segment in path.split(|&b| b == b'/') {
        value_and_decoded(segment, offer)?;
        if let Some(token) = segment.strip_prefix(b"bot") {
            value_and_decoded(token, offer)?;
        }
    }
    if offer.depth == Depth::Parts {
        return ControlFlow::Continue(());
    }
    let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).take(MAX_SEGMENTS);
    for start in slashes.clone() {
        let ends = slashes.clone().chain([path.len()]).filter(|end| *end > start + 1);
        for end in ends {
            offer.text(path.get(start + 1..end).unwrap_or_default())?;
        }
    }
    let url = [b"https://", request.authority(), path].concat();
    offer.text(&url)?;
    offer.text(url.get(b"https://".len()..).unwrap_or_default())
}

/// `name=value` pairs between semicolons. Some servers resolve backslashes: `\146` is an `f`.
fn cookies(cookies: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for cookie in cookies.split(|&b| b == b';') {
        value_and_decoded(cookie, offer)?;
        if cookie.contains(&b'\\') {
            value_and_decoded(&decode::backslashes(cookie), offer)?;
        }
    }
    ControlFlow::Continue(())
}

/// Any other header. Metadata of gRPC whose name ends in `-bin` is base64 of any bytes; browsers put the token of a websocket, plain or in
/// base64, behind a dotted prefix into `Sec-WebSocket-Protocol`.
fn header(name: &str, text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    value_and_decoded(text, offer)?;
    let entries = || text.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    if name.ends_with("-bin") {
        for decoded in entries().filter_map(base64) {
            value(&decoded, offer)?;
        }
    }
    if name == "sec-websocket-protocol" {
        let last = |entry: &[u8]| entry.rsplit(|&b| b == b'.').next().and_then(base64_text);
        for decoded in entries().filter_map(last) {
            value(&decoded, offer)?;
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests;
