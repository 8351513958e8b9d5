//! Packs that were written by hand to harm whoever reads them, with an index that says what the writer likes. Other packs and the rest of
//! the same one are read all the same, and the scan says that the repository is damaged.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};
use stopleak_scanner::{Cancel, Finding, Options, Scan, ScanError};

use crate::support::{GITHUB, NPM, Repo, detector, texts, token};

/// Far above what these scans take.
const SOON: Duration = Duration::from_secs(30);
const BLOB: u8 = 3;
const REF_DELTA: u8 = 7;

type Id = [u8; 20];

/// An entry as it is written: a kind, a size that may be a lie, the id of a base, and what is packed.
struct Entry {
    id: Id,
    kind: u8,
    size: usize,
    base: Option<Id>,
    content: Vec<u8>,
}

impl Entry {
    fn blob(content: &[u8]) -> Self {
        Self { id: id(content), kind: BLOB, size: content.len(), base: None, content: content.to_vec() }
    }

    /// The blob with the content `made` as a difference to `base`, which says nothing true about either.
    fn delta(made: &[u8], base: Id, delta: &[u8]) -> Self {
        Self { id: id(made), kind: REF_DELTA, size: delta.len(), base: Some(base), content: delta.to_vec() }
    }
}

fn id(content: &[u8]) -> Id {
    Sha1::new().chain_update(format!("blob {}\0", content.len())).chain_update(content).finalize().into()
}

/// Writes the pack and its index into a repository, which has files of these ids in its only commit.
fn repository(entries: &[Entry]) -> Repo {
    let mut repo = Repo::new();
    repo.write("ordinary.env", token(NPM, 9));
    repo.commit();
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), &count(entries.len())].concat();
    let mut places = Vec::new();
    for entry in entries {
        places.push((entry.id, pack.len()));
        let (mut size, mut byte) = (entry.size >> 4, entry.kind << 4 | u8::try_from(entry.size & 15).unwrap());
        while size > 0 {
            pack.push(byte | 0x80);
            byte = u8::try_from(size & 0x7f).unwrap();
            size >>= 7;
        }
        pack.push(byte);
        pack.extend(entry.base.into_iter().flatten());
        let mut encoder = ZlibEncoder::new(&mut pack, Compression::fast());
        encoder.write_all(&entry.content).unwrap();
        encoder.finish().unwrap();
    }
    let trailer: Id = Sha1::digest(&pack).into();
    pack.extend(trailer);

    places.sort_unstable();
    let mut index = [0xff, b't', b'O', b'c', 0, 0, 0, 2].to_vec();
    for first in 0..=255 {
        index.extend(count(places.iter().filter(|(id, _)| id[0] <= first).count()));
    }
    index.extend(places.iter().flat_map(|&(id, _)| id));
    // Checksums of entries, which nobody looks at.
    index.resize(index.len() + 4 * places.len(), 0);
    index.extend(places.iter().flat_map(|&(_, offset)| count(offset)));
    index.extend(trailer);
    let own: Id = Sha1::digest(&index).into();
    index.extend(own);
    repo.write(".git/objects/pack/pack-1.pack", pack);
    repo.write(".git/objects/pack/pack-1.idx", index);
    for entry in entries {
        let name = entry.id.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
        repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{name},{name}.env")]);
    }
    let tree = repo.git(&["write-tree", "--missing-ok"]);
    let commit = repo.git(&["commit-tree", "-p", "HEAD", "-m", "x", &tree]);
    repo.git(&["update-ref", "refs/heads/main", &commit]);
    repo
}

fn count(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}

fn scan(repo: &Repo) -> (Vec<Finding>, Result<(), ScanError>) {
    let (mut findings, started) = (Vec::new(), Instant::now());
    let options = Options { silence_limit: Duration::from_secs(2), ..Options::default() };
    let location = stopleak_scanner::SourceLocation::Repository(repo.path().join(".git"));
    let outcome = Scan::new(detector(), options).run(&location, &mut findings, &Cancel::default());
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    (findings, outcome.map(drop))
}

#[test]
fn a_pack_that_is_made_by_hand_and_true_is_read() {
    let text = token(GITHUB, 1);
    let base = "a = 1\n".repeat(10);
    let made = format!("{base}{text}");
    // The two sizes; all of the base, and the token behind it.
    let delta = [&[60, 100, 0x90, 60, 40][..], text.as_bytes()].concat();
    assert_eq!((base.len(), made.len()), (60, 100));
    let repo = repository(&[Entry::blob(base.as_bytes()), Entry::delta(made.as_bytes(), id(base.as_bytes()), &delta)]);
    let (findings, outcome) = scan(&repo);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(texts(&findings), [token(NPM, 9), text]);
}

#[test]
fn lies_are_damage_and_everything_else_is_read() {
    let text = token(GITHUB, 1);
    let base = b"nothing in here\n";
    for (what, bad) in [
        ("copies what is not there", vec![Entry::delta(b"1", id(base), &[16, 5, 0x91, 200, 5])]),
        ("makes more than it says", vec![Entry::delta(b"2", id(base), &[16, 5, 0x90, 16])]),
        ("is made of another size", vec![Entry::delta(b"3", id(base), &[17, 5, 0x90, 5])]),
        ("unpacks to more than it says", vec![Entry { size: 10, ..Entry::blob(&vec![b'x'; 50 << 20]) }]),
        ("unpacks to less than it says", vec![Entry { size: 1_000, ..Entry::blob(b"short") }]),
        ("is nothing that was packed", vec![Entry { kind: 0, ..Entry::blob(b"no kind") }]),
        ("has a base that is nowhere", vec![Entry::delta(b"9", id(b"nowhere"), &[16, 16, 0x90, 16])]),
    ] {
        let mut entries = vec![Entry::blob(base), Entry::blob(text.as_bytes())];
        entries.extend(bad);
        let (findings, outcome) = scan(&repository(&entries));
        assert!(matches!(outcome, Err(ScanError::Damaged { .. })), "{what}: {outcome:?}");
        assert_eq!(texts(&findings), [token(NPM, 9), text.clone()], "{what}");
    }
}

/// `git` itself goes in such a circle for ever, when it lists what there is.
#[test]
fn a_circle_ends_the_scan_and_not_the_scanner() {
    let delta = [16, 16, 0x90, 16];
    for circle in [
        vec![Entry::delta(b"6", id(b"7"), &delta), Entry::delta(b"7", id(b"6"), &delta)],
        vec![Entry::delta(b"8", id(b"8"), &delta)],
    ] {
        let (_, outcome) = scan(&repository(&circle));
        assert!(matches!(outcome, Err(ScanError::Damaged { .. } | ScanError::Silent { .. })), "{outcome:?}");
    }
}

#[test]
fn a_chain_longer_than_any_that_git_writes_is_read() {
    let (mut last, text) = (token(GITHUB, 1).into_bytes(), token(GITHUB, 1));
    let mut entries = vec![Entry::blob(&last)];
    for number in 0..300_u16 {
        let made = [&last[..40], &number.to_be_bytes()].concat();
        let sizes = [u8::try_from(last.len()).unwrap(), 42];
        entries.push(Entry::delta(&made, id(&last), &[&sizes[..], &[0x90, 40, 2], &number.to_be_bytes()].concat()));
        last = made;
    }
    let (findings, outcome) = scan(&repository(&entries));
    assert!(outcome.is_ok(), "{outcome:?}");
    // Each is a file of its own, and letters behind a token make it none.
    assert!(findings.len() > 200 && texts(&findings).contains(&text), "{}", findings.len());
}
