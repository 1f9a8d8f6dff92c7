//! Describing contents and sending the chunks that the other side lacks.
//!
//! For each content the sender walks its manifest and offers the chunk list in order: against a base that
//! the receiver has, runs of unchanged chunks are two numbers (a splice), else each chunk is 36 bytes, which
//! is question and manifest in one, since both sides derive the Merkle nodes from the list. Needed chunks
//! follow in the order offered. Offers run ahead of the answers by at most [`OFFERS_AHEAD`] messages and
//! chunks to be sent by at most [`QUEUE_MAX`], so memory does not grow with the content.

use crate::machine::{SyncError, Tally};
use crate::message::{Message, OFFER_CHUNKS_MAX, OFFER_STEPS_MAX, Offer};
use dits_format::tree::Entry;
use dits_format::{ChunkId, Manifest, Oid};
use dits_store::content::{self, Walk};
use dits_store::{ChunkRead, StoreError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Offers sent and not answered.
pub const OFFERS_AHEAD: usize = 4;
/// Chunks waiting to be sent, above which no new offer is made.
const QUEUE_MAX: usize = 4 * OFFER_CHUNKS_MAX;
/// Contents described in one offer.
const OFFER_CONTENTS_MAX: usize = 1024;
/// Bytes of manifests after which an offer begins no further content: bounds its size, together with the
/// limits of chunks and steps. A manifest with a layout may have hundreds of kilobytes.
const OFFER_MANIFEST_BYTES_TARGET: usize = 512 << 10;
/// Bytes of chunks after which a message is sent off.
const CHUNKS_BYTES_TARGET: usize = 256 << 10;
/// Chunks of a base above which no splice is tried: 40 bytes of memory each, 80 GB of content.
const BASE_CHUNKS_MAX: usize = 1 << 20;

/// A content to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// The content, present in our store.
    pub oid: Oid,
    /// A manifest that the receiver has and that we have, of a similar content.
    pub base: Option<ChunkId>,
}

/// One sending side of a stream.
pub struct Sender {
    store: Arc<dyn ChunkRead>,
    queue: VecDeque<Outgoing>,
    current: Option<Describing>,
    offered: VecDeque<Vec<Entry>>,
    to_send: VecDeque<Entry>,
    tally: Tally,
}

/// A content whose description is under way.
struct Describing {
    manifest: Manifest,
    stream: usize,
    walk: Walk,
    base: Option<(Manifest, BaseChunks)>,
}

/// The chunk list of a base's stream, to find runs in.
#[derive(Default)]
struct BaseChunks {
    ids: Vec<ChunkId>,
    first_at: HashMap<ChunkId, usize>,
    cursor: usize,
}

impl Sender {
    /// Sends from `store`.
    pub fn new(store: Arc<dyn ChunkRead>) -> Sender {
        let (queue, offered, to_send) = Default::default();
        Sender { store, queue, current: None, offered, to_send, tally: Tally::default() }
    }

    /// Adds a content to be sent.
    pub fn enqueue(&mut self, outgoing: Outgoing) {
        self.queue.push_back(outgoing);
    }

