//! Describing a content as steps of an offer: runs of a base, new chunks, ends of streams.
//!
//! One step at a time, so that a description can go on over many offers and be given up in between.

use crate::message::{DELTA_BASES_MAX, OFFER_CHUNKS_MAX, OFFER_STEPS_MAX, Offer};
use dits_format::tree::Entry;
use dits_format::{ChunkId, Manifest, Oid};
use dits_store::content::{self, Walk};
use dits_store::{ChunkRead, StoreError};
use std::collections::HashMap;

/// Chunks of a base above which no splice is tried: 88 bytes of memory each, 80 GB of content.
const BASE_CHUNKS_MAX: usize = 1 << 20;
/// How far ahead a chunk is looked for that the base has more than once: it says little about where we are, and what is
/// skipped cannot be kept any more.
const REPEATED_REACH: usize = 256;
/// A chunk that is not there again.
const NONE: u32 = u32::MAX;
/// Bytes by which what an edit has moved may be elsewhere in the base.
const SLACK_BYTES: u64 = 4 << 10;
/// Bytes of a base that are worth reading for one chunk.
const BASE_BYTES_TARGET: u64 = 512 << 10;
/// What a step with a splice takes on the wire, a new chunk, and a content beside its manifest.
const KEEP_BYTES: usize = 17;
const NEW_BYTES: usize = 36;
const CONTENT_BYTES: usize = 38;

/// An offer in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub steps: Vec<Offer>,
    /// The new chunks in it, in order.
    pub new: Vec<Entry>,
    /// The last of them, with the chunks of the base that are in its place, until somebody takes it.
    pub bases: Option<(ChunkId, Vec<ChunkId>)>,
    /// About how many bytes it takes, and how many of them are manifests.
    pub bytes: usize,
    pub manifest_bytes: usize,
}

impl Draft {
    /// Whether an offer takes no further step.
    pub fn is_full(&self) -> bool {
        self.steps.len() >= OFFER_STEPS_MAX || self.new.len() >= OFFER_CHUNKS_MAX
    }
}

/// A content whose description is under way.
pub(super) struct Describing {
    manifest: Manifest,
    stream: usize,
    walk: Walk,
    base: Option<(Manifest, BaseChunks)>,
}

/// The chunk list of a base's stream, to find runs in.
#[derive(Default)]
struct BaseChunks {
    ids: Vec<ChunkId>,
    /// How long they are.
    bytes: Vec<u32>,
    /// Where each id is first, as far as it matters; and where each chunk is once more, the last of several where it is
    /// itself, [`NONE`] when it is there once.
    first_at: HashMap<ChunkId, u32>,
    next_at: Vec<u32>,
    cursor: usize,
    /// Bytes of new chunks since the last one found; a chunk behind that one which is before their end, and where it
    /// begins, counted from there too.
    since: u64,
    near: (usize, u64),
}

impl Describing {
    /// Begins the description of `manifest`, against `base` if that is whole here.
    pub fn begin(
        store: &dyn ChunkRead,
        manifest: Manifest,
        base: Option<ChunkId>,
        draft: &mut Draft,
    ) -> Describing {
        let base = base.and_then(|id| {
            let base = content::manifest(store, &id).ok()?;
            let chunks = BaseChunks::read(store, &base, 0)?;
            Some((id, base, chunks))
        });
        let base_id = base.as_ref().map(|(id, ..)| *id);
        let base = base.map(|(_, base, chunks)| (base, chunks));
        let manifest_bytes = manifest.encode().len();
        draft.manifest_bytes += manifest_bytes;
        draft.bytes += CONTENT_BYTES + manifest_bytes;
        draft.steps.push(Offer::Content { manifest: manifest.clone(), base: base_id });
        let walk = Walk::new(&manifest.streams[0], 0);
        Describing { manifest, stream: 0, walk, base }
    }

    pub fn oid(&self) -> Oid {
        self.manifest.oid
    }

    pub fn has_base(&self) -> bool {
        self.base.is_some()
    }

