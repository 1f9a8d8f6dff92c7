//! Proving contents while they arrive: hashing their chunks in order, as far as these are here.
//!
//! An oid cannot be derived from chunk ids, so a content is proved by hashing it. Contents are hashed in the order in
//! which they were described, the first one that waits for a chunk holding up the rest. What is held meanwhile is
//! bounded: [`PROVED_AT_ONCE_MAX`] hashers of 2 KB, [`CHUNKS_AHEAD_MAX`] chunks of 48 bytes, and
//! [`PROOF_READ_BYTES_MAX`] to be read back. Whatever goes beyond is not proved here, which is no fault: it stays
//! claimed. A chunk that turns out to be damaged or gone ends the proof of its content in the same way.

use crate::machine::SyncError;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::{Batch, StoreError};
use std::collections::{HashSet, VecDeque};

/// Bytes of chunks that one stream may read back from the store to prove contents at once.
pub const PROOF_READ_BYTES_MAX: u64 = 64 << 20;
/// Contents that are being hashed or wait for it.
const PROVED_AT_ONCE_MAX: usize = 8192;
/// Chunks described and not hashed yet, of all contents.
const CHUNKS_AHEAD_MAX: usize = 1 << 17;

/// The contents of a stream that are being proved.
pub(super) struct Proofs {
    queue: VecDeque<Proving>,
    /// Whether the last of the queue is the content under description.
    is_open: bool,
    chunks: usize,
    read_left: u64,
    enabled: bool,
}

/// A content on its way through the hasher.
struct Proving {
    oid: Oid,
    /// Number of the content among those described; set at its end.
    slot: Option<usize>,
    hasher: Box<blake3::Hasher>,
    /// Its chunks in order, as far as they have not been hashed, and whether they must be read from the store.
    chunks: VecDeque<(Entry, bool)>,
}

/// What [`Proofs::advance`] found.
#[derive(Default)]
pub(super) struct Found {
    /// Contents that are proved now, by number.
    pub proved: Vec<usize>,
    /// Chunks that are damaged in our store.
    pub corrupt: Vec<ChunkId>,
}

impl Proofs {
    /// Proves nothing unless `enabled`.
    pub fn new(enabled: bool) -> Proofs {
        let queue = VecDeque::new();
        Proofs { queue, is_open: false, chunks: 0, read_left: PROOF_READ_BYTES_MAX, enabled }
    }

    /// A description begins.
    pub fn begin(&mut self, manifest: &Manifest) {
        self.is_open = self.enabled && manifest.layout.is_empty() && self.queue.len() < PROVED_AT_ONCE_MAX;
        if self.is_open {
            let (hasher, chunks) = (Box::new(blake3::Hasher::new()), VecDeque::new());
            self.queue.push_back(Proving { oid: manifest.oid, slot: None, hasher, chunks });
        }
    }

    /// The next chunk of the content under description. `read_back`: its bytes will not pass by for this place,
    /// they must be read from the store.
    pub fn push(&mut self, entry: Entry, read_back: bool) {
        if !self.is_open {
            return;
        }
        let cost = if read_back { entry.bytes } else { 0 };
        match self.read_left.checked_sub(cost) {
            Some(left) if self.chunks < CHUNKS_AHEAD_MAX => {
                self.read_left = left;
                self.chunks += 1;
                self.queue.back_mut().expect("it is open").chunks.push_back((entry, read_back));
            }
            _ => self.cancel(),
        }
    }

    /// The description is complete; the content has the number `slot`.
    pub fn end(&mut self, slot: usize) {
        if std::mem::take(&mut self.is_open) {
            self.queue.back_mut().expect("it is open").slot = Some(slot);
        }
    }

    /// The content under description is not to be proved any more.
    pub fn cancel(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let given_up = self.queue.pop_back().expect("it is open");
            self.chunks -= given_up.chunks.len();
        }
    }

    /// Hashes an arriving chunk if it is the next one.
    pub fn arrived(&mut self, entry: &Entry, bytes: &[u8]) {
        if let Some(proving) = self.queue.front_mut()
            && proving.chunks.front() == Some(&(*entry, false))
        {
            proving.chunks.pop_front();
            self.chunks -= 1;
            proving.hasher.update(bytes);
        }
    }

    /// Hashes chunks that are here, up to the first that has not arrived and is `awaited`.
    ///
    /// # Errors
    /// [`SyncError::WrongManifest`] when a content turns out to be another one.
    pub fn advance(&mut self, batch: &mut dyn Batch, awaited: &HashSet<ChunkId>) -> Result<Found, SyncError> {
        let (mut found, mut buffer) = (Found::default(), Vec::new());
        while let Some(proving) = self.queue.front_mut() {
            let Some((entry, read_back)) = proving.chunks.front() else {
                let Some(slot) = proving.slot else { break };
                if *proving.hasher.finalize().as_bytes() != proving.oid.0 {
                    return Err(SyncError::WrongManifest { oid: proving.oid });
                }
                found.proved.push(slot);
                self.queue.pop_front();
                continue;
            };
            if !read_back {
                break;
            }
            match batch.read(&entry.id, &mut buffer) {
                Ok(Some(Kind::Data)) if buffer.len() as u64 == entry.bytes => {
                    proving.hasher.update(&buffer);
                    proving.chunks.pop_front();
                    self.chunks -= 1;
                }
                Ok(Some(_)) => return Err(SyncError::WrongManifest { oid: proving.oid }),
                // Asked for on behalf of an earlier content, and on its way.
                Ok(None) if awaited.contains(&entry.id) => break,
                Ok(None) | Err(StoreError::Missing { .. }) => self.give_up_first(),
                Err(StoreError::Corrupt { id, .. }) => {
                    found.corrupt.push(id);
                    self.give_up_first();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    fn give_up_first(&mut self) {
        if let Some(given_up) = self.queue.pop_front() {
            self.chunks -= given_up.chunks.len();
            self.is_open &= !self.queue.is_empty();
        }
    }
}
