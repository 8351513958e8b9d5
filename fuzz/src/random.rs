//! Mutations for the normal test command, which are the same in every run.

/// Longer inputs are left to the fuzzer.
const MAX_LEN: usize = 4 * 1024;

/// The same numbers in every run.
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }

    /// One of the seeds, with some changes; `words` are what bytes by chance hardly ever make.
    pub fn mutated(&mut self, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            match self.below(7) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => input[at] = u8::try_from(self.below(256)).unwrap_or_default(),
                2 => drop(input.drain(at..(at + self.below(16)).min(input.len()))),
                3 => drop(input.splice(at..at, words[self.below(words.len())].iter().copied())),
                4 => {
                    let end = (at + self.below(64)).min(input.len());
                    let copy = input[at..end].repeat(1 + self.below(8));
                    drop(input.splice(at..at, copy));
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    input.truncate(at);
                    input.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
                _ => input.truncate(at),
            }
        }
        input.truncate(MAX_LEN);
        input
    }
}
