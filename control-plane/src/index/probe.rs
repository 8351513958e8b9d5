//! A token that only the control plane knows: a request with it must be refused by every index that goes out.

use blake3::OutputReader;
use stopleak_contract::index::{Action, Classes, Entry, Kind, LeakNumber};
use stopleak_contract::{Fingerprint, FingerprintKey, Token};
use zeroize::Zeroizing;

/// The number that no leak has: they begin with 1.
pub const PROBE_LEAK: LeakNumber = 0;

/// A shorter text could be one that an honest request carries.
const MIN_LEN: u8 = 20;
/// When no token of the index is long enough.
const USUAL_LEN: usize = 32;
/// Tries until a text of the kind is found that is its own canonical form: the first one nearly always is.
const TRIES: u32 = 64;

/// What characters stand for each class.
const ALPHABETS: [(Classes, &[u8]); 6] = [
    (Classes::DIGIT, b"0123456789"),
    (Classes::LOWER, b"abcdefghijklmnopqrstuvwxyz"),
    (Classes::UPPER, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (Classes::DASH, b"-_"),
    (Classes::DOT, b"."),
    (Classes::OTHER, b"~!$*"),
];

/// The probe of a tenant: it follows from the fingerprint key and its kind.
#[derive(Clone)]
pub struct Probe {
    text: Zeroizing<Vec<u8>>,
    kind: Kind,
    entry: Entry,
}

impl Probe {
    /// The probe for an index of tokens of these kinds. It is of one of them, so that it costs no request of a gateway a look at texts that
    /// no other token is like.
    pub fn for_index(key: &FingerprintKey, mut kinds: impl Iterator<Item = Kind>) -> Option<Self> {
        let kind = kinds.find(|kind| (MIN_LEN..Kind::LONG).contains(&kind.length()));
        let usual = Kind::new(USUAL_LEN, Classes::DIGIT.with(Classes::LOWER));
        Self::of(key, kind.unwrap_or(usual)).or_else(|| Self::of(key, usual))
    }

    fn of(key: &FingerprintKey, kind: Kind) -> Option<Self> {
        let classes = kind.classes().unwrap_or(Classes::DIGIT.with(Classes::LOWER));
        let wanted = Kind::new(usize::from(kind.length()), classes);
        let mut hasher = blake3::Hasher::new_derive_key("stopleak index probe v1");
        hasher.update(key.as_bytes()).update(&[kind.length(), classes.bits()]);
        let mut random = hasher.finalize_xof();
        (0..TRIES).find_map(|_| {
            let text = text(&mut random, wanted.length(), classes);
            let token = Token::parse(&text).ok().filter(|token| token.as_bytes() == text.as_slice() && token.kind() == wanted)?;
            let fingerprint = Fingerprint::of(key, &token);
            Some(Self { text, kind, entry: Entry { fingerprint, leak: PROBE_LEAK, action: Action::Block, kind } })
        })
    }

    /// The secret itself.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Another secret, as like it as can be: it differs in its last character.
    pub fn neighbour(&self) -> Zeroizing<Vec<u8>> {
        let mut text = self.text.clone();
        if let Some(last) = text.last_mut() {
            *last = if *last == b'a' { b'b' } else { b'a' };
        }
        text
    }

    /// What stands in the index.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// The kind that it was made for.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// Of every class at least one, and nothing else.
fn text(random: &mut OutputReader, length: u8, classes: Classes) -> Zeroizing<Vec<u8>> {
    let alphabets: Vec<&[u8]> =
        ALPHABETS.iter().filter(|(class, _)| classes.contains(*class)).map(|(_, alphabet)| *alphabet).collect();
    // Letters and digits at the ends: what else stands there may be trimmed.
    let all: Vec<u8> = alphabets.concat();
    let mut bytes = Zeroizing::new(vec![0; usize::from(length) * 2]);
    random.fill(&mut bytes);
    let pick = |alphabet: &[u8], byte: u8| alphabet.get(usize::from(byte) % alphabet.len().max(1)).copied().unwrap_or(b'a');
    let pairs = bytes.as_chunks::<2>().0;
    let text = pairs.iter().enumerate().map(|(place, [byte, _])| match alphabets.get(place) {
        Some(alphabet) => pick(alphabet, *byte),
        None => pick(&all, *byte),
    });
    Zeroizing::new(text.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_of_a_kind_that_is_there_and_no_honest_text() {
        let key = FingerprintKey::new([7; 32]);
        let classes = |text: &[u8]| Classes::of(text);
        for (kinds, expected) in [
            (vec![Kind::new(8, classes(b"a1")), Kind::new(40, classes(b"aA1_"))], Kind::new(40, classes(b"aA1_"))),
            (vec![Kind::new(64, classes(b"a1~."))], Kind::new(64, classes(b"a1~."))),
            (vec![Kind::new(8, classes(b"1"))], Kind::new(USUAL_LEN, classes(b"a1"))),
            (vec![Kind::new(4_000, classes(b"a"))], Kind::new(USUAL_LEN, classes(b"a1"))),
        ] {
            let probe = Probe::for_index(&key, kinds.into_iter()).unwrap();
            let token = Token::parse(probe.text()).unwrap();
            assert_eq!(token.kind(), expected);
            assert_eq!(Fingerprint::of(&key, &token), probe.entry().fingerprint);
            assert_ne!(probe.neighbour().as_slice(), probe.text());
        }
        let stored = Kind::of_length(36);
        let probe = Probe::for_index(&key, [stored].into_iter()).unwrap();
        assert_eq!((probe.kind(), probe.text().len()), (stored, 36));
    }

    #[test]
    fn a_probe_follows_from_the_key() {
        let kinds = || [Kind::new(40, Classes::LOWER)].into_iter();
        let of = |key: u8| Probe::for_index(&FingerprintKey::new([key; 32]), kinds()).unwrap().text().to_vec();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
