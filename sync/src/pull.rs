//! Fetching contents: [`Puller`] at the client, [`Giver`] at the server.
//!
//! Puller: `Want` → Giver: `Offer` → `Need` → `Chunks` … → `Commit` → `Done`, and `Absent` for what the giver
//! does not have. `Ask`, as in a push, may come before the list of wanted contents is closed, and is answered
//! with `Have`; an `Offer` of new chunks alone is answered with `Need`, so a push can be weighed without writing. The roles of a push, turned round: what is here already is not sent, whatever file or
//! version it came with. The puller leaves contents *claimed*; hydration compares the oid of every file it
//! writes.

use crate::ask::answer;
use crate::machine::{COMMIT_SILENCE_MAX, Machine, SILENCE_MAX, SyncError, Tally};
use crate::message::{Message, Offer, Wanted};
use crate::receiver::Receiver;
use crate::sender::{Outgoing, Sender};
use crate::wishes::Wishes;
use dits_format::Oid;
use dits_store::{ChunkRead, ChunkWrite, StoreError, content};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The client's end of a pull.
pub struct Puller {
    wishes: Wishes,
    receiver: Option<Receiver>,
    tally: Tally,
}

impl Puller {
    /// Fetches `oids` into `store`.
    pub fn new(store: &(impl ChunkWrite + Clone + 'static), oids: Vec<Oid>) -> Result<Puller, StoreError> {
        let receiver = Some(Receiver::new(store, false)?);
        Ok(Puller { wishes: Wishes::new(oids), receiver, tally: Tally::default() })
    }

    /// Wanted contents that the server does not have.
    pub fn absent(&self) -> &[Oid] {
        self.wishes.absent()
    }

    /// Ends a broken pull: keeps the chunks that came, binds nothing.
    pub fn salvage(self) -> Result<(), StoreError> {
        self.receiver.map_or(Ok(()), Receiver::salvage)
    }
}

impl Machine for Puller {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        let over = SyncError::Protocol("a message after the commit");
        match message {
            Message::Absent(oids) => self.wishes.are_absent(oids),
            Message::Offer(steps) => {
                let bits = self.receiver.as_mut().ok_or(over)?.offer(steps)?;
                self.wishes.say(Message::Need(bits));
            }
            Message::Chunks(chunks) => self.receiver.as_mut().ok_or(over)?.chunks(chunks)?,
            Message::Commit => {
                let receiver = self.receiver.take().ok_or(over)?;
                self.tally = receiver.tally();
                let (contents, _) = receiver.commit()?;
                self.wishes.say(Message::Done { contents, proved: 0 });
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
        self.receiver.as_ref().map_or(self.tally, Receiver::tally)
    }
}

/// The server's end of a pull.
pub struct Giver {
    store: Arc<dyn ChunkRead>,
    sender: Sender,
    outbox: VecDeque<Message>,
    asked_all: bool,
    committed: bool,
    done: bool,
}

impl Giver {
    /// Gives contents out of `store`.
    pub fn new(store: Arc<dyn ChunkRead>) -> Giver {
        let (outbox, sender) = (VecDeque::new(), Sender::new(store.clone()));
        Giver { store, sender, outbox, asked_all: false, committed: false, done: false }
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
            need.push(!store.has(&entry.id)?);
        }
    }
    Ok(Message::Need(need))
}

impl Machine for Giver {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Want { wanted, last } if !self.asked_all => {
                let mut absent = Vec::new();
                for Wanted { oid, .. } in wanted {
                    match content::is_whole(&*self.store, &oid) {
                        Ok(true) => self.sender.enqueue(Outgoing { oid, base: None }),
                        Err(error @ StoreError::Io { .. }) => return Err(error.into()),
                        // One that is damaged here cannot be had here, and the others can.
                        Ok(false) | Err(_) => absent.push(oid),
                    }
                }
                if !absent.is_empty() {
                    self.outbox.push_back(Message::Absent(absent));
                }
                self.asked_all = last;
                Ok(())
            }
            Message::Ask(asks) if !self.asked_all => {
                self.outbox.push_back(answer(&*self.store, &asks)?);
                Ok(())
            }
            Message::Offer(steps) if !self.asked_all => {
                self.outbox.push_back(weighed(&*self.store, &steps)?);
                Ok(())
            }
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
        if let Some(message) = self.outbox.pop_front() {
            return Ok(Some(message));
        }
        if let Some(message) = self.sender.poll()? {
            return Ok(Some(message));
        }
        if self.asked_all && self.sender.is_idle() && !self.committed {
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
        self.sender.tally()
    }
}
