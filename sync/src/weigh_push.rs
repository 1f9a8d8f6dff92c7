//! Learning what a push would send, without sending it: [`PushWeigher`], for the client.
//!
//! It runs over a stream of purpose pull, as no byte is to be written at the server: `Ask` about the contents, then an
//! `Offer` of the chunks of those that are not there, which the server's giver answers with `Need` from what its
//! store has. Chunks are counted once, as a push sends them once. An empty `Want` ends it.

use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Ask, CONTENTS_MAX, Message, OFFER_CHUNKS_MAX, Offer};
use crate::push::PushItem;
use crate::sender::{OFFERS_AHEAD, needed, not_here};
use crate::wishes::Wishes;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Oid};
use dits_store::ChunkRead;
use dits_store::content::{self, Walk};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// The client's end of a push that only asks.
pub struct PushWeigher {
    store: Arc<dyn ChunkRead>,
    unasked: VecDeque<PushItem>,
    asked: VecDeque<Vec<PushItem>>,
    /// Contents that the server does not have, and what is left to be offered of the first of them.
    lacking: VecDeque<Oid>,
    walks: Option<(Oid, VecDeque<Walk>)>,
    offered: VecDeque<Vec<Entry>>,
    seen: HashSet<ChunkId>,
    wishes: Wishes,
    tally: Tally,
}

impl PushWeigher {
    /// Weighs a push of `items` out of `store`.
    pub fn new(store: Arc<dyn ChunkRead>, items: Vec<PushItem>) -> PushWeigher {
        let mut seen = HashSet::new();
        let unasked = items.into_iter().filter(|item| seen.insert(item.oid)).collect();
        let (asked, lacking, offered) = Default::default();
        PushWeigher {
            store,
            unasked,
            asked,
            lacking,
            walks: None,
            offered,
            seen: HashSet::new(),
            wishes: Wishes::default(),
            tally: Tally::default(),
        }
    }

    fn have(&mut self, bits: &[bool]) -> Result<(), SyncError> {
        let items = self.asked.pop_front().ok_or(SyncError::Protocol("an answer to no question"))?;
        if items.len() != bits.len() {
            return Err(SyncError::Protocol("an answer of the wrong length"));
        }
        for (item, has) in items.into_iter().zip(bits) {
            self.tally.contents += 1;
            self.tally.content_bytes += item.size;
            if *has {
                self.tally.contents_had += 1;
            } else {
                self.lacking.push_back(item.oid);
            }
        }
        Ok(())
    }

    /// The next chunks of what the server lacks, none of them twice.
    fn offer(&mut self) -> Result<Option<Message>, SyncError> {
        let mut new = Vec::new();
        while new.len() < OFFER_CHUNKS_MAX {
            let Some((oid, walks)) = &mut self.walks else {
                let Some(oid) = self.lacking.pop_front() else { break };
                let missing = || SyncError::MissingContent { oid };
                let known = content::find(&*self.store, &oid).map_err(|error| not_here(error, oid))?;
                let manifest = known.ok_or_else(missing)?.manifest;
                if content::first_missing(&*self.store, &manifest)?.is_some() {
                    return Err(missing());
                }
                let walks = manifest.streams.iter().map(|stream| Walk::new(stream, 0)).collect();
                self.walks = Some((oid, walks));
                continue;
            };
            let oid = *oid;
            let Some(walk) = walks.front_mut() else {
                self.walks = None;
                continue;
            };
            match walk.next_chunk(&*self.store).map_err(|error| not_here(error, oid))? {
                Some(piece) if self.seen.insert(piece.entry.id) => new.push(piece.entry),
                Some(_) => {}
                None => drop(walks.pop_front()),
            }
        }
        if new.is_empty() {
            return Ok(None);
        }
        self.offered.push_back(new.clone());
        Ok(Some(Message::Offer(vec![Offer::New(new)])))
    }
}

impl Machine for PushWeigher {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Have(bits) => self.have(&bits),
            Message::Need(bits) => {
                let offered = self.offered.pop_front().ok_or(SyncError::Protocol("an answer to no offer"))?;
                needed(offered, &bits, &mut self.tally).map(drop)
            }
            other => self.wishes.receive(other),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if !self.unasked.is_empty() {
            let count = self.unasked.len().min(CONTENTS_MAX);
            let items: Vec<PushItem> = self.unasked.drain(..count).collect();
            let asks = items.iter().map(|item| Ask { oid: item.oid, manifest: None }).collect();
            self.asked.push_back(items);
            return Ok(Some(Message::Ask(asks)));
        }
        if self.offered.len() < OFFERS_AHEAD
            && let Some(offer) = self.offer()?
        {
            return Ok(Some(offer));
        }
        let is_open = !(self.asked.is_empty() && self.lacking.is_empty() && self.offered.is_empty());
        Ok(if is_open { None } else { self.wishes.poll() })
    }

    fn is_done(&self) -> bool {
        self.wishes.is_done()
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}
