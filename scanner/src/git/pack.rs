//! Reading blobs from the packs of a repository.

use std::fs;
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use gix_hash::{Kind, ObjectId};
use gix_pack::index;
use gix_utils::progress::Discard;

use super::chains::{self, Judge, Left};
use super::forest::Forest;
use super::objects::{Inventory, Since};
use super::repository::Repository;
use super::single;
use super::stored::Stored;
use super::taking::{BlobHits, Taking};
use crate::progress::Phase;
use crate::scan::Run;
use crate::{Cancel, ScanError};

/// How often the observer hears of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

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
    stored: Stored,
    wanted: Vec<Wanted>,
}

/// Opens the packs of the repository.
pub(super) fn open(repository: &Repository) -> Result<Vec<Pack>, ScanError> {
    // A repository without packs may lack the folder as well.
    let Ok(entries) = fs::read_dir(repository.objects.join("pack")) else { return Ok(Vec::new()) };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let indexes = paths.filter(|path| path.extension().is_some_and(|extension| extension == "idx"));
    indexes.map(|path| Pack::open(&path, repository.hash).map_err(|detail| repository.damaged(&detail))).collect()
}

/// Reads every wanted blob and returns those with tokens, and what is damaged.
pub(super) fn scan<'d>(
    run: &mut Run<'d>,
    repository: &Repository,
    packs: Vec<Pack>,
    inventory: Inventory,
    since: &Since,
) -> Result<(Vec<BlobHits<'d>>, Vec<String>), ScanError> {
    let Inventory { blobs, mut single, unreadable } = inventory;
    let (cancel, threads) = (run.cancel, run.options.threads);
    let taking = Taking::new(run.reading());
    let mut damage: Vec<String> = unreadable.into_iter().collect();
    let outcome = thread::scope(|scope| {
        let (done_in, done) = channel::<()>();
        let (taking, damage) = (&taking, &mut damage);
        let reading = scope.spawn(move || {
            let _done_when_dropped = done_in;
            // What an earlier scan has read needs no second look.
            for pack in packs.into_iter().filter(|pack| !since.is_partial() || pack.is_wanted()) {
                if !repository.was_checked()
                    && let Err(problem) = pack.check(cancel)
                {
                    damage.push(problem);
                }
                match pack.read(cancel, threads, &mut single, taking) {
                    Ok(mut problems) => damage.append(&mut problems),
                    Err(problem) => damage.push(problem),
                }
            }
            single::read(repository, cancel, &single, &|id, bytes| {
                taking.take(id, bytes, None);
            })
        });
        while done.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            run.progress(Phase::Blobs, taking.blobs(), Some(blobs), taking.bytes());
            // The readers look at the flag alone.
            if cancel.is_cancelled() {
                cancel.cancel();
            }
        }
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    // An interrupted reader reports an error of its own.
    run.stop_if_cancelled()?;
    run.progress(Phase::Blobs, taking.blobs(), Some(blobs), taking.bytes());
    let taken = taking.finish(&mut run.coverage);
    damage.append(&mut outcome?);
    Ok((taken, damage))
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
        let stored = Stored::open(&index.with_extension("pack"), hash)?;
        let index = index::File::at(index, hash).map_err(|error| error.to_string())?;
        let wanted = vec![Wanted::Never; index.num_objects() as usize];
        Ok(Self { index, stored, wanted })
    }

    fn is_wanted(&self) -> bool {
        self.wanted.contains(&Wanted::Text)
    }

    /// Whether its bytes are those that were once written, which inflating does not tell. Comparing every blob with its name would
    /// tell as well, and take a quarter of the scan's time; this takes a twentieth.
    fn check(&self, cancel: &Cancel) -> Result<(), String> {
        let index = self.index.verify_checksum(&mut Discard, cancel.flag());
        index.map_err(|error| format!("{}: {error}", self.stored.path.display()))?;
        self.stored.check(cancel)
    }

    /// Reads the chained blobs. Those that cannot be read so move to `single`; what is wrong with others is returned.
    fn read(
        self,
        cancel: &Cancel,
        threads: usize,
        single: &mut Vec<ObjectId>,
        taking: &Taking<'_>,
    ) -> Result<Vec<String>, String> {
        let Self { index, stored, wanted } = self;
        let is_text = |place: u32| wanted.get(place as usize) == Some(&Wanted::Text);
        let name = |place: u32| index.oid_at_index(place).to_owned();
        let places = (0_u32..).zip(&wanted).filter(|&(_, &wanted)| wanted != Wanted::Never).map(|(place, _)| place);
        let chained = places.map(|place| (index.pack_offset_at_index(place), place)).collect();
        let (forest, torn) = Forest::grow(&index, &stored, chained)?;
        let judge = Named { taking, is_text: &is_text, name: &name };
        let Left { single: left, damaged } = chains::read(&stored, &forest, threads, cancel, &judge);
        single.extend(torn.into_iter().chain(left).filter(|&place| is_text(place)).map(name));
        let damaged = damaged.into_iter().filter(|&(place, _)| is_text(place));
        Ok(damaged.map(|(place, problem)| format!("blob {}: {problem}", name(place))).collect())
    }
}

/// Judges the objects of a pack that are blobs of which nobody else has the text.
struct Named<'n, 'd, T, N> {
    taking: &'n Taking<'d>,
    is_text: &'n T,
    name: &'n N,
}

impl<T: Fn(u32) -> bool + Sync, N: Fn(u32) -> ObjectId + Sync> Judge for Named<'_, '_, T, N> {
    fn judge(&self, place: u32, bytes: &[u8], changes: Option<&[Range<usize>]>) -> bool {
        (self.is_text)(place) && self.taking.take((self.name)(place), bytes, changes)
    }
}
