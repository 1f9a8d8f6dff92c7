//! Taking in contents: answering offers, checking what arrives, proving, binding.
//!
//! Every chunk is hashed on arrival and must be the one asked for. The chunk lists of an offer are built
//! into Merkle trees here, and must end at the roots the manifest names. Nothing is bound before
//! [`Receiver::commit`] has walked each manifest again and found every chunk, exactly, in the store or in
//! this batch; bindings are in the last bytes that become durable.
//!
//! An oid cannot be derived from chunk ids, so it is *proved* by hashing the content. That happens while
//! chunks stream by, as long as no more than [`PROOF_READ_BYTES_MAX`] of chunks that were here before must
//! be read for it; else the binding stays *claimed*, and the store's owner proves it later.
//! When a stream breaks, [`Receiver::salvage`] keeps the chunks that arrived, unbound: the next try does not
//! send them again.

use crate::machine::{SyncError, Tally};
use crate::message::Offer;
use dits_format::limits::{CHUNK_BYTES_MAX, CONTENT_BYTES_MAX};
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_store::content::{self, Walk};
use dits_store::{Batch, ChunkRead, ChunkWrite, Item, StoreError};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of chunks that one stream may read back from the store to prove contents at once.
pub const PROOF_READ_BYTES_MAX: u64 = 64 << 20;
/// Chunks asked for and not here yet. A sender of ours stays far below.
const AWAITED_MAX: usize = 1 << 16;

/// Bytes of chunks after which what arrived shall outlive this process.
const CHECKPOINT_BYTES: u64 = 4 << 20;

/// One receiving side of a stream.
pub struct Receiver {
    store: Arc<dyn ChunkRead>,
    batch: Box<dyn Batch>,
    current: Option<Incoming>,
    done: Vec<(Manifest, ChunkId, bool)>,
    /// Chunks asked for in this stream, so that none is asked for twice.
    requested: HashSet<ChunkId>,
    awaited: VecDeque<Entry>,
    /// Contents being proved, and their chunks in order, as far as these have not been hashed.
    proving: VecDeque<Proving>,
    prove: bool,
    proof_budget: u64,
    checkpoint_at: u64,
    tally: Tally,
}

/// A content whose description is arriving.
struct Incoming {
    manifest: Manifest,
    stream: usize,
    builder: Builder,
    base: Option<(Manifest, Walk, u64)>,
}

/// A content on its way through the hasher.
struct Proving {
    oid: Oid,
    /// Index into `done` once described; the result goes there.
    slot: Option<usize>,
    hasher: blake3::Hasher,
    chunks: VecDeque<(Entry, bool)>,
    described: bool,
    given_up: bool,
}

