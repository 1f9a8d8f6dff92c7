//! Packing anew, as `git gc` does: fewer packs, no copies, everything compressed that gets smaller.
//!
//! What came out of this once is remembered by name in the file `packed`, and is left alone as long as it is
//! large and nothing of it is elsewhere too; so doing it again costs little. That file is a cache: without it
//! the same bytes are packed once more. Packs go in the order of their age, in groups, so that what was added
//! together stays together and the disk needs room for one group. A pack with a damaged chunk stays as it is.

use super::PackStore;
use super::merge::is_damage;
use super::packs::is_gone;
use super::rewrite::{Except, GROUP_BYTES, Retire, Rewrite, Squeeze};
use crate::{StoreError, durable};
use dits_format::PackId;
use dits_format::limits::PACK_BYTES_TARGET;
use dits_format::pack::Footer;
use std::collections::HashSet;
use std::fs;
use std::time::SystemTime;

/// A pack below this size is packed with others.
pub(super) const SMALL_PACK_BYTES: u64 = PACK_BYTES_TARGET / 2;

/// What to do about packs.
#[derive(Debug, Default)]
pub struct RepackPlan {
    /// Packs to be packed anew, oldest first, with their bytes.
    packs: Vec<(PackId, u64)>,
    /// Bytes of all packs there are.
    pub bytes_total: u64,
    /// Packs there are.
    pub packs_total: u64,
}

impl RepackPlan {
    /// How many packs would be packed anew.
    pub fn packs(&self) -> u64 {
        self.packs.len() as u64
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.packs.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl PackStore {
    /// Looks what there is to do. With `all`, everything is packed anew.
    pub fn plan_repack(&self, all: bool) -> Result<RepackPlan, StoreError> {
        self.refresh()?;
        let packed = self.packed();
        let mut aged = Vec::new();
        for id in self.pack_ids()? {
            // One that is gone was merged by another process.
            let Ok(meta) = fs::metadata(self.layout().pack(&id)) else { continue };
            aged.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), id, meta.len()));
        }
        aged.sort_unstable();
        let mut plan = RepackPlan { packs_total: aged.len() as u64, ..RepackPlan::default() };
        let small = aged.iter().filter(|(_, _, bytes)| *bytes < SMALL_PACK_BYTES).count();
        for (_, id, bytes) in aged {
            plan.bytes_total += bytes;
            let due = all
                || !packed.contains(&id)
                || (bytes < SMALL_PACK_BYTES && small > 1)
                || self.has_copies(&id)?;
            if due {
                plan.packs.push((id, bytes));
            }
        }
        Ok(plan)
    }

    /// Does it, at this level of zstd; `observe` is told the bytes of packs done.
    pub fn repack(
        &self,
        plan: &RepackPlan,
        level: i32,
        observe: &mut dyn FnMut(u64),
    ) -> Result<(), StoreError> {
        let _lock = self.lock_packs()?;
        self.refresh()?;
        let mut packed = self.packed();
        let (mut group, mut bytes, mut done) = (Vec::new(), 0, 0);
        for (id, size) in &plan.packs {
            match self.checked(id, &Except::default()) {
                Ok(footer) => group.push((*id, footer)),
                Err(error) if is_damage(&error) || is_gone(&error) => {}
                Err(error) => return Err(error),
            }
            (bytes, done) = (bytes + size, done + size);
            if bytes >= GROUP_BYTES {
                self.repack_group(&std::mem::take(&mut group), level, &mut packed)?;
                bytes = 0;
            }
            observe(done);
        }
        if !group.is_empty() {
            self.repack_group(&group, level, &mut packed)?;
        }
        self.reindex(&HashSet::new(), |_| false, |_| true)
    }

    fn repack_group(
        &self,
        group: &[(PackId, Footer)],
        level: i32,
        packed: &mut HashSet<PackId>,
    ) -> Result<(), StoreError> {
        let rewrite =
            Rewrite { except: &Except::default(), retire: &Retire::Delete, squeeze: Squeeze::All(level) };
        packed.extend(self.rewrite(group, &rewrite)?);
        let present: HashSet<PackId> = self.pack_ids()?.into_iter().collect();
        packed.retain(|id| present.contains(id));
        let text: String = packed.iter().map(|id| format!("{id}\n")).collect();
        let layout = self.layout();
        durable::write_file(&layout.temp, &layout.root.join("packed"), text.as_bytes(), layout.modes)
    }

    /// The packs that came out of this; nothing when that cannot be read.
    fn packed(&self) -> HashSet<PackId> {
        let text = fs::read(self.layout().root.join("packed")).unwrap_or_default();
        text.split(|byte| *byte == b'\n').filter_map(PackId::from_hex).collect()
    }

    /// Whether a chunk of the pack is in another pack too.
    fn has_copies(&self, id: &PackId) -> Result<bool, StoreError> {
        match self.shared.packs.footer(id) {
            Ok(footer) => {
                let elsewhere = |(pack, _): &(PackId, _)| pack != id;
                Ok(footer.entries.iter().any(|entry| self.places(&entry.id).iter().any(elsewhere)))
            }
            Err(error) if is_damage(&error) || is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
