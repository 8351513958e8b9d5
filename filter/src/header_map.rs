//! A header map in the form in which the host hands it over: one run of bytes, which is read where it lies.
//!
//! The number of pairs, the lengths of each name and value, and then the texts, each with a zero byte behind it; all numbers have 32 bits
//! and are little-endian. What does not fit is left out, so that bytes of any kind can be read.

/// Names and values, in the order of the request.
pub type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

const NUMBER: usize = size_of::<u32>();

/// Reads all pairs up to the first that does not fit into the bytes.
#[must_use]
pub fn read(bytes: &[u8]) -> Pairs<'_> {
    let mut pairs = Pairs::new();
    let Some((count, rest)) = number(bytes) else { return pairs };
    let Some((lengths, mut texts)) = count.checked_mul(2 * NUMBER).and_then(|size| rest.split_at_checked(size)) else {
        return pairs;
    };
    // Bounded by the bytes that are there, whatever the count says.
    pairs.reserve_exact(count);
    let mut lengths = lengths.as_chunks::<NUMBER>().0.iter().map(|length| u32::from_le_bytes(*length) as usize);
    while let (Some(name), Some(value)) = (lengths.next(), lengths.next()) {
        let Some((name, after)) = text(texts, name) else { break };
        let Some((value, after)) = text(after, value) else { break };
        pairs.push((name, value));
        texts = after;
    }
    pairs
}

/// Writes pairs, for the host to read.
#[must_use]
pub fn write<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    // No text has as many bytes as 32 bits can count.
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(number(name.as_ref().len()));
        bytes.extend(number(value.as_ref().len()));
    }
    for (name, value) in pairs {
        for text in [name.as_ref(), value.as_ref()] {
            bytes.extend(text);
            bytes.push(0);
        }
    }
    bytes
}

/// The same view of pairs that are kept in another form.
#[must_use]
pub fn view<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Pairs<'_> {
    pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<NUMBER>()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

/// A text of this length, and what follows its zero byte.
fn text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_map_as_envoy_writes_it() {
        let bytes = b"\x02\0\0\0\x07\0\0\0\x03\0\0\0\x01\0\0\0\0\0\0\0:method\0GET\0x\0\0";
        assert_eq!(read(bytes), [(b":method".as_slice(), b"GET".as_slice()), (b"x", b"")]);
        assert!(read(b"").is_empty() && read(b"\0\0\0\0").is_empty());
    }

    #[test]
    fn a_host_that_lies_is_read_as_far_as_it_goes() {
        let good = b"\x02\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x09\0\0\0a\0b\0c\0d\0";
        assert_eq!(read(good), [(b"a".as_slice(), b"b".as_slice())]);
        assert!(read(b"\xff\xff\xff\xff\x01\0\0\0\x01\0\0\0a\0b\0").is_empty());
        assert!(read(b"\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffa\0b\0").is_empty());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(pairs in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..20)) {
            let bytes = write(&pairs);
            let expected: Pairs<'_> = pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
            prop_assert_eq!(read(&bytes), expected);
        }

        #[test]
        fn any_bytes_can_be_read(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            pairs in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..5),
            damage in any::<(prop::sample::Index, u8)>(),
        ) {
            prop_assert!(read(&bytes).len() <= bytes.len());
            let mut damaged = write(&pairs);
            let at = damage.0.index(damaged.len());
            damaged[at] = damage.1;
            prop_assert!(read(&damaged).len() <= damaged.len());
        }
    }
}
