//! The index in force, as one VM sees it: the header and a small prefilter for each shard in its own memory, the shards' pages once for
//! all VMs in shared data.
//!
//! A page is believed when its hash is in the signed header. Its prefilter is taken from it then, and its version is remembered, so
//! that each version is hashed once. While a push is arriving, its pages replace those of the index in force one by one; a page may
//! then be that of an announced header, which is verified like the first.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use stopleak_contract::feed::{Message as _, wire};
use stopleak_contract::index::{Hit, IndexHeader, Pinned, Prefilter, SealedHeader, Shard, ShardSum};
use stopleak_contract::settings::Settings;
use stopleak_contract::{Canonical, Fingerprint, FingerprintKeys};

use crate::candidates;
use crate::records::{MAX_ANNOUNCED, Records};
use crate::request::{REDACTED, Request, Route};
use crate::verdict::Match;

/// Whom this gateway believes, and what its fingerprints are made with.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The control plane's, pinned.
    pub pinned: Pinned,
    /// The tenant's, and which of them this is.
    pub keys: FingerprintKeys,
    check: [u8; 32],
    /// Whose gateway this is.
    pub tenant: String,
}

/// The index in force.
pub struct Enforced {
    trust: Trust,
    header: IndexHeader,
    settings: Settings,
    records: Records,
    slots: RefCell<Vec<Slot>>,
    /// The headers that were announced, as far as they were needed, by their records' versions.
    announced: RefCell<[(u32, Option<IndexHeader>); MAX_ANNOUNCED]>,
    /// Slots before this one have their prefilter.
    warmed: Cell<usize>,
}

/// What this VM knows of a shard.
#[derive(Default)]
struct Slot {
    prefilter: Option<Prefilter>,
    /// The version of the page whose hash was right; 0 when there is none.
    verified: u32,
    /// The version of the page that is of an announced header; 0 when there is none.
    announced: u32,
}

/// What the index says of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// It is not there.
    Miss,
    /// It is.
    Hit(Hit),
    /// The shard's page is not there or not right: nobody knows.
    Unreadable,
}

impl Trust {
    /// What a welcome brings.
    pub fn new(pinned: impl Into<Pinned>, welcome: &wire::Welcome) -> Result<Self, String> {
        let keys = FingerprintKeys::from_slice(&welcome.fingerprint_key)
            .ok_or_else(|| format!("a fingerprint key has 32 bytes, and two have 64, not {}", welcome.fingerprint_key.len()))?;
        Ok(Self::of(pinned, keys, welcome.tenant.clone()))
    }

    /// These keys, of this tenant.
    #[must_use]
    pub fn of(pinned: impl Into<Pinned>, keys: impl Into<FingerprintKeys>, tenant: String) -> Self {
        let keys = keys.into();
        Self { pinned: pinned.into(), check: keys.check(), keys, tenant }
    }

    /// Believes a header, or says why not. One that names only what has changed is completed from `base`.
    pub fn verify(&self, header: wire::IndexHeader, base: Option<&IndexHeader>, epoch: u64) -> Result<IndexHeader, String> {
        let sealed = SealedHeader::from_wire(header, base).map_err(|error| error.to_string())?;
        sealed.verify_by(&self.pinned, &self.tenant, &self.check, epoch).map_err(|error| error.to_string())
    }

    /// A gateway stays with its tenant: only its first index may be of any.
    pub fn is_of_the_tenant_of(&self, in_force: Option<&Enforced>) -> Result<(), String> {
        match in_force.map(|enforced| &enforced.trust.tenant).filter(|tenant| **tenant != self.tenant) {
            Some(before) => Err(format!("tenant {:?} is not {before:?}, whose index is in force", self.tenant)),
            None => Ok(()),
        }
    }

    fn to_wire(&self) -> wire::Welcome {
        wire::Welcome { fingerprint_key: self.keys.to_bytes().to_vec(), tenant: self.tenant.clone() }
    }

    /// What other VMs need to put an index into force.
    #[must_use]
    pub fn state(&self, header: wire::IndexHeader) -> wire::State {
        wire::State { welcome: Some(self.to_wire()), header: Some(header) }
    }
}

impl Enforced {
    /// Puts into force what lies in shared data, verified like what comes over the feed. What is known of shards that have not changed
    /// is kept; when it cannot be believed, all stays as it is.
    pub fn restore(in_force: &mut Option<Self>, pinned: impl Into<Pinned>, records: &Records) -> Result<(), String> {
        let epoch = in_force.as_ref().map_or(0, |before| before.header.epoch);
        let (trust, header) = Self::verified(&pinned.into(), records, epoch)?;
        trust.is_of_the_tenant_of(in_force.as_ref())?;
        let settings = Settings::read(&header.settings)?;
        *in_force = Some(Self::new(trust, header, settings, records.clone(), in_force.take()));
        Ok(())
    }

    fn verified(pinned: &Pinned, records: &Records, epoch: u64) -> Result<(Trust, IndexHeader), String> {
        let Some(wire::State { welcome: Some(welcome), header: Some(header) }) = records.state() else {
            return Err("the state is not complete".to_owned());
        };
        let trust = Trust::new(*pinned, &welcome)?;
        let header = trust.verify(header, None, epoch)?;
        Ok((trust, header))
    }

