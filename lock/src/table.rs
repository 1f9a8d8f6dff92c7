//! The locks of one repository, and the rules.
//!
//! Every wish becomes a [`Plan`]: outcomes for the one who asked, and events. A plan changes nothing; [`Table::apply`] does,
//! once the events are durable. Plans are made one after the other, each on the table after the one before. Before any of them
//! [`Table::expired`] is asked and applied: to the rest a lock is there until it is taken out.
//!
//! Time is an argument. [`Table::now`] is the time to use: the clock's, but never before the last event's, so a clock
//! that jumps back ends no lease late and begins none in the past.
//!
//! Rules: two locks *overlap* when they are of one branch and one place, or one is of a folder above the other. Locks of different owners
//! overlap only when both are shared. A push of a path is refused where somebody else's lock covers it, unless all of these
//! are shared and the pusher has one that covers it too.
//!
//! Costs: a wish costs what its items cost, each the logarithm of the table and the locks below it.

use crate::ask::{Acquired, Denial, List};
use crate::event::{Event, What, Why};
use crate::model::{Branch, Change, Lock, LockId, Mode};
use crate::path::{LockPath, folders_above};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

pub use crate::release::Giving;

/// Locks of one repository.
pub const LOCKS_MAX: usize = 100_000;

/// Outcomes of a wish, and what happens if they are to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<T> {
    /// One for each item, in order.
    pub outcomes: Vec<T>,
    /// What to make durable, then to apply.
    pub events: Vec<Event>,
}

/// A wish for locks, with texts read.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// Who wishes.
    pub who: &'a str,
    /// The target branch.
    pub branch: &'a Branch,
    /// The places, or why one cannot be had.
    pub items: &'a [Result<LockPath, Denial>],
    /// Alone or not.
    pub mode: Mode,
    /// What for; `None` keeps what a lock already says.
    pub reason: Option<&'a str>,
    /// Seconds that it is good for; `None`: until it is given up.
    pub lease: Option<u64>,
    /// All or none.
    pub all: bool,
}

/// All locks of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    locks: BTreeMap<LockId, Lock>,
    places: BTreeMap<(Branch, String), BTreeSet<LockId>>,
    ends: BTreeSet<(u64, LockId)>,
    latest: u64,
}

impl Table {
    /// The table of these locks, after events until `latest`.
    pub fn new(locks: impl IntoIterator<Item = Lock>, latest: u64) -> Table {
        let mut table = Table { latest, ..Table::default() };
        locks.into_iter().for_each(|lock| table.put(lock));
        table
    }

    /// The time that counts here when the clock says `clock`.
    pub fn now(&self, clock: u64) -> u64 {
        clock.max(self.latest)
    }

    /// The lock of an id.
    pub fn get(&self, id: LockId) -> Option<&Lock> {
        self.locks.get(&id)
    }

    /// All locks, by id.
    pub fn locks(&self) -> impl DoubleEndedIterator<Item = &Lock> {
        self.locks.values()
    }

