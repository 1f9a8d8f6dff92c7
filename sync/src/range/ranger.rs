//! The client's end of a question for parts of contents.
//!
//! It walks the same way as the server and takes nothing but the very next node or chunk of it.

use super::{Land, RANGES_MAX, Route};
use crate::descent::Step;
use crate::machine::{Machine, SILENCE_MAX, SyncError, Tally};
use crate::message::Message;
use crate::wishes::Wishes;
use bytes::Bytes;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::{Encoded, StoreError};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// A part of a content that is wanted.
#[derive(Debug, Clone)]
pub struct RangeItem {
    /// The content.
    pub oid: Oid,
    /// Its bytes that are wanted.
    pub range: Range<u64>,
    /// Its manifest, if that and the nodes to these bytes are here.
    pub manifest: Option<Manifest>,
}

/// Fetches parts of contents.
pub struct Ranger<L> {
    land: L,
    unasked: VecDeque<RangeItem>,
    asked: VecDeque<RangeItem>,
    /// The range whose answer is coming.
    coming: Option<Coming>,
    manifests: Vec<(Oid, Manifest)>,
    wishes: Wishes,
    tally: Tally,
    silence_max: Duration,
}

enum Coming {
    /// The manifest is the first of the nodes.
    Manifest(RangeItem),
    /// The nodes are coming, as far as this way leads; once more from its beginning for the chunks.
    Nodes {
        way: Route,
        again: Route,
        next: Step,
    },
    Chunks {
        way: Route,
        next: dits_format::tree::Entry,
    },
}

impl<L: Land> Ranger<L> {
    /// Fetches `items`, at most [`RANGES_MAX`]; what comes goes to `land`.
    pub fn new(land: L, items: Vec<RangeItem>) -> Ranger<L> {
        debug_assert!(items.len() <= RANGES_MAX, "the server refuses more");
        Ranger {
            land,
            unasked: items.into(),
            asked: VecDeque::new(),
            coming: None,
            manifests: Vec::new(),
            wishes: Wishes::default(),
            tally: Tally::default(),
            silence_max: SILENCE_MAX,
        }
    }

    /// The same for somebody who waits no longer than `silence_max` for a silent server.
    #[must_use]
    pub fn impatient(self, silence_max: Duration) -> Ranger<L> {
        Ranger { silence_max, ..self }
    }

    /// Contents that the server does not have.
    pub fn absent(&self) -> &[Oid] {
        self.wishes.absent()
    }

    /// The manifests that came. That they are those of their oids is what the server says.
    pub fn manifests(&self) -> &[(Oid, Manifest)] {
        &self.manifests
    }

    /// Where it went.
    pub fn into_land(self) -> L {
        self.land
    }

    fn absent_one(&mut self, oids: Vec<Oid>) -> Result<(), SyncError> {
        match self.asked.front() {
            Some(item) if self.coming.is_none() && oids == [item.oid] => {
                self.asked.pop_front();
                self.wishes.note_absent(oids);
                Ok(())
            }
            _ => Err(SyncError::Protocol("a message out of place")),
        }
    }

    fn nodes(&mut self, nodes: Vec<Bytes>) -> Result<(), SyncError> {
        let out_of_place = || SyncError::Protocol("a message out of place");
        let is_first = self.coming.is_none();
        let item = if is_first { Some(self.asked.pop_front().ok_or_else(out_of_place)?) } else { None };
        // Only who has all nodes gets a message without any.
        match (item, nodes.is_empty()) {
            (Some(RangeItem { manifest: Some(manifest), range, .. }), true) => {
                self.coming = self.chunks_of(Route::new(&manifest, &range)?)?;
            }
            (Some(item @ RangeItem { manifest: None, .. }), false) => {
                self.coming = Some(Coming::Manifest(item));
            }
            (None, false) => {}
            _ => return Err(out_of_place()),
        }
        nodes.into_iter().try_for_each(|bytes| self.node(bytes))
    }

