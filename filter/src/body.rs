//! A request's body: how much of it is waited for ([`hold`]), how it was encoded ([`encoding`]), and the texts in it that may be tokens
//! ([`texts`]).
//!
//! What a body is called does not matter: an upstream may read it as what it is not called, so every body is read in every way at once.
//! That is cheaper than it sounds. A way of reading costs nothing where the text has none of its escapes, and the texts between quotes,
//! lines, tags and ampersands are found without knowing what they belong to: no parser, no stack, no level that is too deep.

mod binary;
mod encoding;
mod escapes;
mod hold;
mod markup;
mod seen;
mod texts;
mod transfer;

use std::ops::ControlFlow;

use stopleak_contract::index::Kinds;

pub use self::hold::{Arrived, Hold, Part};
use self::seen::Seen;
use self::texts::Texts;
use crate::candidates::Visit;
use crate::candidates::texts::ANY;

/// A body, or the part of it that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The bytes, as they came.
    pub bytes: &'a [u8],
    /// The value of `Content-Encoding`, or of `grpc-encoding`.
    pub encoding: &'a [u8],
    /// Bytes that are looked at, also after decoding.
    pub limit: usize,
}

/// What of a body could not be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Decoded, it is larger than the limit.
    pub over_limit: bool,
    /// It is in an encoding that is not known, or broken.
    pub unread: bool,
    /// Resolving its escapes, one in another, would have cost too much.
    pub over_budget: bool,
}

/// Offers to `visit` every candidate of a body that may be a token of one of these kinds, and some that cannot.
///
/// It is read as it stands too, whatever the encoding: many a server ignores `Content-Encoding` in requests.
pub fn visit(body: Body<'_>, kinds: &Kinds, visit: &mut Visit<'_>) -> (ControlFlow<()>, Missed) {
    if !kinds.may_hold(usize::MAX, ANY) {
        // No token at all.
        return (ControlFlow::Continue(()), Missed::default());
    }
    let decoded = encoding::decode(body.encoding, body.bytes, body.limit);
    let mut missed = Missed { over_limit: decoded.over_limit, unread: decoded.unread, over_budget: false };
    let mut texts = Texts::new(visit, kinds, body.limit);
    let flow = [Some(body.bytes), decoded.bytes.as_deref()].into_iter().flatten().try_for_each(|bytes| whole(bytes, &mut texts));
    missed.over_budget = texts.over_budget();
    (flow, missed)
}

/// The text itself, and what it becomes when the encodings that apply to a whole body or to a part of a multipart body are resolved.
fn whole(bytes: &[u8], texts: &mut Texts<'_, '_, '_>) -> ControlFlow<()> {
    let seen = texts.look(bytes)?;
    binary::prefixed(bytes, seen, texts)?;
    let narrow = transfer::wide(bytes);
    if let Some(narrow) = &narrow {
        texts.decoded(narrow)?;
    }
    let bytes = narrow.as_deref().unwrap_or(bytes);
    for decoded in [transfer::quoted_printable(bytes, seen), transfer::base64(bytes, seen)].into_iter().flatten() {
        texts.decoded(&decoded)?;
        binary::prefixed(&decoded, Seen::of(&decoded), texts)?;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests;
