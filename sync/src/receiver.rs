//! Taking in contents: answering offers, checking what arrives, proving, binding.
//!
//! Every chunk is decoded and hashed on arrival and must be the one asked for, is asked for once more if not, and is kept in
//! the form in which it came, or as it is added here where it came as a delta (`deltas`); only up to [`EARLY_BYTES_MAX`] may come unasked. The
//! chunk lists of an offer are built into Merkle trees here, and must end at the roots the manifest names. Nothing is
//! bound before [`Receiver::commit`] has walked each manifest again and found every chunk, exactly, in the store or in
//! this batch; bindings are in the last bytes that become durable. What that walk misses is asked for once more
//! ([`crate::message::Message::Lack`]); so a hint that was wrong, a chunk that went away meanwhile or a damaged pack costs a round trip.
//!
//! Contents are *proved* by hashing while chunks stream by (`proofs`), else they stay *claimed* and the store's
//! owner proves them later. Each [`CHECKPOINT_BYTES`] that arrived outlive this process, and when a stream breaks,
//! [`Receiver::salvage`] keeps all that came, unbound: the next try does not send it again.
//!
//! Memory does not grow with the bytes that arrive: 88 bytes a chunk that was asked for and has not come
//! ([`AWAITED_MAX`]), 80 a content ([`CONTENTS_PER_STREAM_MAX`]), and what `proofs` says; besides, what the batch
//! holds: its bindings, 72 bytes each, and the index of the pack that is open.

mod closure;
mod deltas;
mod offers;
mod proofs;

use crate::machine::{SyncError, Tally};
use crate::message::LACK_MAX;
use closure::{Awaited, Lacking, Pending};
use dits_format::tree::Entry;
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use dits_store::{Batch, ChunkRead, ChunkWrite, Encoded, Encoder, Follow, StoreError};
use offers::Current;
pub use proofs::PROOF_READ_BYTES_MAX;
use proofs::Proofs;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

/// Bytes of chunks that may come in one stream before anybody asked for them.
pub const EARLY_BYTES_MAX: u64 = 4 << 20;
/// Bytes of arrived chunks that a kill of this process may lose.
pub const CHECKPOINT_BYTES: u64 = 4 << 20;
/// Contents described in one stream.
pub const CONTENTS_PER_STREAM_MAX: usize = 1 << 20;
/// Times that missing chunks are asked for in one stream, [`LACK_MAX`] of them at most each time.
pub const LACK_ROUNDS_MAX: usize = 16;
/// Chunks that may come wrong in one stream, each once.
const WRONG_MAX: usize = 1024;
/// Chunks asked for and not here yet. A sender of ours stays far below.
const AWAITED_MAX: usize = 1 << 16;
/// Chunks that may come as deltas in one stream. One of another base is no fault, and is asked for whole.
pub const DELTAS_PER_STREAM_MAX: usize = 4096;
/// Contents that are remembered as had, so that their description is passed over. A further one is bound again, which
/// changes nothing.
const HAD_MAX: usize = 1 << 16;

/// Takes a chunk that is damaged out of the store, so that it can come anew.
pub type Mender = Arc<dyn Fn(ChunkId) -> Result<(), StoreError> + Send + Sync>;

/// One receiving side of a stream.
pub struct Receiver {
    store: Arc<dyn ChunkRead>,
    batch: Box<dyn Batch>,
    mender: Option<Mender>,
    current: Current,
    done: Vec<Described>,
    /// Contents that the peer knows we have: not to be bound again.
    had: HashSet<Oid>,
    /// Contents whose base is not here, until the peer is told.
    again: Vec<Oid>,
    awaited: VecDeque<Awaited>,
    /// The same, to look one up: none is asked for twice.
    on_their_way: HashSet<ChunkId>,
    proofs: Proofs,
    /// Damaged chunks that were met, and those that were taken away for it.
    corrupt: HashSet<ChunkId>,
    mended: HashSet<ChunkId>,
    /// Chunks that came wrong once, and those of them that have not come right yet.
    wrong: HashSet<ChunkId>,
    wrong_open: HashSet<ChunkId>,
    deltas: usize,
    /// Compresses what comes as deltas.
    encoder: Option<Encoder>,
    early_bytes: u64,
    unsaved_bytes: u64,
    /// For the plain bytes of a chunk.
    scratch: Vec<u8>,
    /// Whether an early commit cannot count any more: something was asked for.
    asked: bool,
    early_commit: bool,
    lack_rounds: usize,
    tally: Tally,
}

/// A content whose description is complete.
struct Described {
    oid: Oid,
    size: u64,
    manifest: ChunkId,
    proved: bool,
}

/// What a commit came to.
pub enum Committed {
    /// All is durable, and this is bound.
    Bound(Vec<Binding>),
    /// These chunks are missing and must come, in this order; then commit again.
    Lacking(Box<Receiver>, Vec<ChunkId>),
}