    /// How many locks there are.
    pub fn len(&self) -> usize {
        self.locks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    /// What it does that leases are over at `now`: a lock whose change is on its way is retained, the others go.
    pub fn expired(&self, now: u64) -> Vec<Event> {
        let over = self.ends.iter().take_while(|(end, _)| *end <= now);
        let ended = |lock: &Lock| match lock.change {
            Some(_) => Event { at: now, by: None, what: What::Changed, lock: retained(lock) },
            None => gone(now, None, Why::Expired, lock),
        };
        over.map(|(_, id)| ended(&self.locks[id])).collect()
    }

    /// When the next lease is over.
    pub fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// What a wish for locks would do. New locks get ids from `next` on, which is moved on.
    pub fn acquire(&self, wish: &Wish<'_>, now: u64, next: &mut u64) -> Plan<Acquired> {
        let first = *next;
        let mut plan: Plan<Acquired> =
            Plan { outcomes: Vec::with_capacity(wish.items.len()), events: Vec::new() };
        let mut done: HashMap<String, usize> = HashMap::new();
        for item in wish.items {
            let outcome = match item {
                Err(denial) => Acquired::Refused(denial.clone()),
                Ok(path) => match done.get(&path.key()) {
                    Some(before) => plan.outcomes[*before].clone(),
                    None => {
                        done.insert(path.key(), plan.outcomes.len());
                        self.acquire_one(wish, path, now, (first, next), &mut plan.events)
                    }
                },
            };
            plan.outcomes.push(outcome);
        }
        let refused = plan.outcomes.iter().any(|outcome| matches!(outcome, Acquired::Refused(_)));
        if wish.all && refused {
            *next = first;
            plan.events.clear();
            plan.outcomes.iter_mut().for_each(|outcome| {
                if matches!(outcome, Acquired::Locked(_)) {
                    *outcome = Acquired::Passed;
                }
            });
        }
        plan
    }

    fn acquire_one(
        &self,
        wish: &Wish<'_>,
        path: &LockPath,
        now: u64,
        (first, next): (u64, &mut u64),
        events: &mut Vec<Event>,
    ) -> Acquired {
        let key = path.key();
        let both_shared = |other: &Lock| other.mode == Mode::Shared && wish.mode == Mode::Shared;
        let stands_in_the_way = |other: &&Lock| other.owner != wish.who && !both_shared(other);
        if let Some(other) = self.overlapping(wish.branch, &key).find(stands_in_the_way) {
            return Acquired::Refused(Denial::Held(other.clone()));
        }
        let own = self.at(wish.branch, &key).find(|lock| lock.owner == wish.who);
        let expires = wish.lease.map(|seconds| now.saturating_add(seconds));
        let reason = wish.reason.map(str::to_owned);
        let (what, lock) = match own {
            Some(own) => {
                let reason = reason.or_else(|| own.reason.clone());
                (What::Changed, Lock { held: true, mode: wish.mode, expires, reason, ..own.clone() })
            }
            None if self.locks.len() as u64 + (*next - first) >= LOCKS_MAX as u64 => {
                return Acquired::Refused(Denial::TooMany);
            }
            None => {
                let id = LockId(*next);
                *next += 1;
                let new = Lock::taken(id, path.clone(), wish.branch.clone(), wish.who, now);
                (What::Locked, Lock { mode: wish.mode, reason, expires, ..new })
            }
        };
        if own != Some(&lock) {
            events.push(Event { at: now, by: Some(wish.who.into()), what, lock: lock.clone() });
        }
        Acquired::Locked(lock)
    }

    /// What stands in the way of a push to `branch` that changes the file of this key.
    pub fn in_the_way(&self, who: &str, branch: &Branch, key: &str) -> impl Iterator<Item = &Lock> {
        let covering: Vec<&Lock> = self.covering(branch, key).collect();
        let takes_part = covering.iter().any(|lock| lock.owner == who);
        let stands = move |lock: &&Lock| lock.owner != who && (lock.mode == Mode::Exclusive || !takes_part);
        covering.into_iter().filter(stands)
    }

    /// What it does that `who` has pushed changes of files to `pushed`: locks that are meant for another branch are
    /// retained. `files` are keys and Git's object names, `None` for what was deleted.
    pub fn pushed(
        &self,
        who: &str,
        pushed: &Branch,
        commit: &str,
        files: &[(String, Option<String>)],
        now: u64,
    ) -> Vec<Event> {
        let mut events = BTreeMap::new();
        for (key, blob) in files {
            for branch in self.branches().filter(|branch| *branch != pushed) {
                for lock in self.covering(branch, key).filter(|lock| lock.owner == who) {
                    let blob = blob.clone().filter(|_| !lock.path.is_prefix());
                    let change = Change { branch: pushed.clone(), commit: commit.into(), blob, at: now };
                    let lock = Lock { change: Some(change), ..retained(lock) };
                    events
                        .insert(lock.id, Event { at: now, by: Some(who.into()), what: What::Changed, lock });
                }
            }
        }
        events.into_values().collect()
    }

    /// The locks of a target branch that wait for a change to arrive there.
    pub fn waiting<'a>(&'a self, branch: &'a Branch) -> impl Iterator<Item = &'a Lock> {
        self.locks().filter(move |lock| lock.branch == *branch && lock.change.is_some())
    }

    /// What it does that the changes of these locks have arrived, or (`Why::Abandoned`) never will.
    pub fn settled(&self, ids: &[LockId], why: Why, now: u64) -> Vec<Event> {
        let waiting = ids.iter().filter_map(|id| self.get(*id)).filter(|lock| lock.change.is_some());
        let settle = |lock: &Lock| match lock.held {
            true => {
                Event { at: now, by: None, what: What::Changed, lock: Lock { change: None, ..lock.clone() } }
            }
            false => gone(now, None, why, lock),
        };
        waiting.map(settle).collect()
    }

    /// The locks that a list asks for, by id, and whether it left some out.
    ///
    /// # Errors
    /// [`Denial::Path`] when the branch or the path is none.
    pub fn list(&self, list: &List) -> Result<(Vec<Lock>, bool), Denial> {
        let wrong = |why: String| Denial::Path { why };
        let branch =
            list.branch.as_deref().map(Branch::parse).transpose().map_err(|e| wrong(e.to_string()))?;
        let path = list.path.as_deref().map(LockPath::parse).transpose().map_err(|e| wrong(e.to_string()))?;
        let key = path.map(|path| path.key());
        let ids: Box<dyn Iterator<Item = LockId>> = match (&key, list.id) {
            (_, Some(id)) => Box::new(std::iter::once(id)),
            (Some(key), None) => {
                let covering = self.branches().flat_map(|branch| self.covering(branch, key));
                Box::new(covering.map(|lock| lock.id).collect::<BTreeSet<_>>().into_iter())
            }
            (None, None) => {
                let after = list.after.map_or(Unbounded, Excluded);
                Box::new(self.locks.range((after, Unbounded)).map(|(id, _)| *id))
            }
        };
        let ids = ids.filter(|id| list.after.is_none_or(|after| *id > after));
        let fits = |lock: &&Lock| branch.as_ref().is_none_or(|branch| *branch == lock.branch);
        let mut locks = ids.filter_map(|id| self.get(id)).filter(fits);
        let some: Vec<Lock> = locks.by_ref().take(list.limit.unwrap_or(usize::MAX)).cloned().collect();
        Ok((some, locks.next().is_some()))
    }

    /// Takes in what has happened.
    pub fn apply(&mut self, event: &Event) {
        self.latest = self.latest.max(event.at);
        self.take(event.lock.id);
        if !matches!(event.what, What::Unlocked(_)) {
            self.put(event.lock.clone());
        }
    }

    fn put(&mut self, lock: Lock) {
        self.places.entry((lock.branch.clone(), lock.path.key())).or_default().insert(lock.id);
        self.ends.extend(lock.expires.map(|end| (end, lock.id)));
        self.locks.insert(lock.id, lock);
    }

    fn take(&mut self, id: LockId) {
        let Some(lock) = self.locks.remove(&id) else { return };
        let place = (lock.branch.clone(), lock.path.key());
        if let Some(ids) = self.places.get_mut(&place) {
            ids.remove(&id);
            if ids.is_empty() {
                self.places.remove(&place);
            }
        }
        if let Some(end) = lock.expires {
            self.ends.remove(&(end, id));
        }
    }

    /// The branches that have locks, in order.
    pub fn branches(&self) -> impl Iterator<Item = &Branch> {
        let mut last = self.places.keys().next();
        std::iter::from_fn(move || {
            let (branch, _) = last?;
            // The first place after all of this branch: its name with the least that can follow.
            let beyond = (branch.clone(), "\u{10ffff}".to_owned());
            last = self.places.range(beyond..).map(|(place, _)| place).find(|(other, _)| other != branch);
            Some(branch)
        })
    }

    /// The locks of exactly this place.
    pub(crate) fn at(&self, branch: &Branch, key: &str) -> impl Iterator<Item = &Lock> {
        let ids = self.places.get(&(branch.clone(), key.to_owned()));
        ids.into_iter().flatten().map(|id| &self.locks[id])
    }

    /// The locks of this place and of the folders above it.
    pub fn covering(&self, branch: &Branch, key: &str) -> impl Iterator<Item = &Lock> {
        let places = folders_above(key).chain([key]);
        places.flat_map(|place| self.at(branch, place)).collect::<Vec<_>>().into_iter()
    }

    /// Those and, of a folder, the locks inside.
    fn overlapping(&self, branch: &Branch, key: &str) -> impl Iterator<Item = &Lock> {
        let inside = key.ends_with('/').then(|| self.places.range((branch.clone(), key.to_owned())..));
        let is_inside =
            |((other, place), _): &(&(Branch, String), _)| *other == *branch && place.starts_with(key);
        let inside = inside.into_iter().flatten().take_while(is_inside).flat_map(|(_, ids)| ids);
        let inside: Vec<&Lock> = inside.map(|id| &self.locks[id]).collect();
        self.covering(branch, key).chain(inside)
    }
}

/// A lock that its owner no longer works on.
pub(crate) fn retained(lock: &Lock) -> Lock {
    Lock { held: false, expires: None, ..lock.clone() }
}

pub(crate) fn gone(at: u64, by: Option<&str>, why: Why, lock: &Lock) -> Event {
    Event { at, by: by.map(str::to_owned), what: What::Unlocked(why), lock: lock.clone() }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
