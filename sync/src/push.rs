//! Pushing contents: [`Pusher`] at the client, [`Taker`] at the server.
//!
//! Pusher: `Ask` about the new contents and at once, within budgets, what it would send if the answers are what it
//! hopes: `Early`, `Offer`, `EarlyCommit`. Taker: `Have`, `Need`, `Done`. So the edit of a content that the server has takes
//! one round trip. What did not fit, or was hoped in vain, follows as `Offer` → `Need` → `Chunks` … → `Commit` → `Done`.
//! A content the taker has whole is not described, or given up when that turns out: moving or copying a file
//! costs one question of 33 bytes and never more than [`crate::sender::UNSURE_BYTES`].
//!
//! A base that is pushed in the same breath is not there yet: its own base takes its place, and so on. Bases that go
//! beyond the first flight are asked about by manifest, as a splice is meaningless against another cutting of
//! the same content.

use crate::ask::answer;
use crate::filter::Filter;
use crate::machine::{COMMIT_SILENCE_MAX, Machine, SILENCE_MAX, SyncError, Tally};
use crate::message::{Ask, CONTENTS_MAX, FILTER_PART_BYTES_MAX, Message};
use crate::receiver::{Committed, Mender, Receiver};
use crate::sender::{Hint, Outgoing, Sender, is_absence};
use crate::there::There;
use dits_format::{Binding, ChunkId, Oid, Proof};
use dits_store::{ChunkRead, ChunkWrite, StoreError, content};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Contents that are described before the answer, without a base and with one.
const EARLY_CONTENTS_MAX: usize = 256;
/// Bases of bases that are followed.
const BASES_MAX: usize = 64;

/// A content to be pushed.
#[derive(Debug, Clone, Copy)]
pub struct PushItem {
    /// The content.
    pub oid: Oid,
    /// Its bytes.
    pub size: u64,
    /// An earlier content that it is probably an edit of.
    pub base: Option<Oid>,
}

/// The client's end of a push.
pub struct Pusher {
    store: Arc<dyn ChunkRead>,
    unasked: VecDeque<PushItem>,
    asked: VecDeque<Vec<Asked>>,
    /// The base of each content that is pushed.
    bases: HashMap<Oid, Option<Oid>>,
    early: [usize; 2],
    there: Arc<There>,
    /// Contents that wait for an answer before they are described.
    waiting: usize,
    sender: Sender,
    tally: Tally,
}

/// What an open `Ask` was about.
struct Asked {
    item: PushItem,
    /// The base that was asked about.
    base: Option<ChunkId>,
    is_early: bool,
}

impl Pusher {
    /// Pushes `items` out of `store`. Each content is asked about once.
    pub fn new(store: Arc<dyn ChunkRead>, items: Vec<PushItem>) -> Pusher {
        let mut bases = HashMap::new();
        let unasked = items.into_iter().filter(|item| bases.insert(item.oid, item.base).is_none()).collect();
        let sender = Sender::new(store.clone());
        let asked = VecDeque::new();
        let (there, tally) = Default::default();
        Pusher { store, unasked, asked, bases, early: [0; 2], there, waiting: 0, sender, tally }
    }

    /// Sends chunks that the filter does not have without asking.
    pub fn set_filter(&mut self, filter: Arc<Filter>) {
        self.sender.set_hint(Hint::Filter(filter));
    }

    /// Says which contents the server has most likely: nothing of them is sent before it answers.
    pub fn set_there(&mut self, there: Arc<There>) {
        self.there = there;
    }

    fn ask(&mut self) -> Result<Message, SyncError> {
        let (mut asks, mut about) = (Vec::new(), Vec::new());
        let mut early: [Vec<Outgoing>; 2] = Default::default();
        while asks.len() + 2 <= CONTENTS_MAX
            && let Some(item) = self.unasked.pop_front()
        {
            asks.push(Ask { oid: item.oid, manifest: None });
            let (base, is_pushed) = self.base(&item)?;
            let has_base = usize::from(base.is_some());
            let is_hoped = !is_pushed && !self.there.has(&item.oid);
            let is_early = is_hoped && self.early[has_base] < EARLY_CONTENTS_MAX;
            let mut asked = Asked { item, base: None, is_early };
            if is_early {
                self.early[has_base] += 1;
                let base = base.map(|(_, id)| id);
                early[has_base].push(Outgoing { oid: item.oid, base, unsure: true });
            } else {
                self.waiting += 1;
                asks.extend(base.map(|(oid, id)| Ask { oid, manifest: Some(id) }));
                asked.base = base.map(|(_, id)| id);
            }
            about.push(asked);
        }
        self.asked.push_back(about);
        // Splices are small and save most: they go first.
        early.into_iter().rev().flatten().for_each(|outgoing| self.sender.enqueue(outgoing));
        Ok(Message::Ask(asks))
    }

