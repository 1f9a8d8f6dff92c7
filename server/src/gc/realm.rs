//! Collecting one realm, step by step: [`Collector::mark`], [`Collector::slice`] until it says no, [`Collector::finish`].
//!
//! Between the steps anything may happen to the realm. The steps are what a test interleaves with those of a push.

use super::bloom::Bloom;
use super::keep::{Keep, Why};
use super::refs::Refs;
use super::{GcError, Options};
use crate::contents::Contents;
use crate::layout::Layout;
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, PackId, Proof};
use dits_store::mark::Walker;
use dits_store::pack::PackInfo;
use dits_store::{ChunkRead, Item, PackStore, StoreError, content};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Seconds for which chunks of no content stay, whatever the grace: their push may be under way.
const UNBOUND_MIN: u64 = 60 * 60;
/// A pack is rewritten when at least one of so many bytes is not needed.
const PAYS: u64 = 4;
/// Bytes of packs that are rewritten while others wait.
const SLICE_BYTES: u64 = 64 << 20;
/// Packs of one slice.
const SLICE_PACKS: usize = 16;

/// What was taken away, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The realm.
    pub realm: String,
    /// Contents that stay, by reason.
    pub kept: BTreeMap<Why, u64>,
    /// Contents that go: oid and size.
    pub contents: BTreeMap<String, u64>,
    /// Chunks that went, or would.
    pub chunks: u64,
    /// Their bytes, uncompressed.
    pub bytes: u64,
    /// Bytes of disk that are free now; 0 when nothing was taken away.
    pub freed: u64,
    /// Bytes of chunks that are not needed in packs that stay as they are.
    pub left: u64,
}

/// See the file head.
pub(crate) struct Collector<'a> {
    store: &'a PackStore,
    keep: Keep<'a>,
    options: &'a Options,
    /// What contents that stay need.
    needed: Bloom,
    /// What others were made of.
    released: Bloom,
    needing: Walker<'a>,
    releasing: Walker<'a>,
    marked: HashSet<ChunkId>,
    /// Manifests of contents that stay and lack a node: somebody may bring it.
    torn: HashSet<ChunkId>,
    /// Manifests of contents that go.
    going: HashMap<Oid, Vec<ChunkId>>,
    sizes: HashMap<Oid, u64>,
    known_packs: HashSet<PackId>,
    queue: VecDeque<Vec<(PackId, u64)>>,
    report: Report,
}

