//! Which object of a pack is written as the difference to which: trees, whose roots are whole.

use gix_pack::data::entry::Header;
use gix_pack::index;

use super::stored::{Piece, Stored};

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// An object that is read.
pub(super) struct Entry {
    /// Where it is in the pack.
    pub(super) offset: u64,
    /// Its place in the index, which knows its name.
    pub(super) place: u32,
    /// The first that is written as the difference to this one,
    pub(super) first: u32,
    /// and the next that has the same base.
    pub(super) next: u32,
}

/// The objects of a pack that are read along their chains.
pub(super) struct Forest {
    /// Sorted by offset.
    pub(super) entries: Vec<Entry>,
    pub(super) roots: Vec<u32>,
}

impl Forest {
    /// Grows a forest of the entries at these offsets and places. Returns also the places of those whose chain does not end within them:
    /// it leads through an object that is too large, or to nowhere.
    pub(super) fn grow(index: &index::File, stored: &Stored, mut chained: Vec<(u64, u32)>) -> Result<(Self, Vec<u32>), String> {
        chained.sort_unstable();
        let entries = chained.into_iter().map(|(offset, place)| Entry { offset, place, first: NONE, next: NONE });
        let mut forest = Self { entries: entries.collect(), roots: Vec::new() };
        let mut piece = Piece::default();
        for at in 0..forest.entries.len() {
            let number = u32::try_from(at).map_err(|_| "a pack of over four thousand million objects".to_owned())?;
            let offset = forest.entries[at].offset;
            let base = match stored.entry(offset, &mut piece)?.header {
                Header::OfsDelta { base_distance } => Header::verified_base_pack_offset(offset, base_distance),
                Header::RefDelta { base_id } => index.lookup(base_id).map(|place| index.pack_offset_at_index(place)),
                _ => {
                    forest.roots.push(number);
                    continue;
                }
            };
            let base = base.and_then(|base| forest.entries.binary_search_by_key(&base, |entry| entry.offset).ok());
            if let Some(base) = base {
                forest.entries[at].next = std::mem::replace(&mut forest.entries[base].first, number);
            }
        }
        let torn = forest.torn();
        Ok((forest, torn))
    }

    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }

    /// Every entry that is written as a difference to this one, or to one of those; it is one of them itself.
    pub(super) fn below(&self, number: u32) -> Vec<&Entry> {
        let mut below: Vec<&Entry> = self.entry(number).into_iter().collect();
        let mut at = 0;
        while let Some(entry) = below.get(at) {
            let mut child = entry.first;
            while let Some(entry) = self.entry(child) {
                child = entry.next;
                below.push(entry);
            }
            at += 1;
        }
        below
    }

    /// What no root leads to: also chains that go in a circle, which only somebody with a purpose makes.
    fn torn(&self) -> Vec<u32> {
        let mut whole = vec![false; self.entries.len()];
        let mut waiting = self.roots.clone();
        while let Some(number) = waiting.pop() {
            let Some(entry) = self.entry(number) else { continue };
            whole[number as usize] = true;
            waiting.extend([entry.first, entry.next]);
        }
        self.entries.iter().zip(whole).filter(|&(_, whole)| !whole).map(|(entry, _)| entry.place).collect()
    }
}
