//! Byte by byte: whatever is changed in what the control plane has sealed, it is refused, or it is understood as it was meant.

use proptest::prelude::*;

use super::*;
use crate::feed::Message as _;
use crate::feed::wire;

const TENANT: &str = "acme";

/// An index with several shards, as it goes over the feed, and the header that a gateway has.
struct Sent {
    key: PublicKey,
    header: Vec<u8>,
    meant: SealedHeader,
    base: IndexHeader,
    shards: Vec<Arc<[u8]>>,
}

impl Sent {
    fn new() -> Self {
        let key = SigningKey::new(&[3; 32]);
        let built = |entries: u32, epoch| {
            let entries: Vec<_> = (0..entries).map(entry).collect();
            let mut source = IndexSource::from_entries(1, entries).unwrap();
            source.build(TENANT, &fingerprint_key(), epoch, 1_000).unwrap()
        };
        let (base, new) = (built(40, 5), built(41, 6));
        let meant = key.seal(new.header);
        Self { key: key.public_key(), header: meant.to_wire().encode_to_vec(), meant, base: base.header, shards: new.shards }
    }

    /// What a gateway makes of a header: nothing, unless it can be decoded, completed and verified.
    fn believed(&self, bytes: &[u8], base: Option<&IndexHeader>) -> Option<SealedHeader> {
        let sealed = SealedHeader::from_wire(wire::IndexHeader::decode(bytes).ok()?, base).ok()?;
        sealed.clone().verify(&self.key, TENANT, &fingerprint_key(), 5).ok()?;
        Some(sealed)
    }

    fn assert_harmless(&self, bytes: &[u8], what: &str) {
        for base in [None, Some(&self.base)] {
            if let Some(believed) = self.believed(bytes, base) {
                assert_eq!(believed, self.meant, "{what}: believed, and not what was meant");
            }
        }
    }
}

#[test]
fn every_byte_of_a_header_counts() {
    let sent = Sent::new();
    assert_eq!(sent.believed(&sent.header, None), Some(sent.meant.clone()));
    let mut refused = 0;
    for at in 0..sent.header.len() {
        // One bit; a different one from byte to byte.
        let mut bytes = sent.header.clone();
        bytes[at] ^= 1 << (at % 8);
        refused += usize::from(sent.believed(&bytes, None).is_none());
        sent.assert_harmless(&bytes, &format!("byte {at}"));
        sent.assert_harmless(&sent.header[..at], &format!("cut at {at}"));
    }
    // A root that is sent is not what is believed: it is made anew from all else.
    assert!(refused >= sent.header.len() - 34, "only {refused} of {}", sent.header.len());
}

#[test]
fn every_byte_of_a_shard_counts() {
    let sent = Sent::new();
    for (sum, shard) in sent.meant.header.shards.iter().zip(&sent.shards) {
        assert!(Shard::open(sum, shard.clone()).is_ok());
        for at in 0..shard.len() {
            let mut bytes = shard.to_vec();
            bytes[at] ^= 1 << (at % 8);
            assert!(Shard::open(sum, Arc::from(bytes)).is_err(), "byte {at}");
            assert!(Shard::open(sum, Arc::from(&shard[..at])).is_err(), "cut at {at}");
        }
        let longer = [shard, [0].as_slice()].concat();
        assert!(Shard::open(sum, Arc::from(longer)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Bytes written over, taken out, put in or repeated anywhere.
    #[test]
    fn no_other_header_is_believed(
        at in any::<prop::sample::Index>(),
        taken in 0_usize..70,
        put in prop::collection::vec(any::<u8>(), 0..70),
        again in any::<bool>(),
    ) {
        let sent = Sent::new();
        let mut bytes = sent.header.clone();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + taken);
        bytes.splice(at..end, put);
        if again {
            bytes.extend_from_slice(&sent.header);
        }
        sent.assert_harmless(&bytes, "spliced");
    }

    #[test]
    fn no_other_shard_is_opened(
        at in any::<prop::sample::Index>(),
        taken in 0_usize..70,
        put in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let sent = Sent::new();
        for (sum, shard) in sent.meant.header.shards.iter().zip(&sent.shards) {
            let mut bytes = shard.to_vec();
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + taken);
            bytes.splice(at..end, put.iter().copied());
            let same = bytes.as_slice() == shard.as_ref();
            prop_assert_eq!(Shard::open(sum, Arc::from(bytes)).is_ok(), same);
        }
    }
}
