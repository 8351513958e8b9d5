//! The control plane's signing key and the tenant's fingerprint key are changed while requests come.

use super::*;

const NEW_KEY: [u8; 32] = [8; 32];

/// The token's entry under the new key.
fn entry_under_new(n: u32) -> Entry {
    let fingerprint = Fingerprint::of_canonical(&FingerprintKey::new(NEW_KEY), &Canonical::of(token(n).as_bytes()));
    Entry { fingerprint, ..entry(n) }
}

#[test]
fn a_signing_key_is_changed_and_no_configuration_starts_without_an_index() {
    let mut control_plane = ControlPlane::new(0, 10);
    let (envoy, mut old) = running(&mut control_plane);

    for pins in [[3, 4], [4, 3]] {
        let mut both = envoy.vms_that_pin("feed", &pins, 1);
        assert!(both[0].epoch() == 1 && blocks(&mut both[0], 5), "what was there, before the first tick");
    }
    let mut both = envoy.vms_that_pin("feed", &[3, 4], 3);
    old.iter_mut().for_each(Gateway::leave);
    envoy.tick(&mut both);
    assert_eq!(envoy.last_hello().epoch, 1, "it asks for the difference");

    control_plane.seed = 4;
    deliver(&envoy, &mut both, &[welcome()]);
    control_plane.change(Change::Remove(fingerprint(5)));
    deliver(&envoy, &mut both, &control_plane.push(true));
    assert!(both.iter_mut().all(|vm| vm.epoch() == 2 && !blocks(vm, 5) && blocks(vm, 6)), "sealed with the new key");

    let mut new = envoy.vms_that_pin("feed", &[4], 2);
    assert!(new.iter_mut().all(|vm| vm.epoch() == 2 && blocks(vm, 6)), "what was there, before the first tick");
    both.iter_mut().for_each(Gateway::leave);
    envoy.tick(&mut new);
    deliver(&envoy, &mut new, &[welcome()]);
    control_plane.seed = 3;
    deliver(&envoy, &mut new, &control_plane.push(true));
    assert!(new.iter().all(|vm| vm.epoch() == 2), "the old key is believed no more");
    control_plane.seed = 4;
    deliver(&envoy, &mut new, &control_plane.push(true));
    assert!(new.iter().all(|vm| vm.epoch() == 4));
}

#[test]
fn while_a_fingerprint_key_is_changed_tokens_under_both_are_blocked() {
    let mut control_plane = ControlPlane::new(1, 10);
    let (envoy, mut vms) = running(&mut control_plane);

    // Token 20 comes in under the new key, and 5 turns up again and is brought under it.
    control_plane.keys = FingerprintKeys { first: FingerprintKey::new(NEW_KEY), second: Some(FingerprintKey::new(KEY)) };
    control_plane.change(Change::Put(entry_under_new(20)));
    control_plane.change(Change::Remove(fingerprint(5)));
    control_plane.change(Change::Put(entry_under_new(5)));
    deliver(&envoy, &mut vms, &[welcome_with(&control_plane.keys)]);
    deliver(&envoy, &mut vms, &control_plane.push(true));
    for vm in &mut vms {
        assert_eq!(vm.epoch(), 2);
        assert!((0..10).chain([20]).all(|n| blocks(vm, n)), "whichever key");
        assert!((21..1_000).all(|n| verdict(vm, n) == Verdict::Pass));
    }
    let Verdict::Block(found) = verdict(&mut vms[0], 3) else { panic!("not blocked") };
    assert_eq!(found.fingerprint, fingerprint(3), "an attempt says by which fingerprint the control plane knows it");
    let Verdict::Block(found) = verdict(&mut vms[0], 5) else { panic!("not blocked") };
    assert_eq!(found.fingerprint, entry_under_new(5).fingerprint);
    assert!(blocks(&mut envoy.vms(1)[0], 3), "so does a VM that starts");

    // The old key is taken out: what is left under it is gone.
    control_plane.keys = FingerprintKey::new(NEW_KEY).into();
    (0..10).filter(|n| *n != 5).for_each(|n| control_plane.change(Change::Remove(fingerprint(n))));
    deliver(&envoy, &mut vms, &[welcome_with(&control_plane.keys)]);
    deliver(&envoy, &mut vms, &control_plane.push(true));
    assert!(vms.iter_mut().all(|vm| vm.epoch() == 3 && blocks(vm, 5) && blocks(vm, 20) && !blocks(vm, 3)));
}

#[test]
fn an_index_under_two_keys_is_refused_by_a_gateway_that_has_one_of_them() {
    let mut control_plane = ControlPlane::new(0, 10);
    let (envoy, mut vms) = running(&mut control_plane);
    control_plane.keys = FingerprintKeys { first: FingerprintKey::new(NEW_KEY), second: Some(FingerprintKey::new(KEY)) };
    deliver(&envoy, &mut vms, &control_plane.push(false));
    assert!(vms.iter_mut().all(|vm| vm.epoch() == 1 && blocks(vm, 5)), "it would miss a part of it");
    let nack = envoy.sent().into_iter().find_map(|message| match message {
        to_control_plane::Message::Nack(nack) => Some(nack),
        _ => None,
    });
    assert!(nack.is_some_and(|nack| nack.epoch == 2 && nack.reason.contains("fingerprint key")));
}
