//! Which contents of a realm stay, and why.
//!
//! | reason | as long as |
//! | --- | --- |
//! | a ref or reflog of a repository reaches it | it does |
//! | a push has the hook's yes and Git has not ended | at most [`PUSH_MAX`], should nobody be left to say that it ended |
//! | it is attached to a name without Git repository here | always: its refs are at another host; unless the owner says so |
//! | somebody was told that it is here, or it was attached | the grace |
//! | it is claimed | until it is proved or refuted |
//!
//! [`Keep::look`] reads on where it stopped, so it may be asked again and again. Ledgers come first, then pushes, then
//! refs: what leaves one of them has reached the next. Whatever is added to a ledger after the first look stays for
//! this run, whatever the grace.

use super::refs::Refs;
use super::{GcError, Options};
use crate::contents::Contents;
use crate::layout::Layout;
use dits_format::Oid;
use dits_format::ledger::Entry;
use dits_store::ledger::Position;
use dits_store::{Ledger, PackStore, StoreError, durable};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Seconds after which a push that nobody ended is over: its server was killed.
pub(crate) const PUSH_MAX: u64 = 24 * 60 * 60;

/// Why a content stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A ref or a reflog reaches it.
    Referenced,
    /// A push is about to move a ref to it.
    Pushed,
    /// It belongs to a name without Git repository.
    Unhosted,
    /// It was attached, or somebody was told of it, a short while ago.
    Recent,
    /// Nobody knows yet whether it is what it says.
    Claimed,
}

/// The contents of one realm that stay.
pub(crate) struct Keep<'a> {
    layout: &'a Layout,
    contents: &'a Contents,
    refs: &'a dyn Refs,
    realm: &'a str,
    options: &'a Options,
    pub started: u64,
    kept: HashMap<Oid, Why>,
    /// Kept since somebody asked for them.
    fresh: Vec<Oid>,
    /// What pushes under way are about to refer to, also if something else does.
    pushed: HashSet<Oid>,
    ends: HashMap<PathBuf, Position>,
    /// Entries of each ledger at the first look. Those after them count in any case.
    firsts: HashMap<PathBuf, usize>,
    has_looked: bool,
    states: HashMap<String, Option<Vec<u8>>>,
    reached: HashMap<String, HashSet<Oid>>,
}

