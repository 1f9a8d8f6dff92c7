//! Fetching contents: [`Puller`] at the client, [`Giver`] at the server.
//!
//! Puller: `Want` → Giver: `Offer` → `Need` → `Chunks` … → `Commit` → `Done`, and `Absent` for what the giver
//! does not have. The roles of a push, turned round: what is here already is not sent, whatever file or
//! version it came with. Where the puller names a base that it has, or says that it has nothing at all, the giver does not
//! wait: `Early`, `Offer`, `EarlyCommit` answer the `Want` at once.
//!
//! The same stream answers other questions of a reader: `Ask`, as in a push; an `Offer` of new chunks alone, with
//! `Need`, so that a push can be weighed without writing; `Range` (see [`crate::range`]). The puller leaves contents
//! *claimed*; hydration compares the oid of every file it writes.

use crate::ask::answer;
use crate::machine::{COMMIT_SILENCE_MAX, Machine, SILENCE_MAX, SyncError, Tally};
use crate::message::{Message, Offer, Wanted};
use crate::range::Ranges;
use crate::receiver::{Committed, Receiver};
use crate::sender::{Hint, Outgoing, Sender};
use crate::wishes::Wishes;
use dits_format::Oid;
use dits_store::{ChunkRead, ChunkWrite, Follow, StoreError, content};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A content to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullItem {
    /// The content.
    pub oid: Oid,
    /// A content that it is probably an edit of; used if it is whole here.
    pub base: Option<Oid>,
}

impl From<Oid> for PullItem {
    fn from(oid: Oid) -> PullItem {
        PullItem { oid, base: None }
    }
}

/// The client's end of a pull.
pub struct Puller {
    wishes: Wishes,
    receiver: Option<Receiver>,
    tally: Tally,
}

impl Puller {
    /// Fetches `items` into `store`. `cold`: nothing of theirs is in it, so the server need not ask.
    pub fn new(
        store: &(impl ChunkWrite + Clone + 'static),
        items: Vec<PullItem>,
        cold: bool,
    ) -> Result<Puller, StoreError> {
        let receiver = Some(Receiver::new(store, false)?);
        let wanted = |item: PullItem| Ok(Wanted { oid: item.oid, base: base_of(store, &item)? });
        let wanted = items.into_iter().map(wanted).collect::<Result<_, StoreError>>()?;
        Ok(Puller { wishes: Wishes::new(wanted, cold), receiver, tally: Tally::default() })
    }

    /// Tells contents to `follower` as they come.
    pub fn follow(&mut self, follower: Arc<dyn Follow>) {
        self.receiver.iter_mut().for_each(|receiver| receiver.follow(follower.clone()));
    }

    /// Wanted contents that the server does not have.
    pub fn absent(&self) -> &[Oid] {
        self.wishes.absent()
    }

    /// Ends a broken pull: keeps the chunks that came, binds nothing.
    pub fn salvage(self) -> Result<(), StoreError> {
        self.receiver.map_or(Ok(()), Receiver::salvage)
    }

    fn receiver(&mut self) -> Result<&mut Receiver, SyncError> {
        self.receiver.as_mut().ok_or(SyncError::Protocol("a message after the commit"))
    }

    fn commit(&mut self) -> Result<(), SyncError> {
        let receiver = self.receiver.take().ok_or(SyncError::Protocol("a message after the commit"))?;
        self.tally = receiver.tally();
        match receiver.commit()? {
            Committed::Bound(bound) => {
                self.wishes.say(Message::Done { contents: bound.len() as u64, proved: 0 });
            }
            Committed::Lacking(receiver, ids) => {
                self.receiver = Some(*receiver);
                self.wishes.say(Message::Lack(ids));
            }
        }
        Ok(())
    }
}

/// The manifest of a base, if it is whole here.
fn base_of(store: &dyn ChunkRead, item: &PullItem) -> Result<Option<dits_format::ChunkId>, StoreError> {
    let Some(base) = item.base.filter(|base| *base != item.oid) else { return Ok(None) };
    Ok(content::find_whole(store, &base, |_| true)?.map(|known| known.binding.manifest))
}

impl Machine for Puller {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Absent(oids) => self.wishes.are_absent(oids)?,
            Message::Early(chunks) => self.receiver()?.early(chunks)?,
            Message::Offer(steps) => {
                self.wishes.are_described(&steps)?;
                let answers = self.receiver()?.offer(steps)?;
                self.wishes.will_come_again(&answers);
                answers.into_iter().for_each(|answer| self.wishes.say(answer));
            }
            Message::Chunks(chunks) => {
                let wrong = self.receiver()?.chunks(chunks)?;
                wrong.into_iter().for_each(|id| self.wishes.say(Message::Wrong(id)));
            }
            Message::Deltas { early, deltas } => {
                let wrong = self.receiver()?.deltas(early, deltas)?;
                wrong.into_iter().for_each(|id| self.wishes.say(Message::Wrong(id)));
            }
            Message::EarlyCommit => {
                if self.receiver()?.early_commit_counts()? {
                    self.commit()?;
                }
            }
            Message::Commit if !self.receiver()?.commit_counts() => {}
            Message::Commit => self.commit()?,
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
        self.receiver.as_ref().map_or(self.tally, Receiver::tally)
    }
}

