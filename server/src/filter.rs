//! The filters of the realms' chunks, for clients that push new data: made when first asked for, kept, made anew when
//! they have become useless.
//!
//! A filter is a hint (`dits_sync::filter`): too old a one makes a client send what is here already, or ask about what
//! it could have sent. So it is not kept up to date, only [replaced](is_stale) when the store has grown by a quarter,
//! or has lost chunks. One is made at a time for a realm,
//! while other realms go on, and at most [`KEPT_MAX`] of 16 MiB are held. Fails with [`StoreError`].

use dits_format::Kind;
use dits_store::{ChunkRead, Item, PackStore, StoreError};
use dits_sync::filter::Building;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Realms whose filter is held in memory.
const KEPT_MAX: usize = 8;

/// The filters of a server.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    kept: Mutex<HashMap<String, Slot>>,
}

/// The filter of a realm, if it has been made. Held while it is made.
type Slot = Arc<Mutex<Option<Kept>>>;

#[derive(Debug)]
struct Kept {
    /// Empty when the store is too large for a filter.
    bytes: Arc<Vec<u8>>,
    /// Chunks in the store when it was made.
    chunks: u64,
}

/// Whether a filter of a store that had `then` chunks is worth replacing when it has `now`.
fn is_stale(then: u64, now: u64) -> bool {
    now < then || now - then > then / 4
}

impl Filters {
    /// The bytes of a realm's filter; empty when there is none.
    pub fn of(&self, realm: &str, store: &PackStore) -> Result<Arc<Vec<u8>>, StoreError> {
        let slot = self.slot(realm);
        let mut kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let chunks = store.chunks_known();
        match &*kept {
            Some(known) if !is_stale(known.chunks, chunks) => return Ok(known.bytes.clone()),
            _ => {}
        }
        let bytes = Arc::new(made(store)?);
        *kept = Some(Kept { bytes: bytes.clone(), chunks });
        Ok(bytes)
    }

    fn slot(&self, realm: &str) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX && !kept.contains_key(realm) {
            kept.clear();
        }
        kept.entry(realm.to_owned()).or_default().clone()
    }
}

fn made(store: &PackStore) -> Result<Vec<u8>, StoreError> {
    let mut building = Some(Building::default());
    store.visit(&mut |item| {
        if let Item::Chunk { id, kind: Kind::Data, .. } = item {
            building = building.take().and_then(|mut building| building.push(&id).map(|()| building));
        }
        Ok(())
    })?;
    Ok(building.and_then(Building::finish).map_or_else(Vec::new, |filter| filter.encode()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_format::ChunkId;
    use dits_store::{ChunkPrune, ChunkWrite};
    use dits_sync::filter::Filter;

    fn add(store: &PackStore, numbers: std::ops::Range<u32>) -> Vec<ChunkId> {
        let mut batch = store.batch().unwrap();
        let put = |n: u32| {
            let id = ChunkId::of(Kind::Data, &n.to_le_bytes());
            batch.put(id, Kind::Data, &n.to_le_bytes()).unwrap();
            id
        };
        let ids = numbers.map(put).collect();
        batch.commit().unwrap();
        ids
    }

    #[test]
    fn a_filter_is_made_once_and_again_when_the_store_has_changed_much() {
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(dir.path()).unwrap();
        let filters = Filters::default();
        let get = || filters.of("team", &store).unwrap();
        // In packs of their own: their ids lie between each other.
        let ids: Vec<ChunkId> = (0..4).flat_map(|n| add(&store, n * 100..(n + 1) * 100)).collect();
        let first = get();
        let filter = Filter::decode(&first).unwrap();
        assert!(ids.iter().all(|id| filter.may_have(id)));
        let more = add(&store, 1000..1050);
        assert!(Arc::ptr_eq(&first, &get()), "a little more is no reason");
        assert!(more.iter().any(|id| !filter.may_have(id)));
        let much = add(&store, 2000..2100);
        let second = Filter::decode(&get()).unwrap();
        assert!(more.iter().chain(&much).all(|id| second.may_have(id)));
        assert_ne!(second.epoch(), filter.epoch());
        store.remove(&much.into_iter().collect()).unwrap();
        assert_ne!(Filter::decode(&get()).unwrap().epoch(), second.epoch());
        // A realm of its own has a filter of its own, and not all are kept.
        let empty = tempfile::tempdir().unwrap();
        let other = PackStore::open(empty.path()).unwrap();
        (0..2 * KEPT_MAX).for_each(|n| drop(filters.of(&n.to_string(), &other).unwrap()));
        assert!(filters.kept.lock().unwrap().len() <= KEPT_MAX);
    }
}
