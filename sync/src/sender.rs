//! Describing contents and sending the chunks that the other side lacks: one half of a push, and of a pull.
//!
//! For each content the sender walks its manifest and offers the chunk list in order: against a base that
//! the receiver has, runs of unchanged chunks are two numbers (a splice), else each chunk is 36 bytes, which
//! is question and manifest in one, since both sides derive the Merkle nodes from the list. Needed chunks
//! follow in the order offered. Offers run ahead of the answers by at most [`OFFERS_AHEAD`] messages and
//! chunks to be sent by at most [`QUEUE_MAX`], so memory does not grow with the content.
//!
//! *The first flight* does not wait for answers. Contents that the receiver may have already are described within
//! [`UNSURE_BYTES`]; chunks that it most likely lacks go before the offer that names them ([`Message::Early`]), which are
//! those not in the base, or what a [`Hint`] says; and when all is described, a commit in good faith goes along
//! ([`Message::EarlyCommit`]). A guess that was wrong costs these bytes and the round trip that it wanted to save.
//!
//! A new chunk in a splice travels as a delta from chunks of the base where that is much smaller (`deltas`).

mod deltas;
mod describe;
mod form;
mod lost;
mod offering;

use crate::filter::Filter;
use crate::machine::{SyncError, Tally};
use crate::message::{Message, OFFER_CHUNKS_MAX, Offer};
use crate::receiver::{EARLY_BYTES_MAX, LACK_ROUNDS_MAX};
use crate::squeeze::Squeeze;
use deltas::Deltas;
use describe::Describing;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind, Oid};
use dits_store::{ChunkRead, StoreError};
use form::Form;
pub(crate) use form::weight;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Offers sent and not answered.
pub const OFFERS_AHEAD: usize = 4;
/// Bytes of chunks that are sent unasked in one stream where only a base speaks for it.
pub const GUESS_BYTES: u64 = 1 << 20;
/// Bytes of descriptions in one stream of contents that the receiver may have: without a base, and with one.
pub const UNSURE_BYTES: [usize; 2] = [16 << 10, 64 << 10];
/// Chunks waiting to be sent, above which no new offer is made.
const QUEUE_MAX: usize = 4 * OFFER_CHUNKS_MAX;
/// Bytes of chunks after which a message is sent off.
const CHUNKS_BYTES_TARGET: usize = 256 << 10;
/// Chunks that a receiver may call wrong.
const WRONG_MAX: usize = 1024;

/// A content to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// The content, present in our store.
    pub oid: Oid,
    /// A manifest that we have, and the receiver most likely, of a similar content.
    pub base: Option<ChunkId>,
    /// Whether the receiver has not said yet that it lacks the content: see [`Sender::settle`].
    pub unsure: bool,
}

/// What is known of the receiver's chunks before it answers. A wrong hint costs bytes, nothing else.
#[derive(Debug, Clone, Default)]
pub enum Hint {
    /// Nothing is known: what is not in a base is probably not there.
    #[default]
    Unknown,
    /// It has none of ours.
    Empty,
    /// What is not in this filter, it lacks.
    Filter(Arc<Filter>),
}

/// How far the commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Open,
    /// Said ahead, and nothing speaks against it yet.
    Early,
    Said,
    Done,
}

/// An offer without its answer.
struct Offered {
    new: Vec<Entry>,
    /// All of them went ahead, so the answer is no more than a receipt.
    is_receipt: bool,
}

/// One sending side of a stream.
pub struct Sender {
    store: Arc<dyn ChunkRead>,
    queue: VecDeque<Outgoing>,
    current: Option<Describing>,
    /// Contents that the receiver may have.
    unsure: HashSet<Oid>,
    unsure_left: [usize; 2],
    hint: Hint,
    early_left: u64,
    sent_early: HashSet<ChunkId>,
    outbox: VecDeque<Message>,
    offered: VecDeque<Offered>,
    to_send: VecDeque<(ChunkId, Kind)>,
    /// The first of these, where it did not fit into the message before.
    ready: Option<Form>,
    deltas: Deltas,
    /// Chunks that did not arrive as what they are: they are checked.
    wrong: HashSet<ChunkId>,
    squeeze: Squeeze,
    /// Manifests of what was described, for the chunks that turn out to be missing.
    described: HashSet<ChunkId>,
    /// Contents described against a base.
    spliced: HashSet<Oid>,
    /// Whether an answer came; whether one asked for something.
    is_answered: bool,
    asked_for: bool,
    commit: Commit,
    early_commit_said: bool,
    lack_rounds: usize,
    tally: Tally,
}