/// The server's end of a pull.
pub struct Giver {
    store: Arc<dyn ChunkRead>,
    sender: Sender,
    outbox: VecDeque<Message>,
    ranges: Ranges,
    asked_all: bool,
}

impl Giver {
    /// Gives contents out of `store`.
    pub fn new(store: Arc<dyn ChunkRead>) -> Giver {
        let (outbox, sender, ranges) = (VecDeque::new(), Sender::new(store.clone()), Ranges::default());
        Giver { store, sender, outbox, ranges, asked_all: false }
    }

    /// Whether this content can be had here. One that is damaged cannot, and others can.
    fn gives(&self, oid: &Oid) -> Result<bool, StoreError> {
        match content::is_whole(&*self.store, oid) {
            Err(error @ StoreError::Io { .. }) => Err(error),
            whole => Ok(whole.unwrap_or(false)),
        }
    }

    fn want(&mut self, wanted: Vec<Wanted>, last: bool, cold: bool) -> Result<(), SyncError> {
        if cold {
            self.sender.set_hint(Hint::Empty);
        }
        let mut absent = Vec::new();
        for Wanted { oid, base } in wanted {
            match self.gives(&oid)? {
                true => self.sender.enqueue(Outgoing { oid, base, unsure: false }),
                false => absent.push(oid),
            }
        }
        if !absent.is_empty() {
            self.outbox.push_back(Message::Absent(absent));
        }
        self.asked_all = last;
        Ok(())
    }
}

/// Which of the chunks that a client would push are not here.
fn weighed(store: &dyn ChunkRead, steps: &[Offer]) -> Result<Message, SyncError> {
    let mut need = Vec::new();
    for step in steps {
        let Offer::New(entries) = step else {
            return Err(SyncError::Protocol("a description that nobody asked for"));
        };
        for entry in entries {
            need.push(!store.admits(&entry.id)?);
        }
    }
    Ok(Message::Need(need))
}

impl Machine for Giver {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Want { wanted, last, cold } if !self.asked_all => self.want(wanted, last, cold),
            Message::Ask(asks) if !self.asked_all => {
                self.outbox.push_back(answer(&*self.store, &asks)?);
                Ok(())
            }
            Message::Offer(steps) if !self.asked_all => {
                self.outbox.push_back(weighed(&*self.store, &steps)?);
                Ok(())
            }
            Message::Range { oid, start, end, tree } if !self.asked_all => {
                self.ranges.add(&*self.store, &oid, start..end, tree)
            }
            Message::Need(bits) => self.sender.need(&bits),
            Message::Again(oids) => self.sender.again(&oids),
            Message::Wrong(id) => self.sender.wrong(id),
            Message::Lack(ids) => self.sender.lack(&ids),
            Message::Done { .. } => self.sender.done(),
            Message::Refuse { reason, text, challenges } => {
                Err(SyncError::Refused { reason, text, challenges })
            }
            _ => Err(SyncError::Protocol("a message out of place")),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if let Some(message) = self.outbox.pop_front() {
            return Ok(Some(message));
        }
        if let Some(message) = self.ranges.poll(&*self.store)? {
            return Ok(Some(message));
        }
        if let Some(message) = self.sender.poll()? {
            return Ok(Some(message));
        }
        Ok(if self.asked_all { self.sender.poll_commit(true) } else { None })
    }

    fn is_done(&self) -> bool {
        self.sender.is_done()
    }

    fn line(&mut self, bytes_per_second: u64) {
        self.sender.line(bytes_per_second);
    }

    fn silence_max(&self) -> Duration {
        if self.sender.is_committed() { COMMIT_SILENCE_MAX } else { SILENCE_MAX }
    }

    fn tally(&self) -> Tally {
        self.sender.tally()
    }
}
