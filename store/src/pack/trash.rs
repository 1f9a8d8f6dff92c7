//! What was forgotten and can be had back.
//!
//! `trash/<seconds>` is a store of its own for what was forgotten at that time: packs of which nothing stayed are
//! moved there as they are, of others only what went is copied, before it goes. So forgetting takes no more disk
//! than there was, but for one group of packs. Restoring moves the packs back: the index finds them as it finds
//! what another process wrote. Nothing else reads the trash. Emptying it is what finally frees the disk.

use super::PackStore;
use super::layout::Role;
use super::merge::is_damage;
use super::packer::Packer;
use super::rewrite::{Except, in_file_order};
use crate::{ChunkRead, StoreError, durable};
use dits_format::PackId;
use dits_format::pack::Footer;
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

impl Trash {
    fn pack_files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut packs = Vec::new();
        for folder in list(&self.folder.join("objects"))? {
            packs.extend(list(&folder)?);
        }
        Ok(packs)
    }
}

impl PackStore {
    fn trash_folder(&self) -> PathBuf {
        self.layout().root.join("trash")
    }

    /// The store for what is forgotten at this time.
    pub(super) fn open_trash(&self, time: u64) -> Result<PackStore, StoreError> {
        let folder = self.trash_folder().join(time.to_string());
        PackStore::open_as(&folder, Role::Store, self.layout().modes)
    }

    /// Copies what is left out of these packs. A damaged chunk is nothing to be had back.
    pub(super) fn copy_to_trash(
        &self,
        packs: &[(PackId, Footer)],
        except: &Except<'_>,
        trash: &PackStore,
    ) -> Result<(), StoreError> {
        let (mut packer, mut bindings, mut bytes) = (Packer::new(trash), Vec::new(), Vec::new());
        for (id, footer) in packs {
            let pack = self.shared.packs.get(id)?;
            for entry in in_file_order(footer).filter(|entry| except.has_chunk(&entry.id)) {
                if packer.has(&entry.id) || trash.has(&entry.id)? {
                    continue;
                }
                match self.shared.packs.read_entry(&pack, entry, &mut bytes) {
                    Ok(()) => packer.add_raw(entry.id, entry.kind, &bytes)?,
                    Err(error) if is_damage(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            bindings.extend(footer.bindings.iter().filter(|binding| except.has_binding(binding)).copied());
        }
        packer.finish(&bindings)
    }

    /// What is in the trash, oldest first.
    pub fn trash(&self) -> Result<Vec<Trash>, StoreError> {
        let mut found = Vec::new();
        for folder in list(&self.trash_folder())? {
            let Some(time) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else {
                continue;
            };
            let mut trash = Trash { time, packs: 0, bytes: 0, folder };
            for pack in trash.pack_files()? {
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
            for pack in trash.pack_files()? {
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
            remove_folder(&trash.folder)?;
            bytes += trash.bytes;
        }
        Ok(bytes)
    }
}

/// What is in a folder; nothing when there is no folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(folder) {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(Vec::new())
        }
        entries => {
            Ok(entries.map_err(StoreError::io("read", folder))?.flatten().map(|entry| entry.path()).collect())
        }
    }
}

fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
