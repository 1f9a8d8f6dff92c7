//! The client's side of a stream of purpose pull, as far as all that use one do the same.
//!
//! Wanted contents are listed, `Absent` answers for those that there are not; when the last of the list was sent and
//! the server says `Commit`, `Done` ends the stream. A stream that only asks wants nothing: one empty list.

use crate::machine::SyncError;
use crate::message::{CONTENTS_MAX, Message, Wanted};
use dits_format::Oid;
use std::collections::VecDeque;

/// The contents that a client wants, until they are asked for, and those it cannot have.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    wanted: VecDeque<Wanted>,
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
        Wishes { wanted: wanted.into(), cold, ..Wishes::default() }
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
            Message::Refuse { reason, text, .. } => Err(SyncError::Refused { reason, text }),
            _ => Err(SyncError::Protocol("a message out of place")),
        }
    }

    pub(crate) fn are_absent(&mut self, oids: Vec<Oid>) {
        self.absent.extend(oids);
    }

    pub(crate) fn absent(&self) -> &[Oid] {
        &self.absent
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }
}
