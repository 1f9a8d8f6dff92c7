//! Learning what a pull would move, without moving it: [`Weigher`], for the client.
//!
//! To the giver it is a pull whose receiver needs no chunk: each offer is answered with zeros, so what comes is
//! descriptions, 36 bytes a chunk. Chunks that are not here are counted, each once. Nothing is stored, nothing
//! is bound, and `Done` says 0 contents.

use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Message, Offer};
use crate::pull::Wishes;
use dits_format::{ChunkId, Oid};
use dits_store::ChunkRead;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// The client's end of a pull that only asks.
pub struct Weigher {
    store: Arc<dyn ChunkRead>,
    wishes: Wishes,
    counted: HashSet<ChunkId>,
    outbox: VecDeque<Message>,
    done: bool,
    tally: Tally,
}

impl Weigher {
    /// Counts what of `oids` is not in `store`.
    pub fn new(store: Arc<dyn ChunkRead>, oids: Vec<Oid>) -> Weigher {
        let (counted, outbox) = Default::default();
        let (wishes, tally) = (Wishes::new(oids), Tally::default());
        Weigher { store, wishes, counted, outbox, done: false, tally }
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
                Offer::EndStream => {}
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
                self.outbox.push_back(Message::Need(vec![false; new]));
            }
            Message::Commit => self.outbox.push_back(Message::Done { contents: 0, proved: 0 }),
            Message::Refuse { reason, text } => return Err(SyncError::Refused { reason, text }),
            _ => return Err(SyncError::Protocol("a message out of place")),
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        let message = self.wishes.poll().or_else(|| self.outbox.pop_front());
        self.done |= matches!(message, Some(Message::Done { .. }));
        Ok(message)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}
