//! Where a token can be in a request. Places that usually carry credentials come first, so that padding elsewhere cannot use up the
//! budget before them. What texts a value offers is the matter of [`texts`], how bytes are read the matter of [`decode`].

mod decode;
mod texts;

use std::ops::ControlFlow;

use stopleak_contract::HeaderSelection;
use stopleak_contract::feed::wire::Place;

use self::decode::{base64, base64_text};
use self::texts::{Offer, value, value_and_decoded};
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

/// A token that spans several segments begins in one of the first: Slack's webhooks have it in the second.
const MAX_SPANS: usize = 16;

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
        header(name, value, &mut Offer { place: Place::Header, header: name, visit })?;
    }
    ControlFlow::Continue(())
}

fn is_authorization(name: &str) -> bool {
    matches!(name, "authorization" | "proxy-authorization")
}

/// `scheme credentials`, in any case and with any white space; what Basic encodes may be any bytes.
fn authorization(text: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    let text = text.trim_ascii();
    if let Some(at) = text.iter().position(u8::is_ascii_whitespace) {
        let (scheme, credentials) = text.split_at(at);
        let credentials = credentials.trim_ascii();
        offer.text(credentials)?;
        if scheme.eq_ignore_ascii_case(b"basic")
            && let Some(pair) = base64(credentials)
        {
            value(&pair, offer)?;
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

/// Segments between slashes, and what spans several of them. Telegram's API puts `bot` in front of the token.
fn path(path: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for segment in path.split(|&b| b == b'/') {
        if let Some(token) = segment.strip_prefix(b"bot") {
            offer.text(token)?;
            offer.text(&decode::percent(token))?;
        }
        value_and_decoded(segment, offer)?;
    }
    let whole = path.strip_suffix(b"/").unwrap_or(path);
    for (at, _) in whole.iter().enumerate().filter(|(_, b)| **b == b'/').take(MAX_SPANS) {
        offer.text(whole.get(at + 1..).unwrap_or_default())?;
    }
    ControlFlow::Continue(())
}

/// `name=value` pairs between semicolons.
fn cookies(cookies: &[u8], offer: &mut Offer<'_, '_, '_>) -> ControlFlow<()> {
    for cookie in cookies.split(|&b| b == b';') {
        value_and_decoded(cookie, offer)?;
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
