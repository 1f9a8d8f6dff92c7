//! A part of a content: [`Ranges`] answers at the server, [`Ranger`] asks at the client.
//!
//! `Range` names bytes of a content. The answer is `Nodes` (the manifest, then each node on the way to these bytes before
//! what is below it; empty if the asker has them), then `Chunks`: the whole chunks that cover the range, in order. So the
//! first byte is there after one round trip. The ranger holds every node against the one above it and every
//! chunk against the node, hands it to its [`Land`] at once, and cannot tell whether the manifest is that of
//! the oid: only who has all bytes can.
//!
//! Answers come one range after the other and nothing in between. Nothing is held but the way down to the next chunk,
//! and at most [`RANGES_MAX`] questions.

use crate::descent::{Descent, Step, read, read_verified};
use crate::machine::SyncError;
use crate::message::Message;
use crate::sender::weight;
use bytes::Bytes;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::{ChunkRead, Encoded, StoreError, content};
use std::collections::VecDeque;
use std::ops::Range;

mod land;
mod ranger;
pub use land::{InStore, Land, Part};
pub use ranger::{RangeItem, Ranger};

/// Ranges of one stream that wait for their turn.
pub const RANGES_MAX: usize = 64;
/// Bytes after which a message is sent off.
const BYTES_TARGET: usize = 256 << 10;

/// The way to the chunks that cover a range of a content, through one stream after the other.
#[derive(Debug)]
struct Route {
    parts: VecDeque<Run>,
}

/// The part of a route that lies in one extent.
#[derive(Debug)]
struct Run {
    way: Descent,
    /// Of the whole extent: where it begins in the content, and where it lies in its stream.
    start: u64,
    within: Range<u64>,
}

impl Route {
    /// # Errors
    /// When the range is empty or leaves the content.
    fn new(manifest: &Manifest, range: &Range<u64>) -> Result<Route, SyncError> {
        if range.start >= range.end || range.end > manifest.size {
            return Err(SyncError::Protocol("a range out of bounds"));
        }
        let (mut parts, mut at) = (VecDeque::new(), 0);
        for extent in manifest.extents() {
            let (from, to) = (range.start.max(at), range.end.min(at + extent.bytes));
            if from < to {
                let within = extent.offset + (from - at)..extent.offset + (to - at);
                let way = Descent::new(&manifest.streams[extent.stream as usize], within);
                let within = extent.offset..extent.offset + extent.bytes;
                parts.push_back(Run { way, start: at, within });
            }
            at += extent.bytes;
        }
        Ok(Route { parts })
    }

    fn next(&mut self) -> Option<Step> {
        loop {
            match self.parts.front_mut()?.way.next() {
                Some(step) => return Some(step),
                None => drop(self.parts.pop_front()),
            }
        }
    }

    fn current(&mut self) -> &mut Descent {
        &mut self.parts.front_mut().expect("it gave the last step").way
    }

    /// What the chunk that [`Route::next`] gave last is of the content.
    fn part_of(&self, chunk: &Entry) -> Part {
        let Run { way, start, within } = self.parts.front().expect("it gave the last step");
        let end = way.passed();
        let begin = end - chunk.bytes;
        let (from, to) = (begin.max(within.start), end.min(within.end));
        let (skip, bytes) = ((from - begin) as u32, (to - from) as u32);
        Part { id: chunk.id, start: start + (from - within.start), skip, bytes }
    }
}

/// The ranges that a client asked for, and how far the answer is.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    waiting: VecDeque<Waiting>,
    giving: Option<Giving>,
}

#[derive(Debug)]
enum Waiting {
    Absent(Oid),
    Range { manifest: ChunkId, range: Range<u64>, tree: bool },
}

#[derive(Debug)]
struct Giving {
    /// What is left of the way, on which only nodes are sent; then once more, for the chunks.
    nodes: Option<Route>,
    chunks: Route,
}

impl Ranges {
    /// Takes a question. Only the part that is asked for must be here: to look for all of a large content would take longer
    /// than to answer.
    pub fn add(
        &mut self,
        store: &dyn ChunkRead,
        oid: &Oid,
        range: Range<u64>,
        tree: bool,
    ) -> Result<(), SyncError> {
        let known = match content::find(store, oid) {
            Err(error @ StoreError::Io { .. }) => return Err(error.into()),
            // What is damaged cannot be had here.
            known => known.unwrap_or(None),
        };
        let Some(known) = known else { return self.wait(Waiting::Absent(*oid)) };
        self.wait(match is_here(store, Route::new(&known.manifest, &range)?)? {
            true => Waiting::Range { manifest: known.binding.manifest, range, tree },
            false => Waiting::Absent(*oid),
        })
    }