impl Receiver {
    /// Receives into `store`. `prove` = false leaves all contents claimed.
    pub fn new(store: &(impl ChunkWrite + Clone + 'static), prove: bool) -> Result<Receiver, StoreError> {
        Ok(Receiver {
            batch: store.batch()?,
            store: Arc::new(store.clone()),
            current: None,
            done: Vec::new(),
            requested: HashSet::new(),
            awaited: VecDeque::new(),
            proving: VecDeque::new(),
            prove,
            proof_budget: PROOF_READ_BYTES_MAX,
            checkpoint_at: CHECKPOINT_BYTES,
            tally: Tally::default(),
        })
    }

    /// Counts of what came in.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether needed chunks, or the rest of a description, are still to come.
    pub fn is_expecting(&self) -> bool {
        self.current.is_some() || !self.awaited.is_empty()
    }

    /// Takes an offer and answers with one bit for each new chunk in it.
    pub fn offer(&mut self, steps: Vec<Offer>) -> Result<Vec<bool>, SyncError> {
        let mut need = Vec::new();
        for step in steps {
            match step {
                Offer::Content { manifest, base } => self.begin(manifest, base)?,
                Offer::Keep { start, count } => self.keep(start, count)?,
                Offer::New(entries) => {
                    for entry in entries {
                        need.push(self.new_chunk(entry)?);
                    }
                }
                Offer::EndStream => self.end_stream()?,
                Offer::Cancel => self.cancel()?,
            }
        }
        self.advance_proofs()?;
        Ok(need)
    }

    fn begin(&mut self, manifest: Manifest, base: Option<ChunkId>) -> Result<(), SyncError> {
        if self.current.is_some() {
            return Err(SyncError::Protocol("a content inside another"));
        }
        let base = match base {
            Some(id) => {
                let base = content::manifest(&*self.store, &id)?;
                let walk = Walk::new(&base.streams[0], 0);
                Some((base, walk, 0))
            }
            None => None,
        };
        self.tally.contents += 1;
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(manifest.size);
        self.proving.push_back(Proving {
            oid: manifest.oid,
            slot: None,
            hasher: blake3::Hasher::new(),
            chunks: VecDeque::new(),
            described: false,
            given_up: !self.prove || !manifest.layout.is_empty(),
        });
        self.current = Some(Incoming { manifest, stream: 0, builder: Builder::new(), base });
        Ok(())
    }

    fn keep(&mut self, start: u64, count: u64) -> Result<(), SyncError> {
        let mut left = count;
        if count == 0 {
            return Err(SyncError::Protocol("an empty splice"));
        }
        while left > 0 {
            let current = self.current.as_mut().ok_or(SyncError::Protocol("chunks of no content"))?;
            let (_, walk, next) =
                current.base.as_mut().ok_or(SyncError::Protocol("a splice without base"))?;
            if start + (count - left) < *next {
                return Err(SyncError::Protocol("a splice that goes back"));
            }
            let piece =
                walk.next_chunk(&*self.store)?.ok_or(SyncError::Protocol("a splice past its base"))?;
            *next += 1;
            if *next > start + (count - left) {
                left -= 1;
                self.push(piece.entry, true)?;
            }
        }
        Ok(())
    }

    fn new_chunk(&mut self, entry: Entry) -> Result<bool, SyncError> {
        if entry.bytes == 0 || entry.bytes > CHUNK_BYTES_MAX as u64 || self.awaited.len() >= AWAITED_MAX {
            return Err(SyncError::Protocol("a chunk out of bounds"));
        }
        let need = !self.requested.contains(&entry.id) && !self.batch.has(&entry.id)?;
        if need {
            self.requested.insert(entry.id);
            self.awaited.push_back(entry);
            self.tally.chunks_needed += 1;
            self.tally.needed_bytes += entry.bytes;
        }
        self.push(entry, !need)?;
        Ok(need)
    }

    /// Appends a chunk to the tree of the current stream and to the proof. `read_back`: its bytes will not
    /// pass by for this place, they must be read from the store.
    fn push(&mut self, entry: Entry, read_back: bool) -> Result<(), SyncError> {
        let current = self.current.as_mut().ok_or(SyncError::Protocol("chunks of no content"))?;
        if current.builder.bytes() + entry.bytes > CONTENT_BYTES_MAX {
            return Err(SyncError::WrongManifest { oid: current.manifest.oid });
        }
        let batch = &mut self.batch;
        current.builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        let proving = self.proving.back_mut().expect("begin pushed one");
        if !proving.given_up {
            if read_back {
                match self.proof_budget.checked_sub(entry.bytes) {
                    Some(left) => self.proof_budget = left,
                    None => proving.give_up(),
                }
            }
            if !proving.given_up {
                proving.chunks.push_back((entry, read_back));
            }
        }
        Ok(())
    }

    fn end_stream(&mut self) -> Result<(), SyncError> {
        let current = self.current.as_mut().ok_or(SyncError::Protocol("the end of no stream"))?;
        let stream = current.manifest.streams[current.stream];
        let builder = std::mem::take(&mut current.builder);
        let bytes = builder.bytes();
        let batch = &mut self.batch;
        let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        if root != stream.root || bytes != stream.bytes {
            return Err(SyncError::WrongManifest { oid: current.manifest.oid });
        }
        current.stream += 1;
        if let Some((base, walk, next)) = &mut current.base
            && let Some(stream) = base.streams.get(current.stream)
        {
            (*walk, *next) = (Walk::new(stream, 0), 0);
        }
        if current.stream == current.manifest.streams.len() {
            let manifest = self.current.take().expect("it was just there").manifest;
            let (id, bytes) = (manifest.id(), manifest.encode());
            self.batch.put(id, Kind::Manifest, &bytes)?;
            let proving = self.proving.back_mut().expect("begin pushed one");
            (proving.slot, proving.described) = (Some(self.done.len()), true);
            self.done.push((manifest, id, false));
        }
        Ok(())
    }

    /// Gives up the content under description; what was asked for on its behalf still comes.
    fn cancel(&mut self) -> Result<(), SyncError> {
        self.current.take().ok_or(SyncError::Protocol("a content that nobody began"))?;
        self.proving.pop_back();
        Ok(())
    }

    /// Takes chunks, in the order in which they were needed.
    pub fn chunks(&mut self, chunks: Vec<Vec<u8>>) -> Result<(), SyncError> {
        for chunk in chunks {
            let entry = self.awaited.pop_front().ok_or(SyncError::Protocol("a chunk that nobody needs"))?;
            if chunk.len() as u64 != entry.bytes || ChunkId::of(Kind::Data, &chunk) != entry.id {
                return Err(SyncError::WrongChunk { id: entry.id });
            }
            self.batch.put(entry.id, Kind::Data, &chunk)?;
            self.tally.chunks += 1;
            self.tally.chunk_bytes += entry.bytes;
            self.prove_chunk(&entry, &chunk)?;
        }
        if self.tally.chunk_bytes >= self.checkpoint_at {
            self.batch.checkpoint()?;
            self.checkpoint_at = self.tally.chunk_bytes + CHECKPOINT_BYTES;
        }
        Ok(())
    }

    /// Hashes an arriving chunk into the proof that waits for it, and what stands before it.
    fn prove_chunk(&mut self, entry: &Entry, chunk: &[u8]) -> Result<(), SyncError> {
        self.advance_proofs()?;
        if let Some(proving) = self.proving.front_mut()
            && proving.chunks.front() == Some(&(*entry, false))
        {
            proving.chunks.pop_front();
            proving.hasher.update(chunk);
        }
        self.advance_proofs()
    }

    /// Hashes chunks that are here, up to the first that has not arrived; ends proofs that are complete.
    fn advance_proofs(&mut self) -> Result<(), SyncError> {
        let mut buffer = Vec::new();
        while let Some(proving) = self.proving.front_mut() {
            if let Some((entry, true)) = proving.chunks.front() {
                match self.batch.read(&entry.id, &mut buffer) {
                    Ok(Some(Kind::Data)) if buffer.len() as u64 == entry.bytes => {}
                    // Asked for on behalf of an earlier content, and on its way.
                    Ok(None) if self.requested.contains(&entry.id) => break,
                    Err(error) => return Err(error.into()),
                    Ok(_) => return Err(SyncError::WrongManifest { oid: proving.oid }),
                }
                proving.hasher.update(&buffer);
                proving.chunks.pop_front();
            } else if proving.described && proving.chunks.is_empty() {
                let proving = self.proving.pop_front().expect("it was just there");
                let slot = proving.slot.expect("set when described");
                if proving.given_up {
                    continue;
                }
                if *proving.hasher.finalize().as_bytes() != proving.oid.0 {
                    return Err(SyncError::WrongManifest { oid: proving.oid });
                }
                self.done[slot].2 = true;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Checks the closure of every content, binds them and makes all durable. Returns how many contents
    /// were bound, and the ones that are only claimed.
    pub fn commit(mut self) -> Result<(u64, Vec<Binding>), SyncError> {
        if self.is_expecting() {
            return Err(SyncError::Protocol("a commit before everything came"));
        }
        let mut bindings = Vec::with_capacity(self.done.len());
        for (manifest, id, proved) in &self.done {
            let view = Pending { store: &*self.store, batch: Mutex::new(&mut *self.batch) };
            if let Some(id) = content::first_missing(&view, manifest)? {
                return Err(StoreError::Missing { id }.into());
            }
            let proof = if *proved { Proof::Proved } else { Proof::Claimed };
            bindings.push(Binding { oid: manifest.oid, manifest: *id, size: manifest.size, proof });
        }
        bindings.iter().for_each(|binding| self.batch.bind(*binding));
        self.batch.commit()?;
        let contents = bindings.len() as u64;
        bindings.retain(|binding| binding.proof == Proof::Claimed);
        Ok((contents, bindings))
    }

    /// Keeps what arrived of a broken stream, without binding anything.
    pub fn salvage(self) -> Result<(), StoreError> {
        self.batch.commit().map(drop)
    }
}

impl Proving {
    fn give_up(&mut self) {
        self.given_up = true;
        self.chunks.clear();
    }
}

/// The store as it will be once the batch is committed.
struct Pending<'a> {
    store: &'a dyn ChunkRead,
    batch: Mutex<&'a mut dyn Batch>,
}

impl ChunkRead for Pending<'_> {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).has(id)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).read(id, out)
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.visit(each)
    }
}
