//! What a server does around its machines: holding the store for a moment, and noting what it answered.
//!
//! A collector may take contents away between two messages of a stream, and never in the middle of one: each message
//! is handled under a lease of the store. An answer "it is here" is noted as a lease of the content before it goes out, and
//! what a push has brought or found here is attached to the repository before `Done` does. So whoever was told "yes" finds it
//! for as long as the collector's grace lasts, and whoever was told "done" may move his refs.
//!
//! The filter of a realm's chunks tells of chunks that a caller may not know of: whoever does not see the whole
//! realm is told that there is none.

use crate::contents::{Contents, ContentsError};
use crate::view::View;
use dits_format::{Binding, Oid, Proof};
use dits_store::{ChunkRead, PackStore, StoreError};
use dits_sync::machine::{Machine, SyncError, Tally};
use dits_sync::message::{Ask, Message};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Where a guard notes things.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    pub contents: Arc<Contents>,
    pub store: PackStore,
    pub view: View,
    pub realm: String,
    pub repository: String,
    /// The time, in seconds since 1970.
    pub clock: fn() -> u64,
}

/// What a machine has bound; none for one that only gives.
type Bound<M> = fn(&M) -> &[Binding];

/// A machine of the server, guarded.
pub(crate) struct Guard<M> {
    machine: M,
    keeper: Keeper,
    bound: Option<Bound<M>>,
    /// Questions without answer yet.
    asked: VecDeque<Vec<Ask>>,
    had: Vec<Oid>,
    outbox: VecDeque<Message>,
}

impl<M: Machine> Guard<M> {
    /// Guards a machine that gives.
    pub fn giving(machine: M, keeper: Keeper) -> Guard<M> {
        Guard {
            machine,
            keeper,
            bound: None,
            asked: VecDeque::new(),
            had: Vec::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Guards a machine that takes; `bound` tells what it bound when it says `Done`.
    pub fn taking(machine: M, keeper: Keeper, bound: Bound<M>) -> Guard<M> {
        Guard { bound: Some(bound), ..Guard::giving(machine, keeper) }
    }

    /// The machine.
    pub fn into_inner(self) -> M {
        self.machine
    }

    /// Takes the answers that are due and notes what they say. One who gives has much more to say, which waits.
    fn answer(&mut self) -> Result<(), SyncError> {
        while self.bound.is_some() || !self.asked.is_empty() {
            let Some(message) = self.machine.poll()? else { return Ok(()) };
            match &message {
                Message::Have(bits) => self.note_had(bits)?,
                Message::Done { .. } if self.bound.is_some() => self.attach()?,
                _ => {}
            }
            self.outbox.push_back(message);
        }
        Ok(())
    }

    fn note_had(&mut self, bits: &[bool]) -> Result<(), SyncError> {
        let asks = self.asked.pop_front().unwrap_or_default();
        let had: Vec<&Ask> = asks.iter().zip(bits).filter(|(_, has)| **has).map(|(ask, _)| ask).collect();
        let oids: Vec<Oid> = had.iter().map(|ask| ask.oid).collect();
        // A base is needed for a while, too; it is no content of this push.
        self.had.extend(had.iter().filter(|ask| ask.manifest.is_none()).map(|ask| ask.oid));
        let Keeper { contents, realm, clock, .. } = &self.keeper;
        if oids.is_empty() { Ok(()) } else { Ok(contents.lease(realm, &oids, clock())?) }
    }

    fn attach(&mut self) -> Result<(), SyncError> {
        let mut attached = self.bound.map(|bound| bound(&self.machine).to_vec()).unwrap_or_default();
        for oid in &self.had {
            let known = self.keeper.view.bindings(oid)?;
            attached.extend(known.iter().filter(|binding| binding.proof == Proof::Proved));
        }
        let Keeper { contents, store, repository, clock, .. } = &self.keeper;
        contents.attach(repository, store, &attached, clock()).map_err(|error| match error {
            ContentsError::Store(error) => error.into(),
            ContentsError::Repo(error) => {
                let error = std::io::Error::other(error.to_string());
                SyncError::Store(StoreError::io("list the refs of", repository.as_ref())(error))
            }
        })
    }
}

impl<M: Machine> Machine for Guard<M> {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        let store = self.keeper.store.clone();
        let _lease = store.lease()?;
        match &message {
            Message::FilterAsk { .. } if self.keeper.view.is_partial() => {
                self.outbox.push_back(Message::Filter { epoch: 0, part: Vec::new(), last: true });
                return Ok(());
            }
            Message::Ask(asks) => self.asked.push_back(asks.clone()),
            _ => {}
        }
        // What another process took away since must not be taken for here. Chunks rely on nothing that was found.
        if !matches!(message, Message::Chunks(_) | Message::Early(_) | Message::Need(_)) {
            store.refresh()?;
        }
        self.machine.receive(message)?;
        self.answer()
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        match self.outbox.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.machine.poll(),
        }
    }

    fn is_done(&self) -> bool {
        self.outbox.is_empty() && self.machine.is_done()
    }

    fn line(&mut self, bytes_per_second: u64) {
        self.machine.line(bytes_per_second);
    }

    fn silence_max(&self) -> Duration {
        self.machine.silence_max()
    }

    fn tally(&self) -> Tally {
        self.machine.tally()
    }
}