    fn wait(&mut self, question: Waiting) -> Result<(), SyncError> {
        if self.waiting.len() >= RANGES_MAX {
            return Err(SyncError::Protocol("too many ranges at once"));
        }
        self.waiting.push_back(question);
        Ok(())
    }

    /// The next part of the answers.
    pub fn poll(&mut self, store: &dyn ChunkRead) -> Result<Option<Message>, SyncError> {
        if let Some(giving) = &mut self.giving {
            let message = match &mut giving.nodes {
                Some(route) => {
                    let (nodes, is_over) = nodes(store, route, Vec::new())?;
                    if is_over {
                        giving.nodes = None;
                    }
                    (!nodes.is_empty()).then_some(Message::Nodes(nodes))
                }
                None => None,
            };
            if message.is_some() {
                return Ok(message);
            }
            let chunks = chunks(store, &mut giving.chunks)?;
            if !chunks.is_empty() {
                return Ok(Some(Message::Chunks(chunks)));
            }
            self.giving = None;
        }
        match self.waiting.pop_front() {
            None => Ok(None),
            Some(Waiting::Absent(oid)) => Ok(Some(Message::Absent(vec![oid]))),
            Some(Waiting::Range { manifest: id, range, tree }) => {
                let manifest = content::manifest(store, &id)?;
                let route = || Route::new(&manifest, &range);
                let (mut first, mut rest) = (Vec::new(), None);
                if tree {
                    let mut route = route()?;
                    let (nodes, is_over) = nodes(store, &mut route, vec![manifest.encode().into()])?;
                    first = nodes;
                    rest = (!is_over).then_some(route);
                }
                self.giving = Some(Giving { nodes: rest, chunks: route()? });
                Ok(Some(Message::Nodes(first)))
            }
        }
    }
}

/// Whether there is all of it.
fn is_here(store: &dyn ChunkRead, mut route: Route) -> Result<bool, SyncError> {
    let mut node = Vec::new();
    while let Some(step) = route.next() {
        let (entry, level) = match step {
            Step::Chunk(entry) if store.has(&entry.id)? => continue,
            Step::Chunk(_) => return Ok(false),
            Step::Node(entry, level) => (entry, level),
        };
        let opened = read(store, &entry.id, Kind::Node, &mut node)
            .and_then(|()| Ok(route.current().open(entry, level, &node)?));
        match opened {
            Err(error @ SyncError::Store(StoreError::Io { .. })) => return Err(error),
            Err(_) => return Ok(false),
            Ok(()) => {}
        }
    }
    Ok(true)
}

/// The next nodes on the way behind those that are there already, and whether these are the last.
fn nodes(
    store: &dyn ChunkRead,
    route: &mut Route,
    mut nodes: Vec<Bytes>,
) -> Result<(Vec<Bytes>, bool), SyncError> {
    let mut bytes: usize = nodes.iter().map(Bytes::len).sum();
    while bytes < BYTES_TARGET {
        match route.next() {
            None => return Ok((nodes, true)),
            Some(Step::Chunk(_)) => {}
            Some(Step::Node(entry, level)) => {
                let mut node = Vec::new();
                read(store, &entry.id, Kind::Node, &mut node)?;
                route.current().open(entry, level, &node)?;
                bytes += node.len();
                nodes.push(node.into());
            }
        }
    }
    Ok((nodes, false))
}

/// The next chunks on the way; none at its end. They are checked: whoever waits for them does not wait twice.
fn chunks(store: &dyn ChunkRead, route: &mut Route) -> Result<Vec<Encoded>, SyncError> {
    let (mut chunks, mut sum, mut node) = (Vec::new(), 0, Vec::new());
    while sum < BYTES_TARGET {
        match route.next() {
            None => break,
            Some(Step::Node(entry, level)) => {
                read(store, &entry.id, Kind::Node, &mut node)?;
                route.current().open(entry, level, &node)?;
            }
            Some(Step::Chunk(entry)) => {
                let chunk = read_verified(store, &entry.id, Kind::Data)?;
                if u64::from(chunk.plain_bytes) != entry.bytes {
                    return Err(StoreError::Corrupt { id: entry.id, why: "of another length".into() }.into());
                }
                sum += weight(&chunk);
                chunks.push(chunk);
            }
        }
    }
    Ok(chunks)
}
