//! What was forgotten and can be had back.
//!
//! `trash/<seconds>/<id>.pack` are whole packs as they were when something in them was forgotten at that time, so
//! nothing is copied to get there, and restoring is moving them back: the index finds them as it finds what
//! another process wrote. A pack may hold chunks that stayed, which then are here twice until packs are merged.
//! Nothing reads the trash but this. Emptying it is what finally frees the disk.

use super::PackStore;
use crate::{StoreError, durable};
use dits_format::PackId;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What was put into the trash at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trash {
    /// When, in seconds since 1970.
    pub time: u64,
    /// Packs.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    folder: PathBuf,
}

impl PackStore {
    pub(super) fn trash_folder(&self, time: u64) -> PathBuf {
        self.layout().root.join("trash").join(time.to_string())
    }

    /// What is in the trash, oldest first.
    pub fn trash(&self) -> Result<Vec<Trash>, StoreError> {
        let mut found = Vec::new();
        for folder in list(&self.layout().root.join("trash"))? {
            let Some(time) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else {
                continue;
            };
            let mut trash = Trash { time, packs: 0, bytes: 0, folder };
            for pack in list(&trash.folder)? {
                trash.packs += 1;
                trash.bytes += fs::metadata(&pack).map_or(0, |meta| meta.len());
            }
            found.push(trash);
        }
        found.sort_by_key(|trash| trash.time);
        Ok(found)
    }

    /// Takes everything back out of the trash; returns how many packs that were.
    pub fn restore_trash(&self) -> Result<u64, StoreError> {
        let _lock = self.lock_packs()?;
        let mut restored = 0;
        for trash in self.trash()? {
            for pack in list(&trash.folder)? {
                let id = pack.file_stem().and_then(|stem| PackId::from_hex(stem.as_encoded_bytes()));
                let Some(id) = id else { continue };
                durable::create_shared_dir(&self.layout().pack_dir(&id), self.layout().modes)?;
                durable::rename(&pack, &self.layout().pack(&id))?;
                restored += 1;
            }
            remove_folder(&trash.folder)?;
        }
        self.refresh()?;
        self.write_index()?;
        Ok(restored)
    }

    /// Deletes for ever what came into the trash before `time`; returns how many bytes that were.
    pub fn empty_trash(&self, time: u64) -> Result<u64, StoreError> {
        let _lock = self.lock_packs()?;
        let mut bytes = 0;
        for trash in self.trash()?.into_iter().filter(|trash| trash.time < time) {
            list(&trash.folder)?.iter().try_for_each(|pack| durable::remove_file(pack))?;
            remove_folder(&trash.folder)?;
            bytes += trash.bytes;
        }
        Ok(bytes)
    }
}

/// What is in a folder; nothing when there is no folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            Ok(entries.map_err(StoreError::io("read", folder))?.flatten().map(|entry| entry.path()).collect())
        }
    }
}

/// Removes a folder unless something of another's is in it.
fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir(folder) {
        Err(error) if ![ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty].contains(&error.kind()) => {
            Err(StoreError::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