    /// Adds the next chunk, or the end of a stream. Returns whether the content is complete.
    pub fn step(&mut self, store: &dyn ChunkRead, draft: &mut Draft) -> Result<bool, StoreError> {
        let Some(piece) = self.walk.next_chunk(store)? else {
            draft.steps.push(Offer::EndStream);
            draft.bytes += 1;
            self.stream += 1;
            let Some(stream) = self.manifest.streams.get(self.stream) else { return Ok(true) };
            self.walk = Walk::new(stream, 0);
            if let Some((base, chunks)) = &mut self.base {
                *chunks = BaseChunks::read(store, base, self.stream).unwrap_or_default();
            }
            return Ok(false);
        };
        let kept = self.base.as_mut().and_then(|(_, chunks)| chunks.find(&piece.entry.id));
        match (kept, draft.steps.last_mut()) {
            (Some(at), Some(Offer::Keep { start, count })) if *start + *count == at as u64 => *count += 1,
            (Some(at), _) => {
                draft.steps.push(Offer::Keep { start: at as u64, count: 1 });
                draft.bytes += KEEP_BYTES;
            }
            (None, last) => {
                let bases = self.base.as_mut().map(|(_, chunks)| chunks.in_place_of(piece.entry.bytes));
                draft.bases = bases.map(|bases| (piece.entry.id, bases));
                draft.new.push(piece.entry);
                draft.bytes += NEW_BYTES;
                match last {
                    Some(Offer::New(entries)) => entries.push(piece.entry),
                    _ => draft.steps.push(Offer::New(vec![piece.entry])),
                }
            }
        }
        Ok(false)
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
            chunks.ids.push(piece.entry.id);
            chunks.bytes.push(piece.entry.bytes as u32);
        }
        chunks.next_at = vec![NONE; chunks.ids.len()];
        for (at, id) in chunks.ids.iter().enumerate().rev() {
            if let Some(later) = chunks.first_at.insert(*id, at as u32) {
                chunks.next_at[at] = later;
                let of_later = &mut chunks.next_at[later as usize];
                *of_later = if *of_later == NONE { later } else { *of_later };
            }
        }
        Some(chunks)
    }

    /// Number of a chunk `id` in the base, not before the last one found.
    fn find(&mut self, id: &ChunkId) -> Option<usize> {
        let next = (self.ids.get(self.cursor) == Some(id)).then_some(self.cursor);
        let at = next.or_else(|| self.find_ahead(id))?;
        self.cursor = at + 1;
        (self.since, self.near) = (0, (self.cursor, 0));
        Some(at)
    }

    fn find_ahead(&mut self, id: &ChunkId) -> Option<usize> {
        let first = self.first_at.get_mut(id)?;
        // The cursor never goes back, so each chunk is passed over once.
        while (*first as usize) < self.cursor {
            match self.next_at[*first as usize] {
                NONE => return None,
                last if last == *first => return None,
                next => *first = next,
            }
        }
        let at = *first as usize;
        let is_alone = self.next_at[at] == NONE;
        (is_alone || at - self.cursor < REPEATED_REACH).then_some(at)
    }

    /// Chunks of the base that are where the next new chunk is, counted from the last one found.
    fn in_place_of(&mut self, bytes: u64) -> Vec<ChunkId> {
        let (start, end) = (self.since, self.since + bytes);
        self.since = end;
        let (mut at, mut begins) = self.near;
        let (mut ids, mut all) = (Vec::new(), 0);
        while let Some(len) = self.bytes.get(at).map(|len| u64::from(*len)) {
            let is_before = begins + len + SLACK_BYTES <= start;
            all += if is_before { 0 } else { len };
            if begins >= end + SLACK_BYTES || ids.len() == DELTA_BASES_MAX || all > BASE_BYTES_TARGET {
                break;
            }
            match is_before {
                true => self.near = (at + 1, begins + len),
                false => ids.push(self.ids[at]),
            }
            (at, begins) = (at + 1, begins + len);
        }
        ids
    }
}