    fn new(trust: Trust, header: IndexHeader, settings: Settings, records: Records, previous: Option<Self>) -> Self {
        let mut slots: Vec<Slot> = Vec::new();
        slots.resize_with(header.shards.len(), Slot::default);
        if let Some(previous) = previous.filter(|previous| previous.header.shard_bits == header.shard_bits) {
            let before = previous.header.shards.iter().zip(previous.slots.into_inner());
            for ((slot, sum), (old, known)) in slots.iter_mut().zip(&header.shards).zip(before) {
                if sum == old {
                    *slot = Slot { announced: 0, ..known };
                }
            }
        }
        let (slots, announced) = (RefCell::new(slots), RefCell::default());
        Self { trust, header, settings, records, slots, announced, warmed: Cell::new(0) }
    }

    /// Whom it is believed from.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What is in force.
    #[must_use]
    pub fn header(&self) -> &IndexHeader {
        &self.header
    }

    /// How it is enforced.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What an attempt says of where a token was used, without the token.
    #[must_use]
    pub fn route(&self, request: Request<'_>, found: &Match) -> Route {
        let mut route = request.route(&|text| self.knows(text));
        if found.place == wire::Place::Path && !route.path.contains(REDACTED) {
            // It spans several segments, none of which is a token by itself.
            REDACTED.clone_into(&mut route.path);
        }
        route
    }

    /// Whether a text is, or contains, a token of the index; or may, for all that can be read.
    #[must_use]
    pub fn knows(&self, text: &[u8]) -> bool {
        candidates::visit_value(text, &self.header.kinds, &mut |candidate| {
            let text = Canonical::of(candidate.text);
            let known = text.is_token() && self.header.kinds.hold_text(&text) && self.find(&text).1 != LookUp::Miss;
            if known { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .is_break()
    }

    /// What the index says of a text, and the fingerprint that it says it of: the one under the tenant's key, or the one under its other
    /// key, when there are two and the first says nothing.
    #[must_use]
    pub fn find(&self, text: &Canonical<'_>) -> (Fingerprint, LookUp) {
        let fingerprint = Fingerprint::of_canonical(&self.trust.keys.first, text);
        let found = self.look_up(&fingerprint);
        if self.trust.keys.second.is_some() && !matches!(found, LookUp::Hit(_)) {
            return self.find_by_second(text, (fingerprint, found));
        }
        (fingerprint, found)
    }

    /// Out of the way: a tenant's key is hardly ever being changed.
    #[cold]
    fn find_by_second(&self, text: &Canonical<'_>, first: (Fingerprint, LookUp)) -> (Fingerprint, LookUp) {
        let Some(key) = &self.trust.keys.second else { return first };
        let fingerprint = Fingerprint::of_canonical(key, text);
        match self.look_up(&fingerprint) {
            LookUp::Miss => first,
            found => (fingerprint, found),
        }
    }

    /// What the index says of a fingerprint. Most are dismissed by their shard's prefilter, without a host call.
    #[must_use]
    pub fn look_up(&self, fingerprint: &Fingerprint) -> LookUp {
        let place = self.header.shard_of(fingerprint);
        let dismissed = match self.slots.borrow().get(place) {
            Some(slot) => slot.prefilter.as_ref().is_some_and(|prefilter| !prefilter.may_hold(fingerprint)),
            None => return LookUp::Unreadable,
        };
        if dismissed {
            return LookUp::Miss;
        }
        match self.shard(place) {
            Some(shard) => shard.look_up(fingerprint).map_or(LookUp::Miss, LookUp::Hit),
            None => LookUp::Unreadable,
        }
    }

    /// Takes prefilters that are missing from their pages, `most` of them: requests that come later need not. Whether a page could not
    /// be read.
    #[must_use]
    pub fn has_unreadable(&self, most: usize) -> bool {
        let total = self.header.shards.len();
        for _ in 0..most {
            let is_missing = |place: &usize| self.slots.borrow().get(*place).is_some_and(|slot| slot.prefilter.is_none());
            let Some(place) = (self.warmed.get()..total).find(is_missing) else {
                self.warmed.set(total);
                return false;
            };
            self.warmed.set(place + 1);
            if self.shard(place).is_none() {
                return true;
            }
        }
        false
    }

    /// The shard from its page.
    fn shard(&self, place: usize) -> Option<Shard> {
        let (bytes, version) = self.records.page(self.header.shard_bits, place)?;
        let (verified, announced) = self.slots.borrow().get(place).map(|slot| (slot.verified, slot.announced))?;
        if version == verified || version == announced {
            return Shard::from_verified(bytes).ok();
        }
        let sum = ShardSum { hash: *blake3::hash(&bytes).as_bytes(), length: u32::try_from(bytes.len()).ok()? };
        let is_in_force = self.header.shards.get(place) == Some(&sum);
        if !is_in_force && !self.is_announced(place, sum) {
            return None;
        }
        let shard = Shard::from_verified(bytes).ok()?;
        if let Some(slot) = self.slots.borrow_mut().get_mut(place) {
            if is_in_force {
                *slot = Slot { prefilter: Some(shard.prefilter()), verified: version, announced: 0 };
            } else {
                slot.announced = version;
            }
        }
        Some(shard)
    }

    /// Whether it is a page of a push that is not complete yet, or broke off.
    fn is_announced(&self, place: usize, sum: ShardSum) -> bool {
        let mut known = self.announced.borrow_mut();
        self.records.announced().zip(known.iter_mut()).any(|((record, version), known)| {
            if known.0 != version {
                *known = (version, self.announced_header(&record));
            }
            known.1.as_ref().is_some_and(|header| header.shards.get(place) == Some(&sum))
        })
    }

    fn announced_header(&self, record: &[u8]) -> Option<IndexHeader> {
        let header = wire::State::decode(record).ok()?.header?;
        let header = self.trust.verify(header, None, self.header.epoch).ok()?;
        (header.shard_bits == self.header.shard_bits).then_some(header)
    }
}
