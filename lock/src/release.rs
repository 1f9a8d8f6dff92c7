//! Unlocking: what a wish to unlock means, and what it would do.
//!
//! A lock is named by its id or its place. A place means the caller's own lock of it where there is one, else those of others, which
//! only an admin may take away, by force. A lock with a change on its way is not given up but retained, unless by force.

use crate::ask::{Denial, Released, Which};
use crate::event::{Event, What, Why};
use crate::model::{Branch, Lock};
use crate::path::LockPath;
use crate::table::{Plan, Table, gone, retained};
use std::collections::BTreeSet;

/// A wish to unlock, with texts read.
#[derive(Debug, Clone)]
pub struct Giving<'a> {
    /// Who wishes.
    pub who: &'a str,
    /// Whether that one may take locks away from others.
    pub admin: bool,
    /// Which locks.
    pub which: &'a [Which],
    /// Only of this target branch.
    pub branch: Option<&'a Branch>,
    /// Also of others, and also what is retained.
    pub force: bool,
    /// All or none.
    pub all: bool,
}

impl Table {
    /// What a wish to unlock would do.
    pub fn release(&self, giving: &Giving<'_>, now: u64) -> Plan<Released> {
        let mut plan: Plan<Released> =
            Plan { outcomes: Vec::with_capacity(giving.which.len()), events: Vec::new() };
        let mut touched = BTreeSet::new();
        for which in giving.which {
            let outcome = match self.meant(giving, which) {
                Err(denial) => Released::Refused(denial),
                Ok(locks) => {
                    let outcomes = locks.into_iter().map(|lock| {
                        let (outcome, event) = release_one(giving, lock, now);
                        plan.events.extend(event.filter(|_| touched.insert(lock.id)));
                        outcome
                    });
                    // All of them, of which the first is told.
                    outcomes.collect::<Vec<_>>().swap_remove(0)
                }
            };
            plan.outcomes.push(outcome);
        }
        if giving.all && plan.outcomes.iter().any(|outcome| matches!(outcome, Released::Refused(_))) {
            plan.events.clear();
            let passed = |outcome: &mut Released| {
                if !matches!(outcome, Released::Refused(_)) {
                    *outcome = Released::Passed;
                }
            };
            plan.outcomes.iter_mut().for_each(passed);
        }
        plan
    }

    /// The locks that a wish to unlock means: at least one, and all may be taken away.
    fn meant(&self, giving: &Giving<'_>, which: &Which) -> Result<Vec<&Lock>, Denial> {
        let of_branch = |lock: &&Lock| giving.branch.is_none_or(|branch| *branch == lock.branch);
        let there: Vec<&Lock> = match which {
            Which::Id(id) => self.get(*id).into_iter().collect(),
            Which::Path(text) => {
                let path = LockPath::parse(text).map_err(|why| Denial::Path { why: why.to_string() })?;
                let key = path.key();
                self.branches().flat_map(|branch| self.at(branch, &key)).filter(of_branch).collect()
            }
        };
        let own: Vec<&Lock> = there.iter().copied().filter(|lock| lock.owner == giving.who).collect();
        let meant = if own.is_empty() { there } else { own };
        let first = *meant.first().ok_or(Denial::NotLocked)?;
        if first.owner != giving.who && !(giving.force && giving.admin) {
            return Err(Denial::NotYours(first.clone()));
        }
        let branches: BTreeSet<Branch> = meant.iter().map(|lock| lock.branch.clone()).collect();
        if branches.len() > 1 {
            return Err(Denial::Ambiguous { branches: branches.into_iter().collect() });
        }
        Ok(meant)
    }
}

fn release_one(giving: &Giving<'_>, lock: &Lock, now: u64) -> (Released, Option<Event>) {
    let by = Some(giving.who.to_owned());
    if lock.change.is_some() && !giving.force {
        let left = retained(lock);
        let event = Event { at: now, by, what: What::Changed, lock: left.clone() };
        return (Released::Retained(left), Some(event).filter(|_| lock.held));
    }
    let why = if lock.owner == giving.who { Why::Released } else { Why::Forced };
    (Released::Unlocked(lock.clone()), Some(gone(now, by.as_deref(), why, lock)))
}