impl Sender {
    /// Sends from `store`.
    pub fn new(store: Arc<dyn ChunkRead>) -> Sender {
        Sender {
            store,
            queue: VecDeque::new(),
            current: None,
            unsure: HashSet::new(),
            unsure_left: UNSURE_BYTES,
            hint: Hint::Unknown,
            early_left: GUESS_BYTES,
            sent_early: HashSet::new(),
            outbox: VecDeque::new(),
            offered: VecDeque::new(),
            to_send: VecDeque::new(),
            ready: None,
            deltas: Deltas::default(),
            wrong: HashSet::new(),
            squeeze: Squeeze::default(),
            described: HashSet::new(),
            spliced: HashSet::new(),
            is_answered: false,
            asked_for: false,
            commit: Commit::Open,
            early_commit_said: false,
            lack_rounds: 0,
            tally: Tally::default(),
        }
    }

    /// Says what is known of the receiver, before anything is sent.
    pub fn set_hint(&mut self, hint: Hint) {
        self.early_left = if let Hint::Unknown = hint { GUESS_BYTES } else { EARLY_BYTES_MAX };
        self.hint = hint;
    }

    /// Adds a content to be sent.
    pub fn enqueue(&mut self, outgoing: Outgoing) {
        if outgoing.unsure {
            self.unsure.insert(outgoing.oid);
        }
        self.queue.push_back(outgoing);
    }

    /// The receiver says whether it has a content that was enqueued as unsure.
    pub fn settle(&mut self, oid: &Oid, has: bool) {
        if !self.unsure.remove(oid) || !has {
            return;
        }
        match self.current.take_if(|current| current.oid() == *oid) {
            Some(_) => self.give_up(),
            None => self.queue.retain(|outgoing| outgoing.oid != *oid),
        }
    }

    /// Tells the receiver that the content under description does not go on.
    fn give_up(&mut self) {
        self.outbox.push_back(Message::Offer(vec![Offer::Cancel]));
        self.offered.push_back(Offered { new: Vec::new(), is_receipt: false });
    }

    /// The receiver has not the base of these contents: once more, in full.
    ///
    /// # Errors
    /// [`SyncError::Protocol`] for one that was not described against a base.
    pub fn again(&mut self, oids: &[Oid]) -> Result<(), SyncError> {
        for oid in oids {
            if !self.spliced.remove(oid) {
                return Err(SyncError::Protocol("nothing to describe again"));
            }
            if self.current.take_if(|current| current.oid() == *oid).is_some() {
                self.give_up();
            }
            self.queue.push_back(Outgoing { oid: *oid, base: None, unsure: false });
        }
        self.was_asked();
        Ok(())
    }

    /// Takes the answer to the oldest open offer.
    pub fn need(&mut self, bits: &[bool]) -> Result<(), SyncError> {
        let offered = self.offered.pop_front().ok_or(SyncError::Protocol("an answer to no offer"))?;
        self.deltas.answered(&offered.new, bits);
        let needed = needed(offered.new, bits, &mut self.tally)?;
        self.is_answered = true;
        if !needed.is_empty() {
            self.was_asked();
        }
        self.to_send.extend(needed.iter().map(|entry| (entry.id, Kind::Data)));
        Ok(())
    }

    fn was_asked(&mut self) {
        self.asked_for = true;
        if self.commit == Commit::Early {
            self.commit = Commit::Open;
        }
    }

