//! Which manifest a server said a content has, over restarts.
//!
//! A file of records that is only appended to: 32 bytes oid, 32 bytes id of the manifest; the last of an oid counts. It is a cache: a
//! record that is cut, or lost in a power cut, costs a question. Nothing of it is believed more than what a server says: see the head of
//! [`super`].

use dits_format::{ChunkId, Oid};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

const RECORD_BYTES: usize = 64;
/// Bytes of a file that are read: a million records.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// See the file head.
pub struct Claims {
    known: Mutex<HashMap<Oid, ChunkId>>,
    /// `None` when it cannot be written: then it is remembered for now.
    file: Option<Mutex<File>>,
}

impl Claims {
    /// Reads the file at `path`, making it if there is none.
    pub fn open(path: PathBuf) -> Claims {
        let mut known = HashMap::new();
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(&path) {
            // What cannot be read was not remembered.
            let _ = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
        }
        for record in bytes.chunks_exact(RECORD_BYTES) {
            let (oid, manifest) = record.split_at(RECORD_BYTES / 2);
            if let (Ok(oid), Ok(manifest)) = (oid.try_into(), manifest.try_into()) {
                known.insert(Oid(oid), ChunkId(manifest));
            }
        }
        let file = OpenOptions::new().append(true).create(true).open(path).ok();
        // A record that was cut would shift those behind it.
        let file = file.filter(|file| {
            let whole = (bytes.len() - bytes.len() % RECORD_BYTES) as u64;
            file.metadata().is_ok_and(|meta| meta.len() == whole) || file.set_len(whole).is_ok()
        });
        Claims { known: Mutex::new(known), file: file.map(Mutex::new) }
    }

    /// The manifest that a content is said to have.
    pub fn get(&self, oid: &Oid) -> Option<ChunkId> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(oid).copied()
    }

    /// Remembers one.
    pub fn put(&self, oid: Oid, manifest: ChunkId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(oid, manifest) == Some(manifest) {
            return;
        }
        if let Some(file) = &self.file {
            let record = [oid.0, manifest.0].concat();
            // See the file head.
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&record);
        }
    }
}
