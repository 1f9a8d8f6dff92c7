//! Who is using the store, so that nobody takes away what another has found here.
//!
//! A batch skips each chunk that it finds present, and binds a content to it much later; a checkout asks what is
//! whole, and reads it much later. Between the two nothing may go. So every batch holds `users.lock` shared,
//! from before its first question to its commit, and so does whoever takes a [`Lease`]. To forget contents one
//! must be [`Alone`]: hold that lock exclusively, which is refused at once when anybody is at work
//! ([`StoreError::Busy`]). Who comes meanwhile waits, and then looks at what is left.
//!
//! Alone also means that no dead writer's work is lying about: what it checkpointed is taken up first, so that
//! its contents count. Plain file locks: a process that is killed holds nothing.

use super::PackStore;
use crate::StoreError;
use std::fs::{File, TryLockError};

const USERS: &str = "users.lock";

/// While this lives, no content is forgotten.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
}

/// While this lives, nobody writes to the store, and nobody else merges or removes packs.
#[derive(Debug)]
pub struct Alone {
    pub(super) store: PackStore,
    _users: File,
    _packs: File,
}

impl PackStore {
    /// Announces that what is found in the store from now on will be needed. Waits while contents are being
    /// forgotten.
    pub fn lease(&self) -> Result<Lease, StoreError> {
        let (path, lock) = self.layout().lock_file(USERS)?;
        lock.lock_shared().map_err(StoreError::io("lock", &path))?;
        Ok(Lease { _lock: lock })
    }

    /// As [`PackStore::lease`], or `None` at once.
    pub(super) fn try_lease(&self) -> Result<Option<Lease>, StoreError> {
        let (path, lock) = self.layout().lock_file(USERS)?;
        match lock.try_lock_shared() {
            Ok(()) => Ok(Some(Lease { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
        }
    }

    /// Keeps everybody else from writing. Waits for a merge of packs that is under way.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process or handle is at work.
    pub fn alone(&self) -> Result<Alone, StoreError> {
        let packs = self.lock_packs()?;
        let (path, users) = self.layout().lock_file(USERS)?;
        match users.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy { path: self.layout().root.clone() });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        self.refresh()?;
        self.salvage_alone()?;
        Ok(Alone { store: self.clone(), _users: users, _packs: packs })
    }

    /// Waits until nobody has a lease.
    pub(super) fn lock_users(&self) -> Result<File, StoreError> {
        let (path, lock) = self.layout().lock_file(USERS)?;
        lock.lock().map_err(StoreError::io("lock", &path))?;
        Ok(lock)
    }

    /// Waits until nobody else merges or removes packs.
    pub(super) fn lock_packs(&self) -> Result<File, StoreError> {
        let (path, lock) = self.layout().lock_file("consolidate.lock")?;
        lock.lock().map_err(StoreError::io("lock", &path))?;
        Ok(lock)
    }
}