    /// Takes what the receiver lacks after all, in place of its `Done`.
    pub fn lack(&mut self, ids: &[ChunkId]) -> Result<(), SyncError> {
        self.lack_rounds += 1;
        if !self.is_committed() || ids.is_empty() || self.lack_rounds > LACK_ROUNDS_MAX {
            return Err(SyncError::Protocol("a message out of place"));
        }
        let found = lost::find(&*self.store, &self.described, ids)?;
        self.tally.chunks_needed += found.len() as u64;
        self.to_send.extend(found);
        self.commit = Commit::Open;
        Ok(())
    }

    /// Takes the receiver's last word.
    pub fn done(&mut self) -> Result<(), SyncError> {
        if !self.is_committed() {
            return Err(SyncError::Protocol("a message out of place"));
        }
        self.commit = Commit::Done;
        Ok(())
    }

    /// Whether the receiver is at work on a commit of ours that counts.
    pub fn is_committed(&self) -> bool {
        self.commit == Commit::Said || (self.commit == Commit::Early && self.offered.is_empty())
    }

    /// Whether the receiver has said that all is done.
    pub fn is_done(&self) -> bool {
        self.commit == Commit::Done
    }

    /// Counts of what was sent.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The next message: offers first, as they are small and their answers take a round trip.
    pub fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if self.outbox.is_empty() && self.may_offer() {
            self.offer()?;
        }
        if let Some(message) = self.outbox.pop_front() {
            return Ok(Some(message));
        }
        if self.to_send.is_empty() { Ok(None) } else { self.chunks().map(Some) }
    }

    /// The commit, when it is due. `all_answered`: no question of the owner's is open.
    pub fn poll_commit(&mut self, all_answered: bool) -> Option<Message> {
        let all_said = self.queue.is_empty()
            && self.current.is_none()
            && self.outbox.is_empty()
            && self.to_send.is_empty();
        if self.commit != Commit::Open || !all_said {
            return None;
        }
        if self.offered.is_empty() && all_answered {
            self.commit = Commit::Said;
            return Some(Message::Commit);
        }
        if self.asked_for || std::mem::replace(&mut self.early_commit_said, true) {
            return None;
        }
        self.commit = Commit::Early;
        Some(Message::EarlyCommit)
    }

    fn may_offer(&self) -> bool {
        let unsure_left = |has_base: bool| self.unsure_left[usize::from(has_base)] > 0;
        let may_go_on = match (&self.current, self.queue.front()) {
            (Some(current), _) => !self.unsure.contains(&current.oid()) || unsure_left(current.has_base()),
            (None, Some(next)) => !self.unsure.contains(&next.oid) || unsure_left(next.base.is_some()),
            (None, None) => false,
        };
        let open = self.offered.iter().filter(|offered| !offered.is_receipt).count();
        may_go_on && open < OFFERS_AHEAD && self.to_send.len() < QUEUE_MAX
    }

    /// Learns how many bytes a second the way to the receiver takes.
    pub fn line(&mut self, bytes_per_second: u64) {
        self.squeeze.line(bytes_per_second);
        self.deltas.line(bytes_per_second);
    }

    /// The receiver got other bytes than those of this chunk: once more, and this time they are checked; or whole, where it
    /// had not the base of a delta.
    ///
    /// # Errors
    /// [`SyncError::Store`] when the chunk is damaged here; [`SyncError::Protocol`] when it was not sent, or is wrong again.
    pub fn wrong(&mut self, id: ChunkId) -> Result<(), SyncError> {
        if self.deltas.was_wrong(&id) {
            self.to_send.push_back((id, Kind::Data));
        } else if !self.wrong.insert(id) || self.wrong.len() > WRONG_MAX {
            return Err(SyncError::Protocol("a chunk that cannot be wrong"));
        } else {
            self.to_send.extend(lost::find(&*self.store, &self.described, &[id])?);
        }
        self.was_asked();
        if self.commit == Commit::Said {
            self.commit = Commit::Open;
        }
        Ok(())
    }
}

/// The chunks that an answer to an offer of `entries` asks for, counted.
pub(crate) fn needed(
    mut entries: Vec<Entry>,
    bits: &[bool],
    tally: &mut Tally,
) -> Result<Vec<Entry>, SyncError> {
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
