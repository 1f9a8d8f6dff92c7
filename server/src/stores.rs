//! The chunk stores of the realms: each opened once, and shared by all streams.
//!
//! Sharing one handle means that what one stream commits the next one sees, without looking at the disk again.
//! Large merges of packs and segments go on in a thread of their own, so that no push waits for them.
//! A store comes into being with the first push to its realm; reading never creates one. Fails with
//! [`StoreError`].

use crate::layout::Layout;
use dits_store::{PackStore, StoreError, Upkeep, durable};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The stores of one server.
#[derive(Debug)]
pub(crate) struct Stores {
    layout: Layout,
    open: Mutex<HashMap<String, PackStore>>,
}

impl Stores {
    pub fn new(layout: Layout) -> Stores {
        Stores { layout, open: Mutex::default() }
    }

    /// The store of a realm, if it has one.
    pub fn existing(&self, realm: &str) -> Result<Option<PackStore>, StoreError> {
        if self.layout.store(realm).is_dir() { self.open(realm).map(Some) } else { Ok(None) }
    }

    /// The store of a realm, created if need be. May block on the disk.
    pub fn open(&self, realm: &str) -> Result<PackStore, StoreError> {
        // Held while opening, so that no store is opened twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(realm) {
            return Ok(store.clone());
        }
        let dir = self.layout.store(realm);
        durable::create_dir(&dir)?;
        let store = PackStore::open(&dir)?.with_upkeep(Upkeep::Thread);
        open.insert(realm.to_owned(), store.clone());
        Ok(store)
    }
}
