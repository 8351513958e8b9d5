//! Keys from files and commands.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn load(folder: &Path, database_exists: bool) -> Result<Keys, KeyError> {
    Keys::load(folder, &KeysConfig::default(), database_exists)
}

#[test]
fn the_first_start_makes_private_files_and_the_next_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), false).unwrap();
    let second = load(folder.path(), true).unwrap();
    assert_eq!(first.checks(), second.checks());
    for file in ["keys/fingerprint.key", "keys/signing.key"] {
        let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::metadata(folder.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_missing_key_of_an_existing_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = load(folder.path(), true).err().unwrap().to_string();
    assert!(refusal.contains("fingerprint.key is missing") && refusal.contains("STOPLEAK_FINGERPRINT_KEY"), "{refusal}");
    assert!(!folder.path().join("keys").exists(), "nothing was made");
}

#[test]
fn exposed_and_malformed_keys_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), false).unwrap();
    let path = folder.path().join("keys/signing.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(load(folder.path(), true).err().unwrap().to_string().contains("chmod 600"));
    write_private(&path, "abc").unwrap();
    assert!(matches!(load(folder.path(), true), Err(KeyError::Malformed { name: "signing", .. })));
}

#[test]
fn a_command_may_print_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let command = |text: &str| Some(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]);
    let config = |text| KeysConfig { fingerprint_command: command(text), ..KeysConfig::default() };
    let keys = Keys::load(folder.path(), &config("printf '%064d\\n' 7"), false).unwrap();
    assert_eq!(keys.fingerprint.as_bytes()[31], 7);
    let of = |tenant| keys.fingerprint(TenantId(tenant)).all().clone();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    assert_ne!(of(1).first, keys.fingerprint);
    assert!(matches!(Keys::load(folder.path(), &config("exit 3"), false), Err(KeyError::Command { .. })));
    assert!(matches!(Keys::load(folder.path(), &config("echo no"), false), Err(KeyError::Malformed { .. })));
}

#[test]
fn a_second_key_is_made_changes_places_and_is_in_force_beside_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), false).unwrap();
    assert!(first.fingerprint(TenantId(1)).all().second.is_none() && first.next_public_key().is_none());
    for kind in [&FINGERPRINT, &SIGNING] {
        let file = kind.add_second(folder.path()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(kind.add_second(folder.path()), Err(KeyError::SecondExists { .. })));
    }
    let both = load(folder.path(), true).unwrap();
    let of = |keys: &Keys| keys.fingerprint(TenantId(1)).all().clone();
    assert_eq!(of(&both).first, of(&first).first);
    let second = of(&both).second.unwrap();

    for kind in [&FINGERPRINT, &SIGNING] {
        kind.swap(folder.path()).unwrap();
    }
    let swapped = load(folder.path(), true).unwrap();
    assert_eq!((of(&swapped).first, of(&swapped).second), (second, Some(of(&first).first)));
    assert_eq!(Some(swapped.signing.public_key()), both.next_public_key());
    assert_eq!(swapped.next_public_key(), Some(first.signing.public_key()));
}

#[test]
fn a_change_of_places_that_broke_off_is_ended_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), false).unwrap();
    let second = FINGERPRINT.add_second(folder.path()).unwrap();
    let first = FINGERPRINT.file(folder.path());
    let [old, new] = [&first, &second].map(|path| fs::read_to_string(path).unwrap());
    fs::copy(&first, first.with_extension("aside")).unwrap();
    fs::rename(&second, &first).unwrap();
    FINGERPRINT.swap(folder.path()).unwrap();
    assert_eq!([&first, &second].map(|path| fs::read_to_string(path).unwrap()), [new, old]);
    assert!(matches!(FINGERPRINT.swap(folder.path()), Ok(())));
    fs::remove_file(&second).unwrap();
    assert!(matches!(FINGERPRINT.swap(folder.path()), Err(KeyError::Io { .. })), "there is nothing to change places with");
}

#[test]
fn the_same_key_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), false).unwrap();
    fs::copy(FINGERPRINT.file(folder.path()), FINGERPRINT.second_file(folder.path())).unwrap();
    assert!(matches!(load(folder.path(), true), Err(KeyError::Twice { name: "fingerprint" })));
}