    /// Everything enqueued was described, answered and sent.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.current.is_none() && self.offered.is_empty() && self.to_send.is_empty()
    }

    /// Counts of what was sent.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Takes the answer to the oldest open offer.
    pub fn need(&mut self, bits: &[bool]) -> Result<(), SyncError> {
        self.to_send.extend(needed(&mut self.offered, bits, &mut self.tally)?);
        Ok(())
    }

    /// The next message: offers first, as they are small and their answers take a round trip.
    pub fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        let more_to_offer = self.current.is_some() || !self.queue.is_empty();
        if more_to_offer && self.offered.len() < OFFERS_AHEAD && self.to_send.len() < QUEUE_MAX {
            return self.offer().map(Some);
        }
        if self.to_send.is_empty() { Ok(None) } else { self.chunks().map(Some) }
    }

    fn chunks(&mut self) -> Result<Message, SyncError> {
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNKS_BYTES_TARGET
            && let Some(entry) = self.to_send.pop_front()
        {
            let mut chunk = Vec::with_capacity(entry.bytes as usize);
            content::read_data(&*self.store, &entry, &mut chunk)?;
            bytes += chunk.len();
            chunks.push(chunk);
        }
        self.tally.chunks += chunks.len() as u64;
        self.tally.chunk_bytes += bytes as u64;
        Ok(Message::Chunks(chunks))
    }

    fn offer(&mut self) -> Result<Message, SyncError> {
        let (mut steps, mut new) = (Vec::new(), Vec::new());
        let (mut contents, mut manifest_bytes) = (0, 0);
        while !is_full(&steps, &new)
            && contents < OFFER_CONTENTS_MAX
            && manifest_bytes < OFFER_MANIFEST_BYTES_TARGET
        {
            if self.current.is_none() {
                let Some(outgoing) = self.queue.pop_front() else { break };
                manifest_bytes += self.begin(outgoing, &mut steps)?;
                contents += 1;
            }
            self.describe(&mut steps, &mut new)?;
        }
        self.offered.push_back(new);
        Ok(Message::Offer(steps))
    }

    /// Starts on the next content. Returns the bytes of its manifest.
    fn begin(&mut self, outgoing: Outgoing, steps: &mut Vec<Offer>) -> Result<usize, SyncError> {
        let oid = outgoing.oid;
        let known = content::find(&*self.store, &oid).map_err(|error| not_here(error, oid))?;
        let manifest = known.ok_or(SyncError::MissingContent { oid })?.manifest;
        let manifest_bytes = manifest.encode().len();
        let base = match outgoing.base {
            Some(id) => content::manifest(&*self.store, &id).ok().map(|base| (id, base)),
            None => None,
        };
        self.tally.contents += 1;
        self.tally.content_bytes += manifest.size;
        let walk = Walk::new(&manifest.streams[0], 0);
        let (base_id, base) = match base {
            Some((id, base)) => match BaseChunks::read(&*self.store, &base, 0) {
                Some(chunks) => (Some(id), Some((base, chunks))),
                None => (None, None),
            },
            None => (None, None),
        };
        steps.push(Offer::Content { manifest: manifest.clone(), base: base_id });
        self.current = Some(Describing { manifest, stream: 0, walk, base });
        Ok(manifest_bytes)
    }

    /// Goes on with the current content until it ends or the offer is full.
    fn describe(&mut self, steps: &mut Vec<Offer>, new: &mut Vec<Entry>) -> Result<(), SyncError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let oid = current.manifest.oid;
        while !is_full(steps, new) {
            let next = current.walk.next_chunk(&*self.store).map_err(|error| not_here(error, oid))?;
            let Some(piece) = next else {
                steps.push(Offer::EndStream);
                current.stream += 1;
                let Some(stream) = current.manifest.streams.get(current.stream) else {
                    self.current = None;
                    return Ok(());
                };
                current.walk = Walk::new(stream, 0);
                if let Some((base, chunks)) = &mut current.base {
                    *chunks = BaseChunks::read(&*self.store, base, current.stream).unwrap_or_default();
                }
                continue;
            };
            let kept = current.base.as_mut().and_then(|(_, chunks)| chunks.find(&piece.entry.id));
            match (kept, steps.last_mut()) {
                (Some(at), Some(Offer::Keep { start, count })) if *start + *count == at as u64 => *count += 1,
                (Some(at), _) => steps.push(Offer::Keep { start: at as u64, count: 1 }),
                (None, last) => {
                    new.push(piece.entry);
                    match last {
                        Some(Offer::New(entries)) => entries.push(piece.entry),
                        _ => steps.push(Offer::New(vec![piece.entry])),
                    }
                }
            }
        }
        Ok(())
    }
}

impl BaseChunks {
    /// `None` when the base is too long, or not whole here: then nothing is lost by not using it.
    fn read(store: &dyn ChunkRead, base: &Manifest, stream: usize) -> Option<BaseChunks> {
        let mut chunks = BaseChunks::default();
        let mut walk = Walk::new(base.streams.get(stream)?, 0);
        while let Some(piece) = walk.next_chunk(store).ok()? {
            if chunks.ids.len() == BASE_CHUNKS_MAX {
                return None;
            }
            chunks.first_at.entry(piece.entry.id).or_insert(chunks.ids.len());
            chunks.ids.push(piece.entry.id);
        }
        Some(chunks)
    }

    /// Number of a chunk `id` in the base, not before the last one found.
    fn find(&mut self, id: &ChunkId) -> Option<usize> {
        let next = (self.ids.get(self.cursor) == Some(id)).then_some(self.cursor);
        let at = next.or_else(|| self.first_at.get(id).copied().filter(|at| *at >= self.cursor))?;
        self.cursor = at + 1;
        Some(at)
    }
}

/// Whether an offer takes no further step.
fn is_full(steps: &[Offer], new: &[Entry]) -> bool {
    steps.len() >= OFFER_STEPS_MAX || new.len() >= OFFER_CHUNKS_MAX
}

/// The chunks that an answer to the oldest open offer asks for, counted.
pub(crate) fn needed(
    offered: &mut VecDeque<Vec<Entry>>,
    bits: &[bool],
    tally: &mut Tally,
) -> Result<Vec<Entry>, SyncError> {
    let mut entries = offered.pop_front().ok_or(SyncError::Protocol("an answer to no offer"))?;
    if entries.len() != bits.len() {
        return Err(SyncError::Protocol("an answer of the wrong length"));
    }
    let mut bits = bits.iter();
    entries.retain(|_| bits.next() == Some(&true));
    tally.chunks_needed += entries.len() as u64;
    tally.needed_bytes += entries.iter().map(|entry| entry.bytes).sum::<u64>();
    Ok(entries)
}

/// The error for a content that could not be described.
pub(crate) fn not_here(error: StoreError, oid: Oid) -> SyncError {
    if is_absence(&error) { SyncError::MissingContent { oid } } else { error.into() }
}

/// Whether a store error means that a content is simply not here.
pub(crate) fn is_absence(error: &StoreError) -> bool {
    matches!(error, StoreError::Missing { .. })
}