impl<'a> Keep<'a> {
    pub fn new(
        layout: &'a Layout,
        contents: &'a Contents,
        refs: &'a dyn Refs,
        realm: &'a str,
        options: &'a Options,
    ) -> Keep<'a> {
        let (kept, fresh, pushed, ends, firsts, states, reached) = Default::default();
        let (started, has_looked) = (options.now, false);
        Keep {
            layout,
            contents,
            refs,
            realm,
            options,
            started,
            kept,
            fresh,
            pushed,
            ends,
            firsts,
            has_looked,
            states,
            reached,
        }
    }

    /// Lets a content stay.
    pub fn keep(&mut self, oid: Oid, why: Why) {
        let known = self.kept.entry(oid).or_insert_with(|| {
            self.fresh.push(oid);
            why
        });
        *known = why.min(*known);
    }

    pub fn has(&self, oid: &Oid) -> bool {
        self.kept.contains_key(oid)
    }

    /// What stays, with the first reason of each.
    pub fn all(&self) -> &HashMap<Oid, Why> {
        &self.kept
    }

    /// What stays since this was asked for the last time.
    pub fn take_fresh(&mut self) -> Vec<Oid> {
        std::mem::take(&mut self.fresh)
    }

    fn is_recent(&self, seconds: u64) -> bool {
        seconds.saturating_add(self.options.grace) > self.started
    }

    /// Reads everything there is, and later everything that is new.
    pub fn look(&mut self, store: &PackStore) -> Result<(), GcError> {
        let repositories = self.layout.repositories(self.realm)?;
        for repository in &repositories {
            self.contents.ensure(repository, store).map_err(GcError::Contents)?;
        }
        self.look_at_ledgers()?;
        for repository in repositories {
            let state = self.refs.state(&repository)?;
            let is_new = self.states.get(&repository) != Some(&state);
            if is_new && state.is_some() {
                let reached = self.refs.reached(&repository)?;
                reached.iter().for_each(|oid| self.keep(*oid, Why::Referenced));
                self.reached.insert(repository.clone(), reached);
            }
            self.states.insert(repository, state);
        }
        self.has_looked = true;
        Ok(())
    }

    /// The part of [`Keep::look`] that takes no time.
    pub fn look_at_ledgers(&mut self) -> Result<(), GcError> {
        for entry in self.read(&self.layout.leases(self.realm), false)? {
            self.keep(Oid(entry.id), Why::Recent);
        }
        for repository in self.layout.repositories(self.realm)? {
            let ledger = self.layout.ledgers(&repository).0;
            let hosted = self.refs.hosts(&repository) || self.options.also.contains(&repository);
            for entry in self.read(&ledger, !hosted)? {
                self.keep(Oid(entry.id), if hosted { Why::Recent } else { Why::Unhosted });
            }
        }
        self.look_at_pushes()
    }

    /// What is new in a ledger and counts: everything, or what is recent.
    fn read(&mut self, path: &Path, everything: bool) -> Result<Vec<Entry>, GcError> {
        let known = self.ends.get(path).copied();
        let part = Ledger::at(path).read(known)?;
        if everything && part.damaged > 0 {
            return Err(GcError::Ledger { path: path.to_owned(), damaged: part.damaged });
        }
        self.ends.insert(path.to_owned(), part.end);
        let mut entries = part.entries;
        if !self.has_looked {
            self.firsts.insert(path.to_owned(), entries.len());
        }
        entries.retain(|entry| everything || self.has_looked || self.is_recent(entry.seconds));
        Ok(entries)
    }

    fn look_at_pushes(&mut self) -> Result<(), GcError> {
        let folder = self.layout.pushes(self.realm);
        let files = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            files => files.map_err(StoreError::io("list", &folder))?,
        };
        for path in files.flatten().map(|file| file.path()) {
            let modified = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok();
            let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            if since.is_some_and(|since| since.as_secs().saturating_add(PUSH_MAX) < self.started) {
                if !self.options.dry_run {
                    durable::remove_file(&path)?;
                }
                continue;
            }
            for entry in Ledger::at(&path).read(None)?.entries {
                self.keep(Oid(entry.id), Why::Pushed);
                self.pushed.insert(Oid(entry.id));
            }
        }
        Ok(())
    }

    /// Writes the ledgers anew without what no longer counts. The refs must have been looked at just now.
    pub fn tidy(&self) -> Result<(), GcError> {
        let stays = |entry: &Entry| self.is_recent(entry.seconds);
        self.rewrite(self.layout.leases(self.realm), stays)?;
        for (repository, state) in &self.states {
            let (attached, arrived) = self.layout.ledgers(repository);
            self.rewrite(arrived, stays)?;
            if state.is_none() && !self.options.also.contains(repository) {
                continue;
            }
            let reached = self.reached.get(repository);
            self.rewrite(attached, |entry| {
                let oid = Oid(entry.id);
                let is_reached = reached.is_some_and(|reached| reached.contains(&oid));
                is_reached || stays(entry) || self.pushed.contains(&oid)
            })?;
        }
        Ok(())
    }

    fn rewrite(&self, path: PathBuf, stays: impl Fn(&Entry) -> bool) -> Result<(), StoreError> {
        let first = self.firsts.get(&path).copied().unwrap_or_default();
        Ledger::at(path).rewrite(|mut all| {
            let later = all.split_off(first.min(all.len()));
            all.retain(stays);
            all.extend(later);
            // Of entries that say the same the newest is enough.
            all.sort_unstable_by_key(|entry| (entry.id, entry.manifest, std::cmp::Reverse(entry.seconds)));
            all.dedup_by_key(|entry| (entry.id, entry.manifest));
            all.sort_unstable_by_key(|entry| entry.seconds);
            all
        })
    }
}
