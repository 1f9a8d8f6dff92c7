//! What a push has done to locks, once it is over.
//!
//! Of the branches that have really moved: the pusher's own locks that are meant for another branch are retained for the change,
//! unless it is in that branch already. Then the locks that wait for a change in one of these branches: a change that is in
//! its target now has landed, one that is no longer in the branch it was pushed to is lost, and its lock abandoned.
//!
//! Doing it twice does no harm, so it is done again when it is not known whether it was done. Fails as [`LocksError`].

use super::pending::Pending;
use super::{Locks, LocksError, tip};
use crate::door::now;
use crate::git::Git;
use dits_lock::table::Plan;
use dits_lock::{Branch, Change, Event, Lock, LockId, LockPath, Table, Why};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::task::block_in_place;

/// Where it happened.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub locks: &'a Locks,
    pub git: &'a Git,
    pub repository: &'a str,
    pub folder: &'a Path,
}

/// Does what a push does to locks. Says no when the push may yet go on: then it is to be done again. That cannot be when it
/// `is_over`.
pub(super) async fn settle(place: Place<'_>, pending: &Pending, is_over: bool) -> Result<bool, LocksError> {
    if is_over && pending.own.is_empty() && !place.look(|table| touches(table, pending))? {
        return Ok(true);
    }
    let (moved, is_sure) = place.moved(pending, is_over).await?;
    if !moved.is_empty() {
        place.retain(pending, &moved).await?;
        let branches = moved.iter().map(|of| &pending.moves[*of].branch).collect();
        place.release(&branches).await?;
    }
    Ok(is_sure)
}

/// Whether a push moves what locks wait for.
pub(super) fn touches(table: &Table, pending: &Pending) -> bool {
    let moving: BTreeSet<&Branch> = pending.moves.iter().map(|one| &one.branch).collect();
    table.locks().any(|lock| waits_in(lock, &moving))
}

fn waits_in(lock: &Lock, branches: &BTreeSet<&Branch>) -> bool {
    let change = lock.change.as_ref();
    change.is_some_and(|change| branches.contains(&lock.branch) || branches.contains(&change.branch))
}

/// A change of a lock, and a branch that it may be in.
type Asked<'a> = (&'a LockPath, &'a Change, &'a Branch);

fn in_target(lock: &Lock) -> Option<Asked<'_>> {
    Some((&lock.path, lock.change.as_ref()?, &lock.branch))
}

fn in_source(lock: &Lock) -> Option<Asked<'_>> {
    let change = lock.change.as_ref()?;
    Some((&lock.path, change, &change.branch))
}

impl Place<'_> {
    fn look<T>(&self, look: impl FnOnce(&Table) -> T) -> Result<T, LocksError> {
        block_in_place(|| self.locks.look(self.repository, now(), look))
    }

    fn change(&self, events: impl FnOnce(&Table, u64) -> Vec<Event>) -> Result<(), LocksError> {
        let plan = |table: &Table, now: u64, _: &mut u64| Plan::<()> {
            outcomes: Vec::new(),
            events: events(table, now),
        };
        block_in_place(|| self.locks.change(self.repository, now(), plan)).map(drop)
    }

    /// Which of the moves have come true, and whether that is all that can be said.
    async fn moved(&self, pending: &Pending, is_over: bool) -> Result<(Vec<usize>, bool), LocksError> {
        let names: Vec<String> = pending.moves.iter().map(|one| one.branch.full()).collect();
        let tips = tip::objects(self.git, self.folder, &names).await.map_err(LocksError::Git)?;
        let (mut moved, mut is_sure) = (Vec::new(), true);
        for (of, (one, tip)) in pending.moves.iter().zip(tips).enumerate() {
            if tip == one.new {
                moved.push(of);
            } else if tip == one.old {
                is_sure &= is_over;
            } else if let (Some(new), Some(tip)) = (&one.new, &tip) {
                // Somebody has pushed after it.
                let contains = tip::contains(self.git, self.folder, tip, new).await;
                moved.extend(contains.map_err(LocksError::Git)?.then_some(of));
            }
        }
        Ok((moved, is_sure))
    }

    async fn arrived(&self, asked: &[Asked<'_>]) -> Result<Vec<bool>, LocksError> {
        tip::have_arrived(self.git, self.folder, asked).await.map_err(LocksError::Git)
    }

    /// Retains the pusher's locks for what was pushed.
    async fn retain(&self, pending: &Pending, moved: &[usize]) -> Result<(), LocksError> {
        let planned = self.look(|table| retained(table, pending, moved, table.now(now())))?;
        let asked: Vec<Asked<'_>> = planned.iter().filter_map(|event| in_target(&event.lock)).collect();
        let arrived = self.arrived(&asked).await?;
        let waiting = planned.iter().zip(arrived).filter(|(_, arrived)| !arrived);
        let waiting: BTreeSet<LockId> = waiting.map(|(event, _)| event.lock.id).collect();
        self.change(|table, now| {
            let mut events = retained(table, pending, moved, now);
            events.retain(|event| waiting.contains(&event.lock.id));
            events
        })
    }

    /// Releases the locks whose change has landed by what happened to these branches, or is lost.
    async fn release(&self, branches: &BTreeSet<&Branch>) -> Result<(), LocksError> {
        let waiting = self.look(|table| {
            table.locks().filter(|lock| waits_in(lock, branches)).cloned().collect::<Vec<Lock>>()
        })?;
        let asked: Vec<Asked<'_>> =
            waiting.iter().flat_map(|lock| in_target(lock).into_iter().chain(in_source(lock))).collect();
        let arrived = self.arrived(&asked).await?;
        let outcome = |(lock, arrived): (&Lock, &[bool])| match (arrived, lock.change.as_ref()) {
            ([true, _], _) => Some(Why::Landed),
            ([_, false], Some(change)) if branches.contains(&change.branch) => Some(Why::Abandoned),
            _ => None,
        };
        let outcomes: Vec<Option<Why>> = waiting.iter().zip(arrived.chunks_exact(2)).map(outcome).collect();
        self.change(|table, now| {
            // What has another change by now was not looked at.
            let same = |lock: &&Lock| table.get(lock.id).is_some_and(|now| now.change == lock.change);
            let settled = |why: Why| {
                let of = waiting.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Some(why));
                let ids: Vec<LockId> = of.map(|(lock, _)| lock).filter(same).map(|lock| lock.id).collect();
                table.settled(&ids, why, now)
            };
            [settled(Why::Landed), settled(Why::Abandoned)].concat()
        })
    }
}

/// The locks that a push retains, if its change has not arrived.
fn retained(table: &Table, pending: &Pending, moved: &[usize], now: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for own in pending.own.iter().filter(|own| moved.contains(&own.of)) {
        let Some(one) = pending.moves.get(own.of) else { continue };
        let Some(commit) = &one.new else { continue };
        let files = std::slice::from_ref(&own.file);
        let of_all = table.pushed(&pending.who, &one.branch, commit, files, now);
        events.extend(of_all.into_iter().filter(|event| event.lock.id == own.lock));
    }
    events
}
