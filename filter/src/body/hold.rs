//! How much of a body is waited for before it is judged.
//!
//! Envoy keeps what is held, so nothing is copied until there is enough to judge. An ordinary body is held as a whole, or until it is
//! larger than the limit. When it is clear from the start that it will be, an Envoy that is not prepared for that is not asked to hold it,
//! since it answers 413 when what is held and what comes at once, up to a mebibyte each, are too much: the beginning passes, and the
//! verdict is there before the end. A gRPC stream may never end, and its server may answer the first message before the client sends a second:
//! there, each message is held until it is whole, and no server can do anything with a part of one. What a connection carries after an
//! upgrade or `CONNECT` is no body.

use crate::request::Request;

/// The state of one request's body.
#[derive(Debug)]
pub struct Hold {
    kind: Kind,
    /// Bytes that may still be looked at.
    left: usize,
    /// Less than this is not worth reading: the message is not whole.
    needed: usize,
    /// The beginning of a body that passes meanwhile.
    kept: Vec<u8>,
    over_limit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Passing,
    Messages,
    Done,
}

/// What to do with what Envoy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Wait for more.
    Wait,
    /// Read this many bytes from the start and ask [`Hold::read`].
    Read(usize),
    /// Read this many bytes from the start, give them to [`Hold::keep`], and let them pass unless that says otherwise.
    Keep(usize),
    /// Let it pass.
    Pass,
}

/// A gRPC message begins with a byte that says whether it is compressed, and four bytes of its length.
const PREFIX: usize = 5;

impl Hold {
    /// Decides by the headers; `None` when there is nothing to look at. `is_prepared`: Envoy has room to hold the beginning of any body.
    #[must_use]
    pub fn new(request: Request<'_>, limit: usize, is_prepared: bool) -> Option<Self> {
        if is_tunnel(request) {
            return None;
        }
        let is_grpc = request.get(b"content-type").get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"));
        let length = || std::str::from_utf8(request.get(b"content-length")).ok()?.parse().ok();
        let kind = match length() {
            _ if is_grpc => Kind::Messages,
            Some(0..) if is_prepared => Kind::Whole,
            Some(length) if length > limit => Kind::Passing,
            _ => Kind::Whole,
        };
        Some(Self { kind, left: limit, needed: PREFIX, kept: Vec::new(), over_limit: false })
    }

    /// Whether the server may answer before the body ends, and has to see the headers for that.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.kind == Kind::Messages
    }

    /// `size` bytes are held, all that came since the last ones passed.
    #[must_use]
    pub fn arrived(&self, size: usize, is_end: bool) -> Arrived {
        let is_enough = is_end || size > self.left;
        match self.kind {
            Kind::Done => Arrived::Pass,
            Kind::Passing => Arrived::Keep(size.min(self.left)),
            Kind::Whole if !is_enough => Arrived::Wait,
            Kind::Messages if !is_enough && size < self.needed => Arrived::Wait,
            Kind::Whole | Kind::Messages => Arrived::Read(size.min(self.left)),
        }
    }

    /// Takes what passes, and gives the whole beginning once there is enough of it to be judged.
    pub fn keep(&mut self, bytes: &[u8], size: usize, is_end: bool) -> Option<Vec<u8>> {
        self.kept.extend_from_slice(bytes);
        self.over_limit = size > self.left;
        self.left = self.left.saturating_sub(bytes.len());
        if !is_end && self.left > 0 {
            return None;
        }
        self.kind = Kind::Done;
        self.over_limit |= !is_end;
        Some(std::mem::take(&mut self.kept))
    }

    /// Whether there was more than the limit.
    #[must_use]
    pub fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// Whether all has been read that will be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.kind == Kind::Done
    }

    /// Bytes that may still be looked at.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left
    }

    /// The parts that are now to be judged, after which what is held passes; `None`: wait for more.
    ///
    /// `size` is what is held, of which `bytes` were asked for.
    pub fn read<'b>(&mut self, bytes: &'b [u8], size: usize, is_end: bool) -> Option<Vec<Part<'b>>> {
        let is_enough = is_end || size > self.left;
        self.over_limit = size > self.left;
        if self.kind == Kind::Messages {
            let mut parts = Vec::new();
            let mut rest = bytes;
            let mut before = 0;
            let whole = loop {
                match message(rest) {
                    Message::Whole { part, length } => {
                        parts.push(part);
                        before += length;
                        rest = rest.get(length..).unwrap_or_default();
                    }
                    Message::Partial { length } if rest.is_empty() || !is_enough => {
                        self.needed = before.saturating_add(length);
                        break rest.is_empty();
                    }
                    // Cut off at the limit or by the client: what is there is looked at all the same.
                    Message::Partial { .. } => {
                        parts.push(Part::body(rest));
                        break true;
                    }
                    // Not gRPC, whatever its type says.
                    Message::None => {
                        self.kind = Kind::Whole;
                        break false;
                    }
                }
            };
            if whole {
                self.left = self.left.saturating_sub(bytes.len());
                self.needed = PREFIX;
                if is_enough {
                    self.kind = Kind::Done;
                }
                return Some(parts);
            }
        }
        if self.kind == Kind::Whole && is_enough {
            self.kind = Kind::Done;
            return Some(vec![Part::body(bytes)]);
        }
        None
    }
}

