//! Reading blobs from a pack: along the delta chains, each object inflated once, on several threads.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use gix_hash::{Kind, ObjectId};
use gix_pack::cache::delta::Tree;
use gix_pack::cache::delta::traverse::{Context, Options};
use gix_pack::data::entry::Header;
use gix_pack::{data, index};
use gix_utils::progress::Discard;

use super::objects::{CHAINED_MAX, Inventory};
use super::repository::Repository;
use super::single;
use crate::blob::{self, Hit};
use crate::progress::Phase;
use crate::scan::{FINDINGS_MAX, Run};
use crate::{Cancel, ScanError};

/// How often the observer hears of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// A blob with tokens.
pub(super) struct BlobHits<'d> {
    pub(super) id: ObjectId,
    pub(super) hits: Vec<Hit<'d>>,
}

/// What an object of a pack is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// It is no blob, or too large to be read along its chain.
    Never,
    /// Its text.
    Text,
    /// Only as a base: another pack has it too.
    Base,
}

/// A pack of the repository; a fresh clone has exactly one, an empty repository none.
pub(super) struct Pack {
    index: index::File,
    data: data::File,
    wanted: Vec<Wanted>,
}

/// What the reading threads have done so far.
#[derive(Default)]
pub(super) struct Count {
    blobs: AtomicU64,
    bytes: AtomicU64,
}

/// Opens the packs of the repository.
pub(super) fn open(repository: &Repository) -> Result<Vec<Pack>, ScanError> {
    // A repository without packs may lack the folder as well.
    let Ok(entries) = fs::read_dir(repository.objects.join("pack")) else { return Ok(Vec::new()) };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let indexes = paths.filter(|path| path.extension().is_some_and(|extension| extension == "idx"));
    indexes.map(|path| Pack::open(&path, repository.hash).map_err(|detail| repository.damaged(&detail))).collect()
}

