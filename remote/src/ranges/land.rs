//! What comes of one fetch: to who hears it at once, to the store behind his back, and between what is here already.
//!
//! Always holds: parts are told in order and without gaps, and nothing is kept that was not checked against its id.

use super::keep::Keeper;
use super::known::Known;
use super::{Ended, Hear, RangeError, Ranges, Urgency, Want};
use bytes::Bytes;
use dits_format::{ChunkId, Kind, Manifest};
use dits_store::StoreError;
use dits_sync::SyncError;
use dits_sync::range::{Land, Part};
use std::collections::{HashMap, VecDeque};

/// Bytes of nodes above what is asked for at once ([`super::remotes::ITEM_BYTES_MAX`]): a hundred times what honest ones take.
pub const NODE_BYTES_MAX: usize = 64 << 20;

/// See the file head.
pub struct Landing<'a> {
    ranges: &'a Ranges,
    want: Want<'a>,
    hear: &'a mut Hear<'a>,
    /// Parts that are on this machine, in order.
    here: VecDeque<Part>,
    /// Up to where in the content all was given.
    done: u64,
    /// Whether anything was given.
    began: bool,
    /// Of the item that is coming: a cache may drop them.
    nodes: HashMap<ChunkId, (Kind, Bytes)>,
    node_bytes: usize,
    stopped: Option<Result<Ended, RangeError>>,
}

impl<'a> Landing<'a> {
    /// Gives what lies at `start` and behind it.
    pub fn new(ranges: &'a Ranges, want: Want<'a>, start: u64, hear: &'a mut Hear<'a>) -> Landing<'a> {
        let (here, nodes, node_bytes) = Default::default();
        Landing { ranges, want, hear, here, done: start, began: false, nodes, node_bytes, stopped: None }
    }

    /// Up to where in the content all was given.
    pub fn done(&self) -> u64 {
        self.done
    }

    pub fn want(&self) -> Want<'a> {
        self.want
    }

    /// These are given from this machine, each before what lies behind it.
    pub fn rely_on(&mut self, here: VecDeque<Part>) {
        self.here = here;
    }

    /// Why it was said that no more is wanted.
    pub fn why_stopped(&mut self) -> Result<Ended, RangeError> {
        self.stopped.take().unwrap_or(Err(RangeError::Stopped))
    }

    /// Gives what is here before `start`. Says whether more is wanted.
    pub fn give_until(&mut self, start: u64) -> Result<bool, RangeError> {
        while let Some(part) = self.here.pop_front_if(|part| part.start < start) {
            let Some(bytes) = self.ranges.local(&part.id)? else {
                self.stopped = Some(Ok(Ended::Gone(part.id)));
                return Ok(false);
            };
            if !self.give(part, bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives a part, without what was given before: another remote may cut otherwise.
    fn give(&mut self, mut part: Part, bytes: Bytes) -> bool {
        if std::mem::replace(&mut self.began, true) {
            let before = self.done.saturating_sub(part.start).min(u64::from(part.bytes)) as u32;
            (part.start, part.skip, part.bytes) =
                (part.start + u64::from(before), part.skip + before, part.bytes - before);
        }
        self.done = self.done.max(part.start + u64::from(part.bytes));
        part.bytes == 0 || (self.hear)(part, bytes)
    }

    fn keeper(&self) -> &'a Keeper {
        &self.ranges.keeper
    }

    fn known(&self) -> &'a Known {
        &self.ranges.known
    }

    fn keep(&self, id: ChunkId, kind: Kind, bytes: Bytes) {
        self.keeper().put(id, kind, bytes, self.want.urgency == Urgency::Background);
    }
}

impl Land for Landing<'_> {
    fn tree(&mut self, id: ChunkId, kind: Kind, bytes: &Bytes) -> Result<(), SyncError> {
        if kind == Kind::Manifest {
            self.nodes.clear();
            self.node_bytes = 0;
            let manifest = Manifest::decode(bytes)?;
            self.known().learn(manifest.oid, &manifest);
        }
        self.node_bytes += bytes.len();
        if self.node_bytes > NODE_BYTES_MAX {
            return Err(SyncError::Protocol("more nodes than chunks can need"));
        }
        // The message that it is a part of would stay in memory as long.
        let bytes = Bytes::copy_from_slice(bytes);
        self.nodes.insert(id, (kind, bytes.clone()));
        self.known().put(id, kind, bytes.clone());
        self.keep(id, kind, bytes);
        Ok(())
    }

    fn chunk(&mut self, part: Part, bytes: &Bytes) -> Result<bool, SyncError> {
        match self.give_until(part.start) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                self.stopped = Some(Err(error));
                return Ok(false);
            }
        }
        let bytes = Bytes::copy_from_slice(bytes);
        self.keep(part.id, Kind::Data, bytes.clone());
        Ok(self.give(part, bytes))
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let found = match self.nodes.get(id) {
            Some(found) => Some(found.clone()),
            None => self.known().tree(id)?,
        };
        out.clear();
        Ok(found.map(|(kind, bytes)| {
            out.extend_from_slice(&bytes);
            kind
        }))
    }
}
