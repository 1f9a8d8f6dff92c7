//! Pushing contents: [`Pusher`] at the client, [`Taker`] at the server.
//!
//! Pusher: `Ask` (new contents and bases) → Taker: `Have` → `Offer` → `Need` → `Chunks` … → `Commit` → `Done`.
//! A content the taker has whole is not mentioned again: moving or copying a file costs one question of 33
//! bytes. Bases are asked about by manifest, as a splice is meaningless against another cutting of the same
//! content.

use crate::ask::answer;
use crate::machine::{COMMIT_SILENCE_MAX, Machine, SILENCE_MAX, SyncError, Tally};
use crate::message::{Ask, CONTENTS_MAX, Message};
use crate::receiver::Receiver;
use crate::sender::{Outgoing, Sender, is_absence};
use dits_format::{Binding, ChunkId, Oid};
use dits_store::{ChunkRead, ChunkWrite, StoreError, content};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

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
    /// What each open `Ask` was about: the item and, if asked about, its base's manifest.
    asked: VecDeque<Vec<(PushItem, Option<ChunkId>)>>,
    sender: Sender,
    committed: bool,
    done: bool,
    tally: Tally,
}

impl Pusher {
    /// Pushes `items` out of `store`. Each content is asked about once.
    pub fn new(store: Arc<dyn ChunkRead>, items: Vec<PushItem>) -> Pusher {
        let mut seen = HashSet::new();
        let unasked = items.into_iter().filter(|item| seen.insert(item.oid)).collect();
        let sender = Sender::new(store.clone());
        let asked = VecDeque::new();
        Pusher { store, unasked, asked, sender, committed: false, done: false, tally: Tally::default() }
    }

    fn ask(&mut self) -> Result<Message, SyncError> {
        let (mut asks, mut about) = (Vec::new(), Vec::new());
        while asks.len() + 2 <= CONTENTS_MAX
            && let Some(item) = self.unasked.pop_front()
        {
            asks.push(Ask { oid: item.oid, manifest: None });
            let base = match item.base.filter(|base| *base != item.oid) {
                Some(oid) => self.base_manifest(&oid)?,
                None => None,
            };
            if let Some((oid, id)) = base {
                asks.push(Ask { oid, manifest: Some(id) });
            }
            about.push((item, base.map(|(_, id)| id)));
        }
        self.asked.push_back(about);
        Ok(Message::Ask(asks))
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
        for (item, base) in about {
            let has_content = *bits.next().ok_or_else(short)?;
            let has_base = base.is_some() && *bits.next().ok_or_else(short)?;
            self.tally.contents += 1;
            self.tally.content_bytes += item.size;
            if has_content {
                self.tally.contents_had += 1;
            } else {
                self.sender.enqueue(Outgoing { oid: item.oid, base: base.filter(|_| has_base) });
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
            Message::Done { .. } if self.committed && !self.done => {
                self.done = true;
                Ok(())
            }
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
        if self.asked.is_empty() && self.sender.is_idle() && !self.committed {
            self.committed = true;
            return Ok(Some(Message::Commit));
        }
        Ok(None)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn silence_max(&self) -> Duration {
        if self.committed { COMMIT_SILENCE_MAX } else { SILENCE_MAX }
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

/// The server's end of a push.
pub struct Taker {
    store: Arc<dyn ChunkRead>,
    receiver: Option<Receiver>,
    outbox: VecDeque<Message>,
    claimed: Vec<Binding>,
    done: bool,
    tally: Tally,
}

impl Taker {
    /// Takes contents into `store`.
    pub fn new(store: &(impl ChunkWrite + Clone + 'static)) -> Result<Taker, StoreError> {
        let receiver = Some(Receiver::new(store, true)?);
        let (outbox, claimed) = Default::default();
        Ok(Taker {
            store: Arc::new(store.clone()),
            receiver,
            outbox,
            claimed,
            done: false,
            tally: Tally::default(),
        })
    }

    /// Contents that were bound and must still be proved.
    pub fn claimed(&self) -> &[Binding] {
        &self.claimed
    }

    /// Ends a broken push: keeps the chunks that came, binds nothing.
    pub fn salvage(self) -> Result<(), StoreError> {
        self.receiver.map_or(Ok(()), Receiver::salvage)
    }

    fn receiver(&mut self) -> Result<&mut Receiver, SyncError> {
        self.receiver.as_mut().ok_or(SyncError::Protocol("a message after the commit"))
    }
}

impl Machine for Taker {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Ask(asks) => {
                self.outbox.push_back(answer(&*self.store, &asks)?);
            }
            Message::Offer(steps) => {
                let bits = self.receiver()?.offer(steps)?;
                self.outbox.push_back(Message::Need(bits));
            }
            Message::Chunks(chunks) => self.receiver()?.chunks(chunks)?,
            Message::Commit => {
                let receiver = self.receiver.take().ok_or(SyncError::Protocol("a second commit"))?;
                self.tally = receiver.tally();
                let (contents, claimed) = receiver.commit()?;
                let proved = contents - claimed.len() as u64;
                self.claimed = claimed;
                self.outbox.push_back(Message::Done { contents, proved });
            }
            Message::Refuse { reason, text, challenges } => {
                return Err(SyncError::Refused { reason, text, challenges });
            }
            _ => return Err(SyncError::Protocol("a message out of place")),
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        let message = self.outbox.pop_front();
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
