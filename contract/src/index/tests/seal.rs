//! What a header must show before it is believed.

use super::*;
use crate::settings::{MAX_SETTINGS, Settings};

fn sealed() -> (PublicKey, SealedHeader) {
    let key = SigningKey::new(&[3; 32]);
    let mut built = build("acme", &fingerprint_key(), 5, 1_000, vec![entry(1)]).unwrap();
    built.header.settings = Settings::new(None, 7, Vec::new()).to_bytes();
    (key.public_key(), key.seal(built.header))
}

#[test]
fn holds_for_its_tenant_and_from_the_epoch_in_force_on() {
    let (key, sealed) = sealed();
    assert!(sealed.clone().verify(&key, "acme", &fingerprint_key(), 0).is_ok());
    assert!(sealed.clone().verify(&key, "acme", &fingerprint_key(), 5).is_ok());
    let older = sealed.clone().verify(&key, "acme", &fingerprint_key(), 6).unwrap_err();
    assert_eq!(older, HeaderError::Epoch { have: 6, got: 5 });
    let strange = sealed.clone().verify(&key, "acme", &FingerprintKey::new([8; 32]), 0).unwrap_err();
    assert_eq!(strange, HeaderError::Key);
    let foreign = sealed.verify(&key, "other", &fingerprint_key(), 0).unwrap_err();
    assert_eq!(foreign, HeaderError::Tenant { expected: "other".into(), got: "acme".into() });
}

#[test]
fn is_believed_by_either_of_two_pinned_keys_and_by_no_third() {
    let public = |seed| SigningKey::new(&[seed; 32]).public_key();
    let verify = |pinned: &[PublicKey]| {
        let pinned = Pinned::new(pinned).unwrap();
        sealed().1.verify_by(&pinned, "acme", &fingerprint_key().check(), 0)
    };
    assert!(verify(&[public(3), public(4)]).is_ok() && verify(&[public(4), public(3)]).is_ok());
    assert_eq!(verify(&[public(4), public(5)]).unwrap_err(), HeaderError::Signature);
    assert!(Pinned::new(&[]).is_none() && Pinned::new(&[public(3), public(4), public(5)]).is_none());
    let text = [public(3), public(4)].map(PublicKey::to_hex).join(", ");
    assert_eq!(Pinned::from_text(&text), Pinned::new(&[public(3), public(4)]));
    assert!(Pinned::from_text("").is_none() && Pinned::from_text(&format!("{text},")).is_none());
}

#[test]
fn of_two_fingerprint_keys_a_gateway_must_have_both() {
    let two = crate::FingerprintKeys { first: fingerprint_key(), second: Some(FingerprintKey::new([8; 32])) };
    let key = SigningKey::new(&[3; 32]);
    let mut header = sealed().1.header;
    header.key_check = two.check();
    let sealed = key.seal(header);
    assert!(sealed.clone().verify_by(&key.public_key().into(), "acme", &two.check(), 0).is_ok());
    for one in two.iter() {
        assert_eq!(sealed.clone().verify(&key.public_key(), "acme", one, 0).unwrap_err(), HeaderError::Key);
    }
}

#[test]
fn breaks_with_any_change() {
    type Change = fn(&mut SealedHeader);
    let changes: [(&str, Change); 11] = [
        ("key check", |s| s.header.key_check[0] ^= 1),
        ("kinds", |s| s.header.kinds.add(Kind::of_length(99))),
        ("tenant", |s| s.header.tenant.push('x')),
        ("epoch", |s| s.header.epoch += 1),
        ("tokens", |s| s.header.tokens += 1),
        ("built_at_ms", |s| s.header.built_at_ms += 1),
        ("shard hash", |s| s.header.shards[0].hash[0] ^= 1),
        ("shard length", |s| s.header.shards[0].length += 1),
        ("settings", |s| s.header.settings[0] ^= 1),
        ("no settings", |s| s.header.settings.clear()),
        ("signature", |s| s.signature[0] ^= 1),
    ];
    for (what, change) in changes {
        let (key, mut sealed) = sealed();
        change(&mut sealed);
        assert_eq!(sealed.verify(&key, "acme", &fingerprint_key(), 0).unwrap_err(), HeaderError::Signature, "{what}");
    }
    let (_, sealed) = sealed();
    let other = SigningKey::new(&[4; 32]).public_key();
    assert_eq!(sealed.verify(&other, "acme", &fingerprint_key(), 0).unwrap_err(), HeaderError::Signature);
}

#[test]
fn another_format_or_a_wrong_number_of_shards_is_refused() {
    let key = SigningKey::new(&[3; 32]);
    let mut header = sealed().1.header;
    header.format = 2;
    let refused = key.seal(header.clone()).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
    assert_eq!(refused, HeaderError::Format { expected: 3, got: 2 });
    header.format = 3;
    header.shard_bits = 1;
    let refused = key.seal(header.clone()).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
    assert_eq!(refused, HeaderError::Shards { expected: 2, got: 1 });
    header.shard_bits = MAX_SHARD_BITS + 1;
    let refused = key.seal(header).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
    assert_eq!(refused, HeaderError::Malformed("too many shards"));
}

/// A narrower scope than was meant would let leaked tokens pass: what is not understood in full is not believed, although it is signed.
#[test]
fn settings_that_cannot_be_read_are_refused() {
    let key = SigningKey::new(&[3; 32]);
    for settings in [vec![0xff], vec![0; MAX_SETTINGS + 1]] {
        let header = IndexHeader { settings, ..sealed().1.header };
        let refused = key.seal(header).verify(&key.public_key(), "acme", &fingerprint_key(), 0).unwrap_err();
        assert!(matches!(refused, HeaderError::Malformed(_)), "{refused}");
    }
}

/// Another root for the same header would make every gateway refuse what a control plane of the same format sends.
#[test]
fn the_root_of_format_3_stays() {
    let root = blake3::Hash::from(sealed().1.header.root()).to_hex();
    assert_eq!(root.as_str(), "2956daf12db5a3529aaf56d39ba996a61671b1d0afe73a20b0e96e2dfbd03f2a");
}

#[test]
fn a_public_key_survives_its_text() {
    let key = SigningKey::new(&[3; 32]).public_key();
    assert_eq!(PublicKey::from_hex(&key.to_hex()), Some(key));
    assert_eq!(PublicKey::from_hex("zz"), None);
}
