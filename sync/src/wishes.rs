//! The client's side of a stream of purpose pull, as far as all that use one do the same.
//!
//! Wanted contents are listed, `Absent` answers for those that there are not; when the last of the list was sent and
//! the server says `Commit`, `Done` ends the stream. A stream that only asks wants nothing: one empty list.
//!
//! Always holds: a server describes what was wanted, and that once; else it could fill memory and disk with other things.

use crate::machine::SyncError;
use crate::message::{CONTENTS_MAX, Message, Offer, Wanted};
use dits_format::Oid;
use std::collections::{HashMap, VecDeque};

/// The contents that a client wants, until they are asked for, and those it cannot have.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    wanted: VecDeque<Wanted>,
    /// How often the server may still speak of each.
    open: HashMap<Oid, u32>,
    /// Whether the server may send without waiting for answers.
    cold: bool,
    asked_all: bool,
    absent: Vec<Oid>,
    outbox: VecDeque<Message>,
    /// `Done` is said, or about to be.
    is_over: bool,
    done: bool,
}

impl Wishes {
    pub(crate) fn new(wanted: Vec<Wanted>, cold: bool) -> Wishes {
        let mut open = HashMap::new();
        wanted.iter().for_each(|wanted| *open.entry(wanted.oid).or_default() += 1);
        Wishes { wanted: wanted.into(), open, cold, ..Wishes::default() }
    }

    /// Contents without bases.
    pub(crate) fn plain(oids: Vec<Oid>) -> Wishes {
        Wishes::new(oids.into_iter().map(|oid| Wanted { oid, base: None }).collect(), false)
    }

    /// The next part of the list, or after it what else is to be said.
    pub(crate) fn poll(&mut self) -> Option<Message> {
        if !self.asked_all {
            let next = self.wanted.drain(..self.wanted.len().min(CONTENTS_MAX));
            let wanted = next.collect();
            self.asked_all = self.wanted.is_empty();
            return Some(Message::Want { wanted, last: self.asked_all, cold: self.cold });
        }
        let message = self.outbox.pop_front();
        self.done |= matches!(message, Some(Message::Done { .. }));
        message
    }

    pub(crate) fn say(&mut self, message: Message) {
        self.outbox.push_back(message);
    }

    /// What is the same for all that take no contents: the end, and everything out of place.
    pub(crate) fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            // Nobody who gets here asks for a chunk, so an early commit counts.
            Message::Commit | Message::EarlyCommit if self.asked_all && !self.is_over => {
                self.is_over = true;
                self.say(Message::Done { contents: 0, proved: 0 });
                Ok(())
            }
            Message::Refuse { reason, text, challenges } => {
                Err(SyncError::Refused { reason, text, challenges })
            }
            _ => Err(SyncError::Protocol("a message out of place")),
        }
    }

    pub(crate) fn are_absent(&mut self, oids: Vec<Oid>) -> Result<(), SyncError> {
        oids.iter().try_for_each(|oid| self.comes(oid))?;
        self.note_absent(oids);
        Ok(())
    }

    /// The same when it was checked already.
    pub(crate) fn note_absent(&mut self, oids: Vec<Oid>) {
        self.absent.extend(oids);
    }

    /// Checks that a description is of what was wanted.
    pub(crate) fn are_described(&mut self, steps: &[Offer]) -> Result<(), SyncError> {
        for step in steps {
            if let Offer::Content { manifest, .. } = step {
                self.comes(&manifest.oid)?;
            }
        }
        Ok(())
    }

    /// These are to be described once more.
    pub(crate) fn will_come_again(&mut self, answers: &[Message]) {
        for answer in answers {
            let Message::Again(oids) = answer else { continue };
            oids.iter().for_each(|oid| *self.open.entry(*oid).or_default() += 1);
        }
    }

    fn comes(&mut self, oid: &Oid) -> Result<(), SyncError> {
        match self.open.get_mut(oid) {
            Some(times @ 1..) => {
                *times -= 1;
                Ok(())
            }
            _ => Err(SyncError::Protocol("a content that nobody wants")),
        }
    }

    pub(crate) fn absent(&self) -> &[Oid] {
        &self.absent
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }
}
