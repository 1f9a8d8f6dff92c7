//! The rules of locks once more, as plainly as can be: a list of locks that is gone through from its beginning for every question.
//!
//! Places here are ASCII, so that one spelling is lower case and nothing more.

use dits_lock::ask::{Acquired, Denial, Released, Which};
use dits_lock::table::{Giving, Wish};
use dits_lock::{Branch, Change, Lock, LockId, LockPath, Mode};

/// All locks, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    pub locks: Vec<Lock>,
}

fn place(path: &LockPath) -> String {
    path.as_str().to_ascii_lowercase()
}

/// Whether a lock of the first place covers the second.
fn covers(above: &str, place: &str) -> bool {
    above == place || (above.ends_with('/') && place.starts_with(above))
}

pub fn overlap(a: &Lock, b: &Lock) -> bool {
    let (one, other) = (place(&a.path), place(&b.path));
    a.branch == b.branch && (covers(&one, &other) || covers(&other, &one))
}

/// Whether these two may be there at once.
pub fn may_stand(a: &Lock, b: &Lock) -> bool {
    a.owner == b.owner || (a.mode == Mode::Shared && b.mode == Mode::Shared) || !overlap(a, b)
}

impl Reference {
    /// Outcomes without the locks that refused ones name: of several it may be any.
    pub fn acquire(&mut self, wish: &Wish<'_>, now: u64, next: &mut u64) -> Vec<Acquired> {
        let before = (self.locks.clone(), *next);
        let mut outcomes: Vec<Acquired> = Vec::new();
        for item in wish.items {
            outcomes.push(match item {
                Err(denial) => Acquired::Refused(denial.clone()),
                Ok(path) => self.acquire_one(wish, path, now, next),
            });
        }
        if wish.all && outcomes.iter().any(|outcome| matches!(outcome, Acquired::Refused(_))) {
            (self.locks, *next) = before;
            let passed = |outcome: &mut Acquired| {
                if matches!(outcome, Acquired::Locked(_)) {
                    *outcome = Acquired::Passed;
                }
            };
            outcomes.iter_mut().for_each(passed);
        }
        outcomes
    }

    fn acquire_one(&mut self, wish: &Wish<'_>, path: &LockPath, now: u64, next: &mut u64) -> Acquired {
        let mut new = Lock {
            id: LockId(*next),
            path: path.clone(),
            branch: wish.branch.clone(),
            owner: wish.who.into(),
            mode: wish.mode,
            at: now,
            reason: wish.reason.map(str::to_owned),
            expires: wish.lease.map(|lease| now + lease),
            change: None,
            held: true,
        };
        if let Some(other) = self.locks.iter().find(|other| !may_stand(&new, other)) {
            return Acquired::Refused(Denial::Held(other.clone()));
        }
        let is_same = |lock: &&mut Lock| {
            lock.owner == new.owner && lock.branch == new.branch && place(&lock.path) == place(path)
        };
        if let Some(own) = self.locks.iter_mut().find(is_same) {
            new = Lock { id: own.id, path: own.path.clone(), at: own.at, change: own.change.clone(), ..new };
            new.reason = new.reason.or(own.reason.take());
            *own = new.clone();
        } else {
            *next += 1;
            self.locks.push(new.clone());
        }
        Acquired::Locked(new)
    }

    pub fn release(&mut self, giving: &Giving<'_>) -> Vec<Released> {
        let before = self.locks.clone();
        // Each is looked up as things were before the first is gone.
        let outcomes: Vec<Released> =
            giving.which.iter().map(|which| self.release_one(&before, giving, which)).collect();
        if giving.all && outcomes.iter().any(|outcome| matches!(outcome, Released::Refused(_))) {
            self.locks = before;
            let passed = |outcome: Released| match outcome {
                Released::Refused(_) => outcome,
                _ => Released::Passed,
            };
            return outcomes.into_iter().map(passed).collect();
        }
        outcomes
    }

    fn release_one(&mut self, before: &[Lock], giving: &Giving<'_>, which: &Which) -> Released {
        let is_meant = |lock: &&Lock| match which {
            Which::Id(id) => lock.id == *id,
            Which::Path(text) => {
                text.to_ascii_lowercase() == place(&lock.path)
                    && giving.branch.is_none_or(|branch| *branch == lock.branch)
            }
        };
        let mut all: Vec<&Lock> = before.iter().filter(is_meant).collect();
        // The first is the one that is told.
        all.sort_by_key(|lock| (lock.branch.clone(), lock.id));
        let own: Vec<&Lock> = all.iter().copied().filter(|lock| lock.owner == giving.who).collect();
        let (meant, is_own) = if own.is_empty() { (all, false) } else { (own, true) };
        let Some(first) = meant.first() else { return Released::Refused(Denial::NotLocked) };
        if !(is_own || giving.force && giving.admin) {
            return Released::Refused(Denial::NotYours((*first).clone()));
        }
        let mut branches: Vec<Branch> = meant.iter().map(|lock| lock.branch.clone()).collect();
        branches.sort();
        branches.dedup();
        if branches.len() > 1 {
            return Released::Refused(Denial::Ambiguous { branches });
        }
        let mut told = None;
        for lock in meant {
            let outcome = if lock.change.is_some() && !giving.force {
                let left = Lock { held: false, expires: None, ..lock.clone() };
                self.locks
                    .iter_mut()
                    .filter(|other| other.id == lock.id)
                    .for_each(|other| *other = left.clone());
                Released::Retained(left)
            } else {
                self.locks.retain(|other| other.id != lock.id);
                Released::Unlocked(lock.clone())
            };
            told.get_or_insert(outcome);
        }
        told.expect("one was meant")
    }

    pub fn pushed(
        &mut self,
        who: &str,
        to: &Branch,
        commit: &str,
        files: &[(String, Option<String>)],
        now: u64,
    ) {
        for lock in self.locks.iter_mut().filter(|lock| lock.owner == who && lock.branch != *to) {
            let above = place(&lock.path);
            // The last of its files.
            let Some((_, blob)) = files.iter().rev().find(|(key, _)| covers(&above, key)) else { continue };
            let blob = blob.clone().filter(|_| !above.ends_with('/'));
            lock.change = Some(Change { branch: to.clone(), commit: commit.into(), blob, at: now });
            (lock.held, lock.expires) = (false, None);
        }
    }

    pub fn settle(&mut self, ids: &[LockId]) {
        let is_settled = |lock: &Lock| ids.contains(&lock.id) && lock.change.is_some();
        self.locks.retain(|lock| lock.held || !is_settled(lock));
        self.locks.iter_mut().filter(|lock| is_settled(lock)).for_each(|lock| lock.change = None);
    }

    pub fn expire(&mut self, now: u64) {
        let is_over = |lock: &Lock| lock.expires.is_some_and(|end| end <= now);
        self.locks.retain(|lock| !is_over(lock) || lock.change.is_some());
        for lock in self.locks.iter_mut().filter(|lock| is_over(lock)) {
            (lock.held, lock.expires) = (false, None);
        }
    }

    pub fn stops(&self, who: &str, branch: &Branch, file: &str) -> bool {
        let covering =
            || self.locks.iter().filter(|lock| lock.branch == *branch && covers(&place(&lock.path), file));
        let takes_part = covering().any(|lock| lock.owner == who);
        covering().any(|lock| lock.owner != who && (lock.mode == Mode::Exclusive || !takes_part))
    }
}
