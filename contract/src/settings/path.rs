//! Paths, as scopes compare them.
//!
//! Servers disagree about many spellings of a path. Those that a scope can tell apart safely are brought into one form: percent-encoding,
//! case, empty and `.` segments, backslashes, parameters behind a `;`, dots and spaces at the end of a segment. A path with any other
//! spelling (`..`, encoded twice, characters beyond ASCII) is unclear, and every scope covers it.

/// A path in segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    segments: Vec<Vec<u8>>,
    is_unclear: bool,
}

/// Segments that are compared: a prefix has no more.
pub const MAX_SEGMENTS: usize = 32;

impl Segments {
    /// Reads a path without its query.
    pub fn of(path: &[u8]) -> Self {
        let decoded = decode(path);
        let is_odd = |byte: &u8| !matches!(byte, b' '..=b'~') || *byte == b'%';
        let mut read = Self { segments: Vec::new(), is_unclear: !path.starts_with(b"/") || decoded.iter().any(is_odd) };
        for segment in decoded.split(|b| matches!(b, b'/' | b'\\')) {
            let name = segment.split(|b| matches!(b, b';' | b'?' | b'#')).next().unwrap_or_default();
            let end = name.iter().rposition(|b| !matches!(b, b'.' | b' ')).map_or(0, |last| last + 1);
            match name.get(..end) {
                Some(name) if !name.is_empty() => {
                    if read.segments.len() < MAX_SEGMENTS {
                        read.segments.push(name.to_ascii_lowercase());
                    }
                }
                _ => read.is_unclear |= name.iter().filter(|b| **b == b'.').nth(1).is_some(),
            }
        }
        read
    }

    /// Whether every server sees this path in the same place.
    pub fn is_clear(&self) -> bool {
        !self.is_unclear
    }

    /// How many there are, up to [`MAX_SEGMENTS`].
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// Whether this is the path that `prefix` names, or below it, or may be.
    pub fn may_be_below(&self, prefix: &str) -> bool {
        self.is_unclear || self.segments.starts_with(&Self::of(prefix.as_bytes()).segments)
    }
}

/// Replaces percent-encodings by what they stand for, once.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match after {
            [high, low, after @ ..] if first == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (first, rest.get(1..).unwrap_or_default()),
            },
            after => (first, after),
        };
        decoded.push(byte);
        rest = after;
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
