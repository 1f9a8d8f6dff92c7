//! The question which contents a server holds for sure, and its answer.
//!
//! Asked at the start of a push, of new contents and bases; and by [`Asker`] alone in a stream of purpose pull,
//! by whoever wants to drop content here that can be had there. "Has" means *proved* and *whole*: a claim may be
//! a lie about somebody else's content, so it answers for nobody.

use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Ask, CONTENTS_MAX, Message};
use crate::wishes::Wishes;
use dits_format::{Oid, Proof};
use dits_store::{ChunkRead, StoreError, content};
use std::collections::VecDeque;

/// Answers for a store.
///
/// # Errors
/// Only when the store fails: a content that is damaged here is one we do not have.
pub(crate) fn answer(store: &dyn ChunkRead, asks: &[Ask]) -> Result<Message, SyncError> {
    let has = |ask: &Ask| match is_whole(store, ask) {
        Err(StoreError::Io { doing, path, source }) => Err(StoreError::Io { doing, path, source }.into()),
        whole => Ok(whole.unwrap_or(false)),
    };
    Ok(Message::Have(asks.iter().map(has).collect::<Result<_, SyncError>>()?))
}

fn is_whole(store: &dyn ChunkRead, ask: &Ask) -> Result<bool, StoreError> {
    // The honest content costs no chunk that is here, and has a binding of its own when a lie is found out.
    let Some(id) = ask.manifest else {
        let proved = |binding: &dits_format::Binding| binding.proof == Proof::Proved;
        return Ok(content::find_whole(store, &ask.oid, proved)?.is_some());
    };
    // Exactly this manifest: another one that is whole makes no base for splices.
    if !store.bindings(&ask.oid)?.iter().any(|binding| binding.manifest == id) {
        return Ok(false);
    }
    let manifest = content::manifest(store, &id)?;
    Ok(content::first_missing(store, &manifest)?.is_none())
}

/// The client's end of a stream that only asks.
#[derive(Debug)]
pub struct Asker {
    unasked: VecDeque<Oid>,
    /// Questions whose answer is open, with how many contents each is about.
    asked: VecDeque<usize>,
    wishes: Wishes,
    answers: Vec<bool>,
}

impl Asker {
    /// Asks about `oids`.
    pub fn new(oids: Vec<Oid>) -> Asker {
        let (asked, wishes, answers) = Default::default();
        Asker { unasked: oids.into(), asked, wishes, answers }
    }

    /// Whether the server has each content, in the order they were given.
    pub fn answers(&self) -> &[bool] {
        &self.answers
    }
}

impl Machine for Asker {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Have(bits) if self.asked.front() == Some(&bits.len()) => {
                self.asked.pop_front();
                self.answers.extend(bits);
                Ok(())
            }
            Message::Commit | Message::EarlyCommit if !self.asked.is_empty() => {
                Err(SyncError::Protocol("a message out of place"))
            }
            other => self.wishes.receive(other),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if !self.unasked.is_empty() {
            let count = self.unasked.len().min(CONTENTS_MAX);
            let asks = self.unasked.drain(..count).map(|oid| Ask { oid, manifest: None }).collect();
            self.asked.push_back(count);
            return Ok(Some(Message::Ask(asks)));
        }
        Ok(self.wishes.poll())
    }

    fn is_done(&self) -> bool {
        self.wishes.is_done()
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}