impl Receiver {
    /// Receives into `store`. `prove` = false leaves all contents claimed.
    pub fn new(store: &(impl ChunkWrite + Clone + 'static), prove: bool) -> Result<Receiver, StoreError> {
        Ok(Receiver {
            batch: store.batch()?,
            store: Arc::new(store.clone()),
            mender: None,
            current: Current::None,
            done: Vec::new(),
            had: HashSet::new(),
            again: Vec::new(),
            awaited: VecDeque::new(),
            on_their_way: HashSet::new(),
            proofs: Proofs::new(prove),
            corrupt: HashSet::new(),
            mended: HashSet::new(),
            wrong: HashSet::new(),
            wrong_open: HashSet::new(),
            deltas: 0,
            encoder: None,
            early_bytes: 0,
            unsaved_bytes: 0,
            scratch: Vec::new(),
            asked: false,
            early_commit: false,
            lack_rounds: 0,
            tally: Tally::default(),
        })
    }

    /// Lets damaged chunks that are met be taken away, so that the peer can send them anew.
    pub fn set_mender(&mut self, mender: Mender) {
        self.mender = Some(mender);
    }

    /// Tells contents to `follower` as they come, in the place of proving them.
    pub fn follow(&mut self, follower: Arc<dyn Follow>) {
        self.proofs.follow(follower);
    }

    /// Counts of what came in.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The peer was told that this content is here.
    pub fn is_had(&mut self, oid: Oid) {
        if self.had.len() < HAD_MAX {
            self.had.insert(oid);
        }
    }

    /// Whether needed chunks, or the rest of a description, are still to come.
    pub fn is_expecting(&self) -> bool {
        !matches!(self.current, Current::None) || !self.awaited.is_empty()
    }

    /// Takes chunks that nobody asked for yet.
    pub fn early(&mut self, chunks: Vec<Encoded>) -> Result<(), SyncError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        for chunk in chunks {
            self.count_early(chunk.plain_bytes)?;
            // Damaged at the sender, say: it is asked for in its turn.
            let Ok(plain) = chunk.plain(&mut scratch) else { continue };
            let id = ChunkId::of(Kind::Data, plain);
            self.keep_chunk(id, Kind::Data, &chunk, chunk.bytes.len())?;
        }
        self.scratch = scratch;
        Ok(())
    }

    fn count_early(&mut self, plain_bytes: u32) -> Result<(), SyncError> {
        let bytes = u64::from(plain_bytes);
        self.early_bytes += bytes;
        if bytes == 0 || self.early_bytes > EARLY_BYTES_MAX || self.lack_rounds > 0 {
            return Err(SyncError::Protocol("more than may come unasked"));
        }
        self.tally.chunks_needed += 1;
        self.tally.needed_bytes += bytes;
        Ok(())
    }