/// Reads every wanted blob and returns those with tokens, and which packs are damaged.
pub(super) fn scan<'d>(
    run: &mut Run<'d>,
    repository: &Repository,
    packs: Vec<Pack>,
    inventory: Inventory,
) -> Result<(Vec<BlobHits<'d>>, Vec<String>), ScanError> {
    let Inventory { blobs, mut single } = inventory;
    let (detector, cancel, threads) = (run.detector, run.cancel, run.options.threads);
    let (count, hits) = (Count::default(), Mutex::new(Vec::new()));
    let hit_count = AtomicU64::new(0);
    let take = |id: ObjectId, bytes: &[u8]| {
        count.add(bytes);
        let found = blob::hits(detector, bytes);
        let before = hit_count.fetch_add(found.len() as u64, Ordering::Relaxed);
        if !found.is_empty() && before < FINDINGS_MAX {
            // A poisoned lock means that another thread panicked, which the scope passes on.
            if let Ok(mut hits) = hits.lock() {
                hits.push(BlobHits { id, hits: found });
            }
        }
    };
    let damage = Mutex::new(Vec::new());
    let outcome = thread::scope(|scope| {
        let (done_in, done) = channel::<()>();
        let reading = scope.spawn(|| {
            let _done_when_dropped = done_in;
            for pack in packs {
                if !repository.was_checked()
                    && let Err(problem) = pack.check(cancel)
                    && let Ok(mut damage) = damage.lock()
                {
                    damage.push(problem);
                }
                pack.read(cancel, threads, &mut single, &take).map_err(|detail| repository.damaged(&detail))?;
            }
            single::read(repository, cancel, &single, &take)
        });
        while done.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            run.progress(Phase::Blobs, count.blobs(), Some(blobs), count.bytes());
            // The readers look at the flag alone.
            if cancel.is_cancelled() {
                cancel.cancel();
            }
        }
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    // An interrupted reader reports an error of its own.
    run.stop_if_cancelled()?;
    outcome?;
    run.progress(Phase::Blobs, count.blobs(), Some(blobs), count.bytes());
    if hit_count.into_inner() > FINDINGS_MAX {
        run.coverage.error("history".into(), format!("more than {FINDINGS_MAX} tokens: some are not reported"));
    }
    run.coverage.scanned += count.blobs();
    run.coverage.bytes += count.bytes();
    Ok((hits.into_inner().unwrap_or_default(), damage.into_inner().unwrap_or_default()))
}

/// Marks the blob `id` as one to read along its chain; returns whether a pack has it.
pub(super) fn want(packs: &mut [Pack], id: &ObjectId) -> bool {
    let mut wanted = Wanted::Text;
    for pack in packs {
        if let Some(place) = pack.index.lookup(id).and_then(|place| pack.wanted.get_mut(place as usize)) {
            *place = std::mem::replace(&mut wanted, Wanted::Base);
        }
    }
    wanted == Wanted::Base
}

impl Pack {
    fn open(index: &std::path::Path, hash: Kind) -> Result<Self, String> {
        // Opening a pipe would wait for somebody to write into it.
        for file in [index, &index.with_extension("pack")] {
            if !file.is_file() {
                return Err(format!("{} is no file", file.display()));
            }
        }
        let data = data::File::at(index.with_extension("pack"), hash).map_err(|error| error.to_string())?;
        let index = index::File::at(index, hash).map_err(|error| error.to_string())?;
        let wanted = vec![Wanted::Never; index.num_objects() as usize];
        Ok(Self { index, data, wanted })
    }

    /// Whether its bytes are those that were once written, which inflating does not tell. Comparing every blob with its name would
    /// tell as well, and take a quarter of the scan's time; this takes a twentieth.
    fn check(&self, cancel: &Cancel) -> Result<(), String> {
        let index = self.index.verify_checksum(&mut Discard, cancel.flag());
        let outcome = index.and_then(|_| self.data.verify_checksum(&mut Discard, cancel.flag()));
        outcome.map(drop).map_err(|error| format!("{}: {error}", self.data.path().display()))
    }

    /// Reads the chained blobs. Those whose chain leads through a larger blob move to `single`.
    fn read(
        self,
        cancel: &Cancel,
        threads: usize,
        single: &mut Vec<ObjectId>,
        take: &(impl Fn(ObjectId, &[u8]) + Sync),
    ) -> Result<(), String> {
        let Self { index, data, wanted } = self;
        let is_text = |place: u32| wanted[place as usize] == Wanted::Text;
        let hash = index.object_hash();
        let mut chained: Vec<(u64, u32)> = (0_u32..)
            .zip(&wanted)
            .filter(|&(_, &wanted)| wanted != Wanted::Never)
            .map(|(place, _)| (index.pack_offset_at_index(place), place))
            .collect();
        chained.sort_unstable();
        let name = |&(_, place): &(u64, u32)| is_text(place).then(|| index.oid_at_index(place).to_owned());
        let torn = torn(&index, &data, &chained)?;
        single.extend(torn.iter().filter_map(name));
        chained.retain(|entry| torn.binary_search(entry).is_err());
        if chained.is_empty() {
            return Ok(());
        }
        // The tree reads headers from the pack's first entry on, which is a commit as a rule.
        let opener = opener(&index, &data)?;
        if chained[0] != opener {
            let entry = data.entry(opener.0).map_err(|error| error.to_string())?;
            if entry.header.is_delta() || entry.decompressed_size > CHAINED_MAX {
                single.extend(chained.iter().filter_map(name));
                return Ok(());
            }
            chained.insert(0, opener);
        }
        let base_in_pack = |id: &gix_hash::oid| Ok(index.lookup(id).map(|place| index.pack_offset_at_index(place)));
        let tree = Tree::from_offsets_in_pack(
            data.path(),
            chained.into_iter(),
            &|&(offset, _)| offset,
            &base_in_pack,
            &mut Discard,
            cancel.flag(),
            hash,
        )
        .map_err(|error| error.to_string())?;
        let inspect = |&mut (_, place): &mut (u64, u32), _: &dyn gix_utils::progress::Progress, context: Context<'_>| {
            if is_text(place) {
                take(index.oid_at_index(place).to_owned(), context.decompressed);
            }
            Ok(())
        };
        let options = Options {
            object_progress: Box::new(Discard),
            size_progress: &mut Discard,
            thread_limit: Some(threads.max(1)),
            should_interrupt: cancel.flag(),
            object_hash: hash,
            // Every size was looked at before; a pack that lies is an error, not a reason to swap.
            alloc_limit_bytes: usize::try_from(CHAINED_MAX).ok(),
        };
        tree.traverse(|range, data: &data::File| data.entry_slice(range), &data, data.pack_end() as u64, inspect, options)
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// The first entry of the pack.
fn opener(index: &index::File, data: &data::File) -> Result<(u64, u32), String> {
    let entries = (0..index.num_objects()).map(|place| (index.pack_offset_at_index(place), place));
    entries.min().ok_or_else(|| format!("{} is empty", data.path().display()))
}

/// Those of the `chained` entries, sorted by offset, whose delta chain does not end within them.
fn torn(index: &index::File, data: &data::File, chained: &[(u64, u32)]) -> Result<Vec<(u64, u32)>, String> {
    let mut kept: Vec<bool> = vec![true; chained.len()];
    let place_of = |offset: u64| chained.binary_search_by_key(&offset, |&(offset, _)| offset).ok();
    // Bases may stand behind their deltas, so one pass may not be enough.
    loop {
        let mut changed = false;
        for (at, &(offset, _)) in chained.iter().enumerate() {
            let entry = data.entry(offset).map_err(|error| error.to_string())?;
            let base = match entry.header {
                Header::OfsDelta { base_distance } => Header::verified_base_pack_offset(offset, base_distance),
                Header::RefDelta { base_id } => index.lookup(base_id).map(|place| index.pack_offset_at_index(place)),
                _ => continue,
            };
            let whole = base.and_then(place_of).is_some_and(|base| kept[base]);
            changed |= kept[at] && !whole;
            kept[at] &= whole;
        }
        if !changed {
            break;
        }
    }
    Ok(chained.iter().zip(kept).filter(|&(_, kept)| !kept).map(|(&entry, _)| entry).collect())
}

impl Count {
    fn add(&self, bytes: &[u8]) {
        self.blobs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    fn blobs(&self) -> u64 {
        self.blobs.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
