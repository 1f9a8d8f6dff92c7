//! Taking descriptions: the chunk list of each content becomes a tree here, and each new chunk a question answered.
//!
//! A content that is had already, or whose base is not here or damaged, is passed over to its end: its chunks are
//! not asked for, and in the latter case it is to be described [again](Message::Again), without a base. That is said
//! before the answer to the offer in which it was noticed, so that who has all answers knows.

use super::closure::Awaited;
use super::{AWAITED_MAX, CONTENTS_PER_STREAM_MAX, Described, Receiver};
use crate::machine::SyncError;
use crate::message::{CONTENTS_MAX, Message, Offer};
use dits_format::limits::{CHUNK_BYTES_MAX, CONTENT_BYTES_MAX};
use dits_format::tree::{Builder, Entry};
use dits_format::{ChunkId, Kind, Manifest};
use dits_store::StoreError;
use dits_store::content::{self, Walk};

/// The content whose description is arriving.
pub(super) enum Current {
    None,
    Taking(Box<Incoming>),
    /// One that is had already, or cannot be described like this: so many streams of it are left.
    PassingOver(usize),
}

pub(super) struct Incoming {
    manifest: Manifest,
    stream: usize,
    builder: Builder,
    base: Option<(Manifest, Walk, u64)>,
}

impl Receiver {
    /// Takes an offer and answers: what has to be described again, then one bit for each new chunk.
    pub fn offer(&mut self, steps: Vec<Offer>) -> Result<Vec<Message>, SyncError> {
        if self.lack_rounds > 0 {
            return Err(SyncError::Protocol("a description after the commit"));
        }
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
        self.asked |= need.contains(&true) || !self.again.is_empty();
        let again = std::mem::take(&mut self.again);
        let mut answers: Vec<Message> =
            again.chunks(CONTENTS_MAX).map(|oids| Message::Again(oids.to_vec())).collect();
        answers.push(Message::Need(need));
        Ok(answers)
    }

    fn begin(&mut self, manifest: Manifest, base: Option<ChunkId>) -> Result<(), SyncError> {
        if !matches!(self.current, Current::None) {
            return Err(SyncError::Protocol("a content inside another"));
        }
        if self.done.len() >= CONTENTS_PER_STREAM_MAX {
            return Err(SyncError::Protocol("too many contents in one stream"));
        }
        if self.had.contains(&manifest.oid) {
            self.current = Current::PassingOver(manifest.streams.len());
            return Ok(());
        }
        let base = match base.map(|id| content::manifest(&*self.store, &id)) {
            None => None,
            Some(Ok(base)) => {
                let walk = Walk::new(&base.streams[0], 0);
                Some((base, walk, 0))
            }
            Some(Err(error @ StoreError::Io { .. })) => return Err(error.into()),
            Some(Err(_)) => {
                self.again.push(manifest.oid);
                self.current = Current::PassingOver(manifest.streams.len());
                return Ok(());
            }
        };
        self.tally.contents += 1;
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(manifest.size);
        self.proofs.begin(&manifest);
        let incoming = Incoming { manifest, stream: 0, builder: Builder::new(), base };
        self.current = Current::Taking(Box::new(incoming));
        Ok(())
    }

    fn keep(&mut self, start: u64, count: u64) -> Result<(), SyncError> {
        let mut left = count;
        if count == 0 {
            return Err(SyncError::Protocol("an empty splice"));
        }
        while left > 0 {
            let current = match &mut self.current {
                Current::None => return Err(SyncError::Protocol("chunks of no content")),
                Current::PassingOver(_) => return Ok(()),
                Current::Taking(current) => current,
            };
            let (_, walk, next) =
                current.base.as_mut().ok_or(SyncError::Protocol("a splice without base"))?;
            if start + (count - left) < *next {
                return Err(SyncError::Protocol("a splice that goes back"));
            }
            let piece = match walk.next_chunk(&*self.store) {
                Ok(piece) => piece.ok_or(SyncError::Protocol("a splice past its base"))?,
                Err(error @ StoreError::Io { .. }) => return Err(error.into()),
                Err(_) => return self.describe_again(),
            };
            *next += 1;
            if *next > start + (count - left) {
                left -= 1;
                self.push(piece.entry, true)?;
            }
        }
        Ok(())
    }

    /// The base of the content under description is damaged: without it, then.
    fn describe_again(&mut self) -> Result<(), SyncError> {
        if let Current::Taking(current) = std::mem::replace(&mut self.current, Current::None) {
            self.proofs.cancel();
            self.tally.contents -= 1;
            self.tally.content_bytes -= current.manifest.size;
            self.again.push(current.manifest.oid);
            self.current = Current::PassingOver(current.manifest.streams.len() - current.stream);
        }
        Ok(())
    }

    fn new_chunk(&mut self, entry: Entry) -> Result<bool, SyncError> {
        if entry.bytes == 0 || entry.bytes > CHUNK_BYTES_MAX as u64 || self.awaited.len() >= AWAITED_MAX {
            return Err(SyncError::Protocol("a chunk out of bounds"));
        }
        if matches!(self.current, Current::PassingOver(_)) {
            return Ok(false);
        }
        let need = !self.on_their_way.contains(&entry.id) && !self.batch.admits(&entry.id)?;
        if need {
            self.on_their_way.insert(entry.id);
            self.awaited.push_back(Awaited { id: entry.id, kind: Kind::Data, bytes: Some(entry.bytes) });
            self.tally.chunks_needed += 1;
            self.tally.needed_bytes += entry.bytes;
        }
        self.push(entry, !need)?;
        Ok(need)
    }

    /// Appends a chunk to the tree of the current stream and to the proof.
    fn push(&mut self, entry: Entry, read_back: bool) -> Result<(), SyncError> {
        let Current::Taking(current) = &mut self.current else {
            return Err(SyncError::Protocol("chunks of no content"));
        };
        if current.builder.bytes() + entry.bytes > CONTENT_BYTES_MAX {
            return Err(SyncError::WrongManifest { oid: current.manifest.oid });
        }
        let batch = &mut self.batch;
        current.builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        self.proofs.push(entry, read_back);
        Ok(())
    }

    fn end_stream(&mut self) -> Result<(), SyncError> {
        let current = match &mut self.current {
            Current::None => return Err(SyncError::Protocol("the end of no stream")),
            Current::PassingOver(1) => {
                self.current = Current::None;
                return Ok(());
            }
            Current::PassingOver(left) => {
                *left -= 1;
                return Ok(());
            }
            Current::Taking(current) => current,
        };
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
            let manifest = &current.manifest;
            let (oid, size, id) = (manifest.oid, manifest.size, manifest.id());
            self.batch.put(id, Kind::Manifest, &manifest.encode())?;
            self.current = Current::None;
            self.proofs.end(self.done.len());
            self.done.push(Described { oid, size, manifest: id, proved: false });
        }
        Ok(())
    }

    /// Gives up the content under description; what was asked for on its behalf still comes.
    fn cancel(&mut self) -> Result<(), SyncError> {
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None => return Err(SyncError::Protocol("a content that nobody began")),
            Current::PassingOver(_) => {}
            Current::Taking(current) => {
                self.proofs.cancel();
                self.tally.contents -= 1;
                self.tally.content_bytes -= current.manifest.size;
            }
        }
        Ok(())
    }
}