    fn node(&mut self, bytes: Bytes) -> Result<(), SyncError> {
        self.coming = match self.coming.take() {
            Some(Coming::Manifest(item)) => {
                let manifest = Manifest::decode(&bytes)?;
                if manifest.oid != item.oid {
                    return Err(SyncError::WrongManifest { oid: item.oid });
                }
                self.land.tree(ChunkId::of(Kind::Manifest, &bytes), Kind::Manifest, &bytes)?;
                let route = || Route::new(&manifest, &item.range);
                let (way, again) = (route()?, route()?);
                self.manifests.push((item.oid, manifest.clone()));
                self.next_node(way, again)?
            }
            Some(Coming::Nodes { mut way, again, next: Step::Node(entry, level) }) => {
                if ChunkId::of(Kind::Node, &bytes) != entry.id {
                    return Err(SyncError::WrongChunk { id: entry.id });
                }
                self.land.tree(entry.id, Kind::Node, &bytes)?;
                way.current().open(entry, level, &bytes)?;
                self.next_node(way, again)?
            }
            _ => return Err(SyncError::Protocol("a node that nobody needs")),
        };
        Ok(())
    }

    /// Waits for the next node of `way`; behind the last for the chunks.
    fn next_node(&mut self, mut way: Route, again: Route) -> Result<Option<Coming>, SyncError> {
        loop {
            match way.next() {
                Some(Step::Chunk(_)) => {}
                Some(next @ Step::Node(..)) => return Ok(Some(Coming::Nodes { way, again, next })),
                None => return self.chunks_of(again),
            }
        }
    }

    /// Waits for the next chunk of `way`, whose nodes are here; `None` behind the last.
    fn chunks_of(&mut self, mut way: Route) -> Result<Option<Coming>, SyncError> {
        let mut bytes = Vec::new();
        loop {
            match way.next() {
                None => return Ok(None),
                Some(Step::Chunk(next)) => return Ok(Some(Coming::Chunks { way, next })),
                Some(Step::Node(entry, level)) => {
                    if self.land.read(&entry.id, &mut bytes)? != Some(Kind::Node) {
                        return Err(StoreError::Missing { id: entry.id }.into());
                    }
                    way.current().open(entry, level, &bytes)?;
                }
            }
        }
    }

    fn chunks(&mut self, chunks: Vec<Encoded>) -> Result<(), SyncError> {
        for encoded in chunks {
            let Some(Coming::Chunks { way, next }) = self.coming.take() else {
                return Err(SyncError::Protocol("a chunk that nobody needs"));
            };
            let chunk = Some(&encoded).filter(|encoded| u64::from(encoded.plain_bytes) == next.bytes);
            let chunk = chunk.and_then(|encoded| encoded.decode().ok());
            let chunk = chunk.filter(|chunk| ChunkId::of(Kind::Data, chunk) == next.id);
            let chunk = chunk.ok_or(SyncError::WrongChunk { id: next.id })?;
            self.tally.chunks += 1;
            self.tally.chunk_bytes += next.bytes;
            self.tally.stored_bytes += encoded.bytes.len() as u64;
            if !self.land.chunk(way.part_of(&next), &chunk)? {
                return Err(SyncError::Stopped);
            }
            self.coming = self.chunks_of(way)?;
        }
        Ok(())
    }
}

impl<L: Land> Machine for Ranger<L> {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Absent(oids) => self.absent_one(oids),
            Message::Nodes(nodes) => self.nodes(nodes),
            Message::Chunks(chunks) => self.chunks(chunks),
            Message::Commit | Message::EarlyCommit if self.coming.is_some() || !self.asked.is_empty() => {
                Err(SyncError::Protocol("a message out of place"))
            }
            other => self.wishes.receive(other),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if let Some(item) = self.unasked.pop_front() {
            let (oid, Range { start, end }, tree) = (item.oid, item.range.clone(), item.manifest.is_none());
            self.asked.push_back(item);
            return Ok(Some(Message::Range { oid, start, end, tree }));
        }
        Ok(self.wishes.poll())
    }

    fn is_done(&self) -> bool {
        self.wishes.is_done()
    }

    fn tally(&self) -> Tally {
        self.tally
    }

    fn silence_max(&self) -> Duration {
        self.silence_max
    }

    /// The server learns nothing from it.
    fn needs_last_word(&self) -> bool {
        false
    }
}