    /// Takes chunks, in the order in which they were needed. Gives those that must come once more: what came was not
    /// them.
    pub fn chunks(&mut self, chunks: Vec<Encoded>) -> Result<Vec<ChunkId>, SyncError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut wrong = Vec::new();
        for chunk in chunks {
            let awaited = self.next_awaited(chunk.plain_bytes)?;
            let Awaited { id, kind, .. } = awaited;
            match chunk.plain(&mut scratch).ok().filter(|plain| ChunkId::of(kind, plain) == id) {
                Some(plain) => self.arrived(&awaited, &chunk, plain, chunk.bytes.len())?,
                // The sender does not check what it reads: a second time it does.
                None if self.wrong.len() < WRONG_MAX && self.wrong.insert(id) => {
                    wrong.push(self.once_more(awaited));
                }
                None => return Err(SyncError::WrongChunk { id }),
            }
        }
        self.scratch = scratch;
        Ok(wrong)
    }

    /// What the next chunk must be, which says that it is `plain_bytes` long.
    fn next_awaited(&mut self, plain_bytes: u32) -> Result<Awaited, SyncError> {
        let awaited = self.awaited.pop_front().ok_or(SyncError::Protocol("a chunk that nobody needs"))?;
        match awaited.bytes {
            Some(bytes) if bytes != u64::from(plain_bytes) => Err(SyncError::WrongChunk { id: awaited.id }),
            _ => Ok(awaited),
        }
    }

    /// What came was not this chunk: it is awaited again.
    fn once_more(&mut self, awaited: Awaited) -> ChunkId {
        self.awaited.push_back(awaited);
        self.wrong_open.insert(awaited.id);
        awaited.id
    }

    /// This chunk came, as `travelled` bytes.
    fn arrived(
        &mut self,
        awaited: &Awaited,
        chunk: &Encoded,
        plain: &[u8],
        travelled: usize,
    ) -> Result<(), SyncError> {
        let Awaited { id, kind, .. } = *awaited;
        self.on_their_way.remove(&id);
        self.wrong_open.remove(&id);
        self.keep_chunk(id, kind, chunk, travelled)?;
        self.advance_proofs()?;
        self.proofs.arrived(&Entry { id, bytes: plain.len() as u64 }, plain);
        self.advance_proofs()
    }

    /// Keeps a chunk, which came as `travelled` bytes, in this form. It was decoded and is that of the id.
    fn keep_chunk(
        &mut self,
        id: ChunkId,
        kind: Kind,
        chunk: &Encoded,
        travelled: usize,
    ) -> Result<(), SyncError> {
        self.batch.put_encoded(id, kind, chunk)?;
        self.tally.chunks += 1;
        self.tally.chunk_bytes += u64::from(chunk.plain_bytes);
        self.tally.stored_bytes += travelled as u64;
        self.unsaved_bytes += chunk.bytes.len() as u64;
        if self.unsaved_bytes >= CHECKPOINT_BYTES {
            self.unsaved_bytes = 0;
            self.batch.checkpoint()?;
        }
        Ok(())
    }

    fn advance_proofs(&mut self) -> Result<(), SyncError> {
        let found = self.proofs.advance(&mut *self.batch, &self.on_their_way)?;
        found.proved.into_iter().for_each(|slot| self.done[slot].proved = true);
        self.corrupt.extend(found.corrupt);
        Ok(())
    }

    /// Whether the peer's commit counts: it crossed no question for a chunk that came wrong.
    pub fn commit_counts(&self) -> bool {
        self.wrong_open.is_empty()
    }

    /// Whether the commit that the peer sent ahead counts: nothing had to be asked for.
    pub fn early_commit_counts(&mut self) -> Result<bool, SyncError> {
        if std::mem::replace(&mut self.early_commit, true) {
            return Err(SyncError::Protocol("a second early commit"));
        }
        Ok(!self.asked)
    }

    /// Checks the closure of every content, binds them and makes all durable; or says what is missing.
    pub fn commit(mut self) -> Result<Committed, SyncError> {
        if self.is_expecting() {
            return Err(SyncError::Protocol("a commit before everything came"));
        }
        let lacking = self.lacking()?;
        if !lacking.is_empty() {
            self.lack_rounds += 1;
            if self.lack_rounds > LACK_ROUNDS_MAX {
                return Err(StoreError::Missing { id: lacking[0].id }.into());
            }
            let ids: Vec<ChunkId> = lacking.iter().map(|awaited| awaited.id).collect();
            self.tally.chunks_needed += ids.len() as u64;
            self.tally.needed_bytes += lacking.iter().filter_map(|awaited| awaited.bytes).sum::<u64>();
            self.on_their_way.extend(&ids);
            self.awaited.extend(lacking);
            return Ok(Committed::Lacking(Box::new(self), ids));
        }
        let proof = |proved| if proved { Proof::Proved } else { Proof::Claimed };
        let binding = |described: Described| {
            let Described { oid, size, manifest, proved } = described;
            Binding { oid, manifest, size, proof: proof(proved) }
        };
        let bindings: Vec<Binding> = self.done.into_iter().map(binding).collect();
        bindings.iter().for_each(|binding| self.batch.bind(*binding));
        self.batch.commit()?;
        Ok(Committed::Bound(bindings))
    }

    /// What is not here of what would be bound. Damaged chunks are taken away first, if that is allowed: those that
    /// are needed are missing then.
    fn lacking(&mut self) -> Result<Vec<Awaited>, SyncError> {
        loop {
            for id in std::mem::take(&mut self.corrupt) {
                self.mend(id)?;
            }
            let mut lacking = Lacking::new(LACK_MAX);
            let view = Pending { store: &*self.store, batch: Mutex::new(&mut *self.batch) };
            for described in &self.done {
                lacking.look(&view, &described.manifest)?;
                if lacking.is_full() {
                    break;
                }
            }
            if lacking.corrupt.is_empty() {
                return Ok(lacking.chunks);
            }
            self.corrupt.extend(lacking.corrupt);
        }
    }

    /// Takes a damaged chunk away. What is known to be damaged is never acknowledged.
    fn mend(&mut self, id: ChunkId) -> Result<(), SyncError> {
        match &self.mender {
            Some(mender) if self.mended.insert(id) => mender(id)?,
            _ => return Err(StoreError::Corrupt { id, why: "as read by a push".into() }.into()),
        }
        Ok(self.batch.read(&id, &mut Vec::new()).map(drop)?)
    }

    /// Keeps what arrived of a broken stream, without binding anything.
    pub fn salvage(self) -> Result<(), StoreError> {
        self.batch.commit().map(drop)
    }
}