impl<'a> Collector<'a> {
    pub fn new(
        layout: &'a Layout,
        contents: &'a Contents,
        refs: &'a dyn Refs,
        realm: &'a str,
        store: &'a PackStore,
        options: &'a Options,
    ) -> Collector<'a> {
        let (kept, gone) = (BTreeMap::new(), BTreeMap::new());
        let report =
            Report { realm: realm.into(), kept, contents: gone, chunks: 0, bytes: 0, freed: 0, left: 0 };
        let (marked, torn, going, sizes, known_packs, queue) = Default::default();
        Collector {
            store,
            keep: Keep::new(layout, contents, refs, realm, options),
            options,
            needed: Bloom::new(0),
            released: Bloom::new(0),
            needing: Walker::new(store),
            releasing: Walker::new(store),
            marked,
            torn,
            going,
            sizes,
            known_packs,
            queue,
            report,
        }
    }

    /// Finds out what stays and what goes.
    pub fn mark(&mut self) -> Result<(), GcError> {
        self.keep.look(self.store)?;
        self.known_packs = self.store.packs()?.into_iter().collect();
        let (mut manifests, mut claimed, mut chunks) = (Vec::new(), Vec::new(), 0);
        let sizes = &mut self.sizes;
        self.store.visit(&mut |item| {
            match item {
                Item::Chunk { id, kind, .. } => {
                    chunks += 1;
                    manifests.extend((kind == Kind::Manifest).then_some(id));
                }
                Item::Binding(Binding { oid, size, proof, .. }) => {
                    sizes.insert(oid, size);
                    claimed.extend((proof == Proof::Claimed).then_some(oid));
                }
            }
            Ok(())
        })?;
        claimed.into_iter().for_each(|oid| self.keep.keep(oid, Why::Claimed));
        (self.needed, self.released) = (Bloom::new(chunks), Bloom::new(chunks));
        self.keep.take_fresh();
        for id in manifests {
            self.mark_manifest(id)?;
        }
        self.plan()
    }

    /// Marks what a manifest needs, or remembers that nothing does.
    fn mark_manifest(&mut self, id: ChunkId) -> Result<(), GcError> {
        let manifest = match content::manifest(self.store, &id) {
            // Taken away since.
            Err(StoreError::Missing { .. }) => return Ok(()),
            manifest => manifest?,
        };
        if self.keep.has(&manifest.oid) {
            return self.mark_needed(id, &manifest);
        }
        self.released.add(&id);
        let released = &mut self.released;
        let walked = self.releasing.walk(&manifest, &mut |id, _| released.add(&id));
        match walked {
            // What is below something damaged counts as chunks of no content.
            Err(error @ StoreError::Io { .. }) => return Err(error.into()),
            _ => self.going.entry(manifest.oid).or_default().push(id),
        }
        Ok(())
    }

    fn mark_needed(&mut self, id: ChunkId, manifest: &Manifest) -> Result<(), GcError> {
        if self.marked.contains(&id) {
            return Ok(());
        }
        self.needed.add(&id);
        let needed = &mut self.needed;
        if self.needing.walk(manifest, &mut |id, _| needed.add(&id))? {
            self.marked.insert(id);
            self.torn.remove(&id);
        } else {
            self.torn.insert(id);
        }
        Ok(())
    }

    /// Marks what stays since the last look.
    fn mark_fresh(&mut self) -> Result<(), GcError> {
        for oid in self.keep.take_fresh() {
            let mut manifests = self.going.remove(&oid).unwrap_or_default();
            manifests.extend(self.store.bindings(&oid)?.iter().map(|binding| binding.manifest));
            manifests.into_iter().try_for_each(|id| self.mark_manifest(id))?;
        }
        self.torn.clone().into_iter().try_for_each(|id| self.mark_manifest(id))
    }

    /// Manifests that came since the last look, of contents that stay: by another manifest than before.
    fn mark_new_packs(&mut self) -> Result<(), GcError> {
        for id in self.store.packs()? {
            if !self.known_packs.insert(id) {
                continue;
            }
            let Some(pack) = self.store.pack(id)? else { continue };
            for entry in pack.footer.entries.iter().filter(|entry| entry.kind == Kind::Manifest) {
                if !self.marked.contains(&entry.id) {
                    let manifest = content::manifest(self.store, &entry.id)?;
                    if self.keep.has(&manifest.oid) {
                        self.mark_needed(entry.id, &manifest)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The chunks of a pack that nobody needs.
    fn garbage(&self, pack: &PackInfo) -> HashSet<ChunkId> {
        let min = self.options.grace.max(UNBOUND_MIN);
        let is_old = pack.written.saturating_add(min) < self.keep.started;
        let ids = pack.footer.entries.iter().map(|entry| entry.id);
        ids.filter(|id| !self.needed.may_have(id) && (is_old || self.released.may_have(id))).collect()
    }

    fn plan(&mut self) -> Result<(), GcError> {
        let (mut whole, mut part) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for id in self.store.packs()? {
            let Some(pack) = self.store.pack(id)? else { continue };
            let garbage = self.garbage(&pack);
            let (mut bytes, mut all) = (0, 0);
            for entry in &pack.footer.entries {
                all += u64::from(entry.bytes);
                bytes += if garbage.contains(&entry.id) { u64::from(entry.bytes) } else { 0 };
            }
            if garbage.is_empty() {
                continue;
            }
            if bytes * PAYS < all {
                self.report.left += bytes;
                continue;
            }
            if self.options.dry_run {
                self.report.chunks += garbage.iter().filter(|id| seen.insert(**id)).count() as u64;
                self.report.bytes += bytes;
            }
            let is_whole = garbage.len() == pack.footer.entries.len();
            if is_whole { &mut whole } else { &mut part }.push((id, pack.bytes));
        }
        for (id, bytes) in whole.into_iter().chain(part) {
            match self.queue.back_mut() {
                Some(slice)
                    if slice.len() < SLICE_PACKS
                        && slice.iter().map(|(_, bytes)| bytes).sum::<u64>() + bytes <= SLICE_BYTES =>
                {
                    slice.push((id, bytes));
                }
                _ => self.queue.push_back(vec![(id, bytes)]),
            }
        }
        Ok(())
    }

    /// Bytes of packs that are still to be swept.
    pub fn left(&self) -> u64 {
        self.queue.iter().flatten().map(|(_, bytes)| bytes).sum()
    }

    /// Sweeps a few packs; false when there are none left.
    pub fn slice(&mut self) -> Result<bool, GcError> {
        if self.options.dry_run {
            return Ok(false);
        }
        let Some(ids) = self.queue.pop_front() else { return Ok(false) };
        // What takes time first, with everybody at work.
        self.keep.look(self.store)?;
        self.mark_fresh()?;
        let quiet = self.store.quiet()?;
        self.keep.look_at_ledgers()?;
        self.mark_fresh()?;
        self.mark_new_packs()?;
        let (mut packs, mut garbage) = (Vec::new(), HashSet::new());
        for (id, _) in ids {
            // One that was merged meanwhile is left to the next run.
            let Some(pack) = self.store.pack(id)? else { continue };
            garbage.extend(self.garbage(&pack));
            packs.push(pack);
        }
        packs.retain(|pack| pack.footer.entries.iter().any(|entry| garbage.contains(&entry.id)));
        let contents = self.going.keys().copied().collect();
        let (gone, freed) = quiet.take(packs, &garbage, &contents)?;
        self.report.chunks += gone.chunks;
        self.report.bytes += gone.bytes;
        self.report.freed += freed;
        Ok(true)
    }

    /// Tidies the ledgers and says what was done.
    pub fn finish(mut self) -> Result<Report, GcError> {
        if !self.options.dry_run {
            self.keep.look(self.store)?;
            self.mark_fresh()?;
            self.keep.tidy()?;
        }
        for why in self.keep.all().values() {
            *self.report.kept.entry(*why).or_default() += 1;
        }
        let size = |oid: &Oid| self.sizes.get(oid).copied().unwrap_or_default();
        self.report.contents = self.going.keys().map(|oid| (oid.to_string(), size(oid))).collect();
        Ok(self.report)
    }
}