    /// What `item` is an edit of, as far as we have it, with its manifest; and whether that is pushed, too.
    fn base(&self, item: &PushItem) -> Result<(Option<(Oid, ChunkId)>, bool), SyncError> {
        let Some(first) = item.base.filter(|base| *base != item.oid) else { return Ok((None, false)) };
        let mut base = Some(first);
        for _ in 0..BASES_MAX {
            match base.and_then(|base| self.bases.get(&base)) {
                Some(earlier) => base = *earlier,
                None => break,
            }
        }
        let base = base.filter(|base| !self.bases.contains_key(base));
        Ok((self.base_manifest(&base.unwrap_or(first))?, base.is_none()))
    }

    fn base_manifest(&self, oid: &Oid) -> Result<Option<(Oid, ChunkId)>, SyncError> {
        match content::find(&*self.store, oid) {
            Ok(known) => Ok(known.map(|known| (*oid, known.binding.manifest))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn have(&mut self, bits: &[bool]) -> Result<(), SyncError> {
        let about = self.asked.pop_front().ok_or(SyncError::Protocol("an answer to no question"))?;
        let mut bits = bits.iter();
        let short = || SyncError::Protocol("an answer of the wrong length");
        for Asked { item, base, is_early } in about {
            let has_content = *bits.next().ok_or_else(short)?;
            let has_base = base.is_some() && *bits.next().ok_or_else(short)?;
            self.tally.contents += 1;
            self.tally.content_bytes += item.size;
            self.tally.contents_had += u64::from(has_content);
            if is_early {
                self.sender.settle(&item.oid, has_content);
                continue;
            }
            self.waiting -= 1;
            if !has_content {
                let base = base.filter(|_| has_base);
                self.sender.enqueue(Outgoing { oid: item.oid, base, unsure: false });
            }
        }
        if bits.next().is_some() { Err(short()) } else { Ok(()) }
    }
}

impl Machine for Pusher {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Have(bits) => self.have(&bits),
            Message::Need(bits) => self.sender.need(&bits),
            Message::Again(oids) => self.sender.again(&oids),
            Message::Wrong(id) => self.sender.wrong(id),
            Message::Lack(ids) if self.asked.is_empty() => self.sender.lack(&ids),
            Message::Done { .. } if self.asked.is_empty() => self.sender.done(),
            Message::Refuse { reason, text, challenges } => {
                Err(SyncError::Refused { reason, text, challenges })
            }
            _ => Err(SyncError::Protocol("a message out of place")),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if !self.unasked.is_empty() {
            return self.ask().map(Some);
        }
        if let Some(message) = self.sender.poll()? {
            return Ok(Some(message));
        }
        Ok(if self.waiting == 0 { self.sender.poll_commit(self.asked.is_empty()) } else { None })
    }

    fn is_done(&self) -> bool {
        self.sender.is_done()
    }

    fn line(&mut self, bytes_per_second: u64) {
        self.sender.line(bytes_per_second);
    }

    fn silence_max(&self) -> Duration {
        let waits = self.asked.is_empty() && self.sender.is_committed();
        if waits { COMMIT_SILENCE_MAX } else { SILENCE_MAX }
    }

    fn tally(&self) -> Tally {
        let sent = self.sender.tally();
        Tally {
            contents: self.tally.contents,
            content_bytes: self.tally.content_bytes,
            contents_had: self.tally.contents_had,
            ..sent
        }
    }
}

/// Gives the bytes of a server's filter; empty when it has none.
pub type FilterSource = Arc<dyn Fn() -> Result<Arc<Vec<u8>>, StoreError> + Send + Sync>;

/// The server's end of a push.
pub struct Taker {
    store: Arc<dyn ChunkRead>,
    receiver: Option<Receiver>,
    outbox: VecDeque<Message>,
    filters: Option<FilterSource>,
    /// The filter that is being sent, and how much of it was.
    giving: Option<(Arc<Vec<u8>>, usize)>,
    bound: Vec<Binding>,
    done: bool,
    tally: Tally,
}

impl Taker {
    /// Takes contents into `store`.
    pub fn new(store: &(impl ChunkWrite + Clone + 'static)) -> Result<Taker, StoreError> {
        let receiver = Some(Receiver::new(store, true)?);
        let (outbox, bound) = Default::default();
        let (store, tally) = (Arc::new(store.clone()), Tally::default());
        Ok(Taker { store, receiver, outbox, filters: None, giving: None, bound, done: false, tally })
    }

    /// Lets damaged chunks that are met be taken away, so that the pusher can send them anew.
    pub fn set_mender(&mut self, mender: Mender) {
        if let Some(receiver) = &mut self.receiver {
            receiver.set_mender(mender);
        }
    }

    /// Lets the pusher have a filter.
    pub fn set_filters(&mut self, filters: FilterSource) {
        self.filters = Some(filters);
    }

    /// What was bound.
    pub fn bound(&self) -> &[Binding] {
        &self.bound
    }

    /// Contents that were bound and must still be proved.
    pub fn claimed(&self) -> Vec<Binding> {
        self.bound.iter().filter(|binding| binding.proof == Proof::Claimed).copied().collect()
    }

    /// Ends a broken push: keeps the chunks that came, binds nothing.
    pub fn salvage(self) -> Result<(), StoreError> {
        self.receiver.map_or(Ok(()), Receiver::salvage)
    }

    fn receiver(&mut self) -> Result<&mut Receiver, SyncError> {
        self.receiver.as_mut().ok_or(SyncError::Protocol("a message after the commit"))
    }
}

impl Taker {
    fn ask(&mut self, asks: &[Ask]) -> Result<(), SyncError> {
        let answer = answer(&*self.store, asks)?;
        if let (Message::Have(bits), Some(receiver)) = (&answer, &mut self.receiver) {
            let had = asks.iter().zip(bits).filter(|(ask, has)| **has && ask.manifest.is_none());
            had.for_each(|(ask, _)| receiver.is_had(ask.oid));
        }
        self.outbox.push_back(answer);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SyncError> {
        let receiver = self.receiver.take().ok_or(SyncError::Protocol("a second commit"))?;
        self.tally = receiver.tally();
        match receiver.commit()? {
            Committed::Bound(bound) => {
                self.bound = bound;
                let contents = self.bound.len() as u64;
                let proved = contents - self.claimed().len() as u64;
                self.outbox.push_back(Message::Done { contents, proved });
            }
            Committed::Lacking(receiver, ids) => {
                self.receiver = Some(*receiver);
                self.outbox.push_back(Message::Lack(ids));
            }
        }
        Ok(())
    }

    /// Begins to answer the question for a filter.
    fn filter(&mut self, epoch: u64, most: u32) -> Result<(), SyncError> {
        self.receiver()?;
        let bytes = self.filters.as_ref().map_or_else(|| Ok(Arc::default()), |filters| filters())?;
        let is_wanted = Filter::epoch_in(&bytes).is_some_and(|known| known != epoch);
        self.giving = match is_wanted && bytes.len() <= most as usize {
            true => Some((bytes, 0)),
            false => Some((Arc::default(), 0)),
        };
        Ok(())
    }

    /// The next part of it.
    fn filter_part(&mut self) -> Option<Message> {
        let (bytes, at) = self.giving.take()?;
        let end = bytes.len().min(at + FILTER_PART_BYTES_MAX);
        let (epoch, part) = (Filter::epoch_in(&bytes).unwrap_or(0), bytes[at..end].to_vec());
        let last = end == bytes.len();
        self.giving = (!last).then_some((bytes, end));
        Some(Message::Filter { epoch, part, last })
    }
}

impl Machine for Taker {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Ask(asks) => self.ask(&asks)?,
            Message::Early(chunks) => self.receiver()?.early(chunks)?,
            Message::Offer(steps) => {
                let answers = self.receiver()?.offer(steps)?;
                self.outbox.extend(answers);
            }
            Message::Chunks(chunks) => {
                let wrong = self.receiver()?.chunks(chunks)?;
                self.outbox.extend(wrong.into_iter().map(Message::Wrong));
            }
            Message::Deltas { early, deltas } => {
                let wrong = self.receiver()?.deltas(early, deltas)?;
                self.outbox.extend(wrong.into_iter().map(Message::Wrong));
            }
            Message::EarlyCommit => {
                if self.receiver()?.early_commit_counts()? {
                    self.commit()?;
                }
            }
            Message::Commit if !self.receiver()?.commit_counts() => {}
            Message::Commit => self.commit()?,
            Message::FilterAsk { epoch, most } if self.giving.is_none() => self.filter(epoch, most)?,
            Message::Refuse { reason, text, challenges } => {
                return Err(SyncError::Refused { reason, text, challenges });
            }
            _ => return Err(SyncError::Protocol("a message out of place")),
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        let message = self.filter_part().or_else(|| self.outbox.pop_front());
        self.done |= matches!(message, Some(Message::Done { .. }));
        Ok(message)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn tally(&self) -> Tally {
        self.receiver.as_ref().map_or(self.tally, Receiver::tally)
    }
}
