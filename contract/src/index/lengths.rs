//! Which lengths the tokens of an index have: most texts of a request have another one, and need not be hashed.

/// A set of canonical lengths in bytes. Lengths from 255 on are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths([u8; 32]);

impl Lengths {
    /// Takes what came over the feed; `None` unless it has 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Bit `n % 8` of byte `n / 8` stands for length `n`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Adds a length.
    pub fn add(&mut self, length: usize) {
        let (byte, bit) = place(length);
        if let Some(byte) = self.0.get_mut(byte) {
            *byte |= bit;
        }
    }

    /// Whether a token of this length may be in the index.
    #[must_use]
    pub fn hold(&self, length: usize) -> bool {
        let (byte, bit) = place(length);
        self.0.get(byte).is_some_and(|byte| byte & bit != 0)
    }
}

fn place(length: usize) -> (usize, u8) {
    let length = length.min(255);
    (length / 8, 1 << (length % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_held_and_nothing_else() {
        for length in [0, 6, 7, 8, 40, 254, 255, 256, 16_384] {
            let mut lengths = Lengths::default();
            assert!(!lengths.hold(length));
            lengths.add(length);
            let held: Vec<usize> = (0..300).filter(|&n| lengths.hold(n)).collect();
            if length < 255 {
                assert_eq!(held, [length]);
            } else {
                assert_eq!(held, (255..300).collect::<Vec<_>>());
            }
            assert_eq!(Lengths::from_slice(lengths.as_bytes()), Some(lengths));
        }
        assert_eq!(Lengths::from_slice(&[0; 31]), None);
    }
}
