//! Where a match stands, for people.

/// A line and a column, both counted from 1; columns count bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The byte within the line.
    pub column: u64,
}

impl Position {
    /// The position of `offset` in `bytes`; an offset past the end is taken as the end.
    ///
    /// It counts from the start, so it is meant for matches only, which are rare.
    #[must_use]
    pub fn of(bytes: &[u8], offset: usize) -> Self {
        let before = &bytes[..offset.min(bytes.len())];
        let lines = before.split(|&byte| byte == b'\n');
        let (mut count, mut last) = (0, before);
        for line in lines {
            count += 1;
            last = line;
        }
        Self { line: count, column: last.len() as u64 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_bytes_from_one() {
        let text = b"ab\n\ncd";
        assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, 2), Position { line: 1, column: 3 });
        assert_eq!(Position::of(text, 3), Position { line: 2, column: 1 });
        assert_eq!(Position::of(text, 5), Position { line: 3, column: 2 });
        assert_eq!(Position::of(text, 99), Position { line: 3, column: 3 });
        assert_eq!(Position::of(b"", 0), Position { line: 1, column: 1 });
    }
}
