//! Learning what a pull would move, without moving it: [`Weigher`], for the client.
//!
//! To the giver it is a pull whose receiver needs no chunk: each offer is answered with zeros, so what comes is
//! descriptions, 36 bytes a chunk. Chunks that are not here are counted, each once. Nothing is stored, nothing
//! is bound, and `Done` says 0 contents.

use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Message, Offer};
use crate::wishes::Wishes;
use dits_format::{ChunkId, Oid};
use dits_store::ChunkRead;
use std::collections::HashSet;
use std::sync::Arc;

/// The client's end of a pull that only asks.
pub struct Weigher {
    store: Arc<dyn ChunkRead>,
    wishes: Wishes,
    counted: HashSet<ChunkId>,
    tally: Tally,
}

impl Weigher {
    /// Counts what of `oids` is not in `store`.
    pub fn new(store: Arc<dyn ChunkRead>, oids: Vec<Oid>) -> Weigher {
        Weigher { store, wishes: Wishes::plain(oids), counted: HashSet::new(), tally: Tally::default() }
    }

    /// Contents that the server does not have.
    pub fn absent(&self) -> &[Oid] {
        self.wishes.absent()
    }

    fn offer(&mut self, steps: &[Offer]) -> Result<usize, SyncError> {
        let mut new = 0;
        for step in steps {
            match step {
                Offer::Content { manifest, .. } => {
                    self.tally.contents += 1;
                    self.tally.content_bytes = self.tally.content_bytes.saturating_add(manifest.size);
                }
                Offer::New(entries) => {
                    new += entries.len();
                    for entry in entries {
                        if !self.store.has(&entry.id)? && self.counted.insert(entry.id) {
                            self.tally.chunks_needed += 1;
                            self.tally.needed_bytes += entry.bytes;
                        }
                    }
                }
                Offer::Keep { .. } => return Err(SyncError::Protocol("a splice without base")),
                Offer::EndStream | Offer::Cancel => {}
            }
        }
        Ok(new)
    }
}

impl Machine for Weigher {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Absent(oids) => self.wishes.are_absent(oids),
            Message::Offer(steps) => {
                let new = self.offer(&steps)?;
                self.wishes.say(Message::Need(vec![false; new]));
            }
            other => self.wishes.receive(other)?,
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        Ok(self.wishes.poll())
    }

    fn is_done(&self) -> bool {
        self.wishes.is_done()
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}
