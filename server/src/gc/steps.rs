//! For tests: a push and a collector that go on one step at a time, so that any order of their steps can be tried.
//!
//! The push is the real machines, the real check of the hook, and a ref that is only said to move.

use super::realm::{Collector, Report};
use super::refs::Refs;
use super::{GcError, Options};
use crate::guard::Guard;
use crate::testing::{Content, NOW, Realm, pusher};
use dits_format::{Oid, Pointer};
use dits_hooks::PreReceiveEnv;
use dits_hooks::pre_receive::approve;
use dits_repo::discover::Found;
use dits_store::PackStore;
use dits_sync::machine::Machine;
use dits_sync::push::{Pusher, Taker};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// Refs without Git: for each repository the contents that they reach.
#[derive(Default)]
pub(crate) struct Fake(RefCell<HashMap<String, (u64, HashSet<Oid>)>>);

impl Fake {
    pub fn change(&self, repository: &str, change: impl FnOnce(&mut HashSet<Oid>)) {
        let mut all = self.0.borrow_mut();
        let (state, contents) = all.entry(repository.to_owned()).or_default();
        *state += 1;
        change(contents);
    }

    pub fn all(&self) -> Vec<(String, Oid)> {
        let all = self.0.borrow();
        all.iter().flat_map(|(name, (_, oids))| oids.iter().map(|oid| (name.clone(), *oid))).collect()
    }
}

impl Refs for Fake {
    fn hosts(&self, repository: &str) -> bool {
        self.0.borrow().contains_key(repository)
    }

    fn state(&self, repository: &str) -> Result<Option<Vec<u8>>, GcError> {
        Ok(self.0.borrow().get(repository).map(|(state, _)| state.to_le_bytes().to_vec()))
    }

    fn reached(&self, repository: &str) -> Result<HashSet<Oid>, GcError> {
        Ok(self.0.borrow().get(repository).map(|(_, oids)| oids.clone()).unwrap_or_default())
    }
}

/// A push in steps: each message of the client, the hook's check, the move of the ref, the end of Git.
pub(crate) struct Push<'a> {
    realm: &'a Realm,
    refs: &'a Fake,
    repository: &'a str,
    content: &'a Content,
    /// None for somebody who pushes the ref alone.
    stream: Option<(Pusher, Guard<Taker>)>,
    pub file: PathBuf,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Streaming,
    Streamed,
    Approved,
    Moved,
    Done,
    Failed,
}

impl<'a> Push<'a> {
    pub fn new(
        realm: &'a Realm,
        refs: &'a Fake,
        repository: &'a str,
        content: &'a Content,
        with_content: bool,
        number: usize,
    ) -> Push<'a> {
        let stream = with_content.then(|| (pusher(&[content]), realm.taker(repository, Some(&[repository]))));
        let state = if with_content { State::Streaming } else { State::Streamed };
        let file = realm.layout.pushes("team").join(format!("{number:032x}"));
        Push { realm, refs, repository, content, stream, file, state }
    }

    pub fn step(&mut self) {
        self.state = match self.state {
            State::Streaming => self.say(),
            State::Streamed => {
                let found = Found {
                    pointer: Pointer::new(self.content.oid, self.content.manifest.size),
                    path: b"x".to_vec(),
                    base: None,
                    commit: None,
                };
                let env = PreReceiveEnv {
                    store_dir: self.realm.layout.store("team"),
                    contents: self.realm.layout.ledgers(self.repository).0,
                    push: self.file.clone(),
                    now: NOW,
                    repository: PathBuf::new(),
                };
                if approve(&env, vec![found]).is_ok() { State::Approved } else { State::Failed }
            }
            State::Approved => {
                self.refs.change(self.repository, |oids| {
                    oids.insert(self.content.oid);
                });
                State::Moved
            }
            State::Moved => {
                std::fs::remove_file(&self.file).unwrap();
                State::Done
            }
            ended => ended,
        };
    }

    fn say(&mut self) -> State {
        let (left, right) = self.stream.as_mut().unwrap();
        let mut step = || {
            if let Some(message) = left.poll()? {
                right.receive(message)?;
                while let Some(answer) = right.poll()? {
                    left.receive(answer)?;
                }
            }
            Ok::<_, dits_sync::SyncError>(left.is_done())
        };
        match step() {
            Ok(true) => State::Streamed,
            Ok(false) => State::Streaming,
            Err(_) => State::Failed,
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Done | State::Failed)
    }
}

/// A collector in steps.
pub(crate) struct Gc<'a> {
    collector: Option<Collector<'a>>,
    marked: bool,
    more: bool,
}

impl<'a> Gc<'a> {
    pub fn new(realm: &'a Realm, refs: &'a Fake, store: &'a PackStore, options: &'a Options) -> Gc<'a> {
        let collector = Collector::new(&realm.layout, &realm.contents, refs, "team", store, options);
        Gc { collector: Some(collector), marked: false, more: true }
    }

    pub fn step(&mut self) -> Option<Report> {
        let collector = self.collector.as_mut()?;
        if !self.marked {
            collector.mark().unwrap();
            self.marked = true;
        } else if self.more {
            self.more = collector.slice().unwrap() && collector.left() > 0;
        } else {
            return Some(self.collector.take().unwrap().finish().unwrap());
        }
        None
    }
}