/// A part of a body that is judged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// A gRPC message, whose encoding is a matter of its own.
    pub is_message: bool,
    /// The message is compressed.
    pub is_compressed: bool,
}

impl<'a> Part<'a> {
    /// A body, or the beginning of one.
    #[must_use]
    pub fn body(bytes: &'a [u8]) -> Self {
        Self { bytes, is_message: false, is_compressed: false }
    }
}

enum Message<'a> {
    Whole { part: Part<'a>, length: usize },
    Partial { length: usize },
    None,
}

/// The message at the start.
fn message(bytes: &[u8]) -> Message<'_> {
    let (flag, length) = match bytes {
        [flag @ (0 | 1), a, b, c, d, ..] => (*flag, u32::from_be_bytes([*a, *b, *c, *d])),
        [] | [0 | 1, ..] => return Message::Partial { length: PREFIX },
        _ => return Message::None,
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(PREFIX);
    match bytes.get(PREFIX..length) {
        Some(bytes) => Message::Whole { part: Part { bytes, is_message: true, is_compressed: flag == 1 }, length },
        None => Message::Partial { length },
    }
}

/// `CONNECT`, and an upgrade without a body: one with a length or with chunks has a body like any other request.
fn is_tunnel(request: Request<'_>) -> bool {
    let has = |name| !request.get(name).is_empty();
    let is_upgrade = has(b"upgrade") && contains(request.get(b"connection"), b"upgrade");
    let has_body = has(b"transfer-encoding") || !matches!(request.get(b"content-length"), b"" | b"0");
    request.get(b":method") == b"CONNECT" || (is_upgrade && !has_body)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header_map::view;

    fn hold(headers: &[(&str, &str)], limit: usize) -> Option<Hold> {
        Hold::new(Request::new(&view(headers)), limit, false)
    }

    /// What is judged of a body that comes in these chunks.
    fn judged(hold: &mut Hold, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut held, mut judged) = (Vec::new(), Vec::new());
        for (i, chunk) in chunks.iter().enumerate() {
            held.extend_from_slice(chunk);
            let is_end = i + 1 == chunks.len();
            match hold.arrived(held.len(), is_end) {
                Arrived::Wait => {}
                Arrived::Pass => held.clear(),
                Arrived::Keep(count) => {
                    judged.extend(hold.keep(&held[..count], held.len(), is_end));
                    held.clear();
                }
                Arrived::Read(count) => {
                    let size = held.len();
                    let parts = hold.read(&held[..count], size, is_end);
                    if let Some(parts) = parts {
                        judged.extend(parts.iter().map(|part| part.bytes.to_vec()));
                        held.clear();
                    }
                }
            }
        }
        judged
    }

    #[test]
    fn an_ordinary_body_is_judged_once_and_as_a_whole_up_to_the_limit() {
        let whole = |chunks: &[&[u8]]| judged(&mut hold(&[], 8).unwrap(), chunks);
        assert_eq!(whole(&[b"ab", b"cd", b""]), [b"abcd"]);
        assert_eq!(whole(&[b"abcdefgh", b""]), [b"abcdefgh"]);
        assert_eq!(whole(&[b"abcdef", b"ghij", b"klmn"]), [b"abcdefgh"]);
    }

    #[test]
    fn a_body_that_will_be_larger_than_the_limit_passes_until_there_is_enough_to_judge() {
        let larger = |chunks: &[&[u8]]| {
            let mut hold = hold(&[("content-length", "9")], 8).unwrap();
            let judged = judged(&mut hold, chunks);
            (judged, hold.is_over_limit(), hold.is_done())
        };
        assert_eq!(larger(&[b"abc", b"defgh", b"i"]), (vec![b"abcdefgh".to_vec()], true, true));
        assert_eq!(larger(&[b"abcdefghi"]), (vec![b"abcdefgh".to_vec()], true, true));
        assert_eq!(larger(&[b"abc", b""]), (vec![b"abc".to_vec()], false, true));
        assert_eq!(larger(&[b"abc", b"def"]).0.len(), 1);
        let exact = hold(&[("content-length", "8")], 8).unwrap();
        assert_eq!(exact.arrived(7, false), Arrived::Wait);
        assert_eq!(Hold::new(Request::new(&view(&[("content-length", "9")])), 8, true).unwrap().arrived(7, false), Arrived::Wait);
        assert_eq!(exact.arrived(8, true), Arrived::Read(8));
    }

    #[test]
    fn a_grpc_message_is_judged_when_it_is_whole() {
        let grpc =
            |chunks: &[&[u8]], limit| judged(&mut hold(&[("content-type", "application/grpc+proto")], limit).unwrap(), chunks);
        let two = b"\0\0\0\0\x03abc\x01\0\0\0\x02de";
        for cut in 0..=two.len() {
            let (a, b) = two.split_at(cut);
            assert_eq!(grpc(&[a, b, b""], 100), [b"abc".to_vec(), b"de".to_vec()], "cut at {cut}");
        }
        assert_eq!(grpc(&[b"\0\0\0\0\x03abc", b"\0\0\0\0\x09abc"], 100), [b"abc".as_slice(), b"\0\0\0\0\x09abc"]);
        assert_eq!(grpc(&[b"\0\0\0\0\x03abc", b"\0\0\0\0\x09abcdefghi", b"x"], 12), [b"abc".as_slice(), b"\0\0\0\0"]);
        assert_eq!(grpc(&[b"{\"to", b"ken\": 1}"], 100), [b"{\"token\": 1}"], "a body that lies about its type");
    }

    #[test]
    fn a_stream_is_not_held_beyond_a_message() {
        let mut hold = hold(&[("content-type", "application/grpc")], 100).unwrap();
        for _ in 0..3 {
            assert_eq!(hold.arrived(4, false), Arrived::Wait);
            assert_eq!(hold.arrived(8, false), Arrived::Read(8));
            assert_eq!(hold.read(b"\0\0\0\0\x03abc", 8, false).unwrap().len(), 1);
        }
        assert_eq!(hold.arrived(77, false), Arrived::Read(76));
        assert_eq!(hold.read(&[0; 76], 77, false).unwrap().len(), 16, "fifteen empty messages and the rest");
        assert_eq!((hold.arrived(5, false), hold.is_over_limit()), (Arrived::Pass, true));
    }

    #[test]
    fn tunnels_are_not_held() {
        assert!(hold(&[(":method", "CONNECT")], 8).is_none());
        let upgrade = [("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")];
        assert!(hold(&upgrade, 8).is_none());
        assert!(hold(&[upgrade[0], upgrade[1], ("content-length", "5")], 8).is_some(), "a body behind the word upgrade");
        assert!(hold(&[upgrade[0]], 8).is_some());
    }

    proptest! {
        #[test]
        fn chunks_cut_anywhere_are_judged_like_the_whole(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            is_grpc: bool,
            limit in 1..120_usize,
        ) {
            let frame = |text: &Vec<u8>| [&[0, 0, 0, 0, u8::try_from(text.len()).unwrap()], text.as_slice()].concat();
            let body: Vec<u8> = messages.iter().flat_map(frame).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([body.len()]) {
                chunks.push(&body[start..cut]);
                start = cut;
            }
            let kind = if is_grpc { "application/grpc" } else { "text/plain" };
            let in_chunks = judged(&mut hold(&[("content-type", kind)], limit).unwrap(), &chunks);
            let at_once = judged(&mut hold(&[("content-type", kind)], limit).unwrap(), &[&body]);
            let together = |parts: &[Vec<u8>]| parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>();
            prop_assert_eq!(together(&in_chunks), together(&at_once));
        }
    }
}
