//! Proving contents while they arrive: hashing their chunks in order, as far as these are here; or telling them to somebody
//! who [follows](Follow), and does with them what he wants.
//!
//! An oid cannot be derived from chunk ids, so a content is proved by hashing it. Contents are hashed in the order in
//! which they were described, the first one that waits for a chunk holding up the rest. What is held meanwhile is
//! bounded: [`CONTENTS_AHEAD_MAX`] contents and [`CHUNKS_AHEAD_MAX`] chunks of 64 bytes each, and
//! [`PROOF_READ_BYTES_MAX`] to be read back. Whatever goes beyond is not proved here, which is no fault: it stays
//! claimed. A chunk that turns out to be damaged or gone ends the proof of its content in the same way, and what is told of it.

use crate::machine::SyncError;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::{Batch, Follow, StoreError};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Bytes of chunks that one stream may read back from the store to prove contents at once.
pub const PROOF_READ_BYTES_MAX: u64 = 64 << 20;
/// Contents that are being hashed or wait for it. A first push describes a whole tree before its chunks come.
const CONTENTS_AHEAD_MAX: usize = 1 << 17;
/// Chunks described and not hashed yet, of all contents.
const CHUNKS_AHEAD_MAX: usize = 1 << 17;

/// The contents of a stream that are being proved.
pub(super) struct Proofs {
    queue: VecDeque<Proving>,
    /// Chunks of all contents of the queue in order, as far as they have not been hashed, and whether they must be read
    /// from the store.
    chunks: VecDeque<(Entry, bool)>,
    /// Of the first content of the queue.
    hasher: Box<blake3::Hasher>,
    /// Whether the last of the queue is the content under description.
    is_open: bool,
    read_left: u64,
    enabled: bool,
    /// Who is told the bytes; then nothing is hashed.
    follower: Option<Arc<dyn Follow>>,
    /// Bytes of the content under description that need not be told.
    known: u64,
}

/// A content on its way through the hasher.
struct Proving {
    oid: Oid,
    /// Number of the content among those described; set at its end.
    slot: Option<usize>,
    /// So many of the chunks are its own.
    chunks: usize,
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
        Proofs {
            queue: VecDeque::new(),
            chunks: VecDeque::new(),
            hasher: Box::default(),
            is_open: false,
            read_left: PROOF_READ_BYTES_MAX,
            enabled,
            follower: None,
            known: 0,
        }
    }

    /// Tells contents to `follower`, and proves none.
    pub fn follow(&mut self, follower: Arc<dyn Follow>) {
        (self.follower, self.enabled) = (Some(follower), true);
    }

    /// A description begins.
    pub fn begin(&mut self, manifest: &Manifest) {
        self.is_open = self.enabled && manifest.layout.is_empty() && self.queue.len() < CONTENTS_AHEAD_MAX;
        if let (true, Some(follower)) = (self.is_open, &self.follower) {
            let known = follower.wants(&manifest.oid);
            (self.is_open, self.known) = (known.is_some(), known.unwrap_or(0));
        }
        if self.is_open {
            self.queue.push_back(Proving { oid: manifest.oid, slot: None, chunks: 0 });
        }
    }

    /// The next chunk of the content under description. `read_back`: its bytes will not pass by for this place,
    /// they must be read from the store.
    pub fn push(&mut self, entry: Entry, read_back: bool) {
        if !self.is_open {
            return;
        }
        if self.known > 0 {
            // What was told ended with a chunk; with one of another manifest, if not here.
            match self.known.checked_sub(entry.bytes) {
                Some(left) => self.known = left,
                None => self.cancel(),
            }
            return;
        }
        let cost = if read_back { entry.bytes } else { 0 };
        match self.read_left.checked_sub(cost) {
            Some(left) if self.chunks.len() < CHUNKS_AHEAD_MAX => {
                self.read_left = left;
                self.chunks.push_back((entry, read_back));
                self.queue.back_mut().expect("it is open").chunks += 1;
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
            self.chunks.truncate(self.chunks.len() - given_up.chunks);
            self.follower.iter().for_each(|follower| follower.give_up(&given_up.oid));
            if self.queue.is_empty() {
                self.hasher.reset();
            }
        }
    }

    /// Hashes an arriving chunk if it is the next one.
    pub fn arrived(&mut self, entry: &Entry, bytes: &[u8]) {
        // Those of a later content wait for the end of the first.
        if self.queue.front().is_some_and(|proving| proving.chunks > 0)
            && self.chunks.front() == Some(&(*entry, false))
        {
            self.hashed(bytes);
        }
    }

    /// The next chunk of the first content is `bytes`.
    fn hashed(&mut self, bytes: &[u8]) {
        let proving = self.queue.front_mut().expect("it has a chunk");
        match &self.follower {
            Some(follower) => follower.next(&proving.oid, bytes),
            None => drop(self.hasher.update(bytes)),
        }
        self.chunks.pop_front();
        proving.chunks -= 1;
    }

    /// Hashes chunks that are here, up to the first that has not arrived and is `awaited`.
    ///
    /// # Errors
    /// [`SyncError::WrongManifest`] when a content turns out to be another one.
    pub fn advance(&mut self, batch: &mut dyn Batch, awaited: &HashSet<ChunkId>) -> Result<Found, SyncError> {
        let (mut found, mut buffer) = (Found::default(), Vec::new());
        while let Some(&Proving { oid, slot, chunks }) = self.queue.front() {
            if chunks == 0 {
                let Some(slot) = slot else { break };
                match &self.follower {
                    Some(follower) => follower.end(&oid),
                    None if *self.hasher.finalize().as_bytes() == oid.0 => found.proved.push(slot),
                    None => return Err(SyncError::WrongManifest { oid }),
                }
                self.queue.pop_front();
                self.hasher.reset();
                continue;
            }
            let Some(&(entry, true)) = self.chunks.front() else { break };
            match batch.read(&entry.id, &mut buffer) {
                Ok(Some(Kind::Data)) if buffer.len() as u64 == entry.bytes => self.hashed(&buffer),
                Ok(Some(_)) => return Err(SyncError::WrongManifest { oid }),
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
            self.chunks.drain(..given_up.chunks);
            self.follower.iter().for_each(|follower| follower.give_up(&given_up.oid));
            self.hasher.reset();
            self.is_open &= !self.queue.is_empty();
        }
    }
}
