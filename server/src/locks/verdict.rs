//! Whether a push may go on, as far as locks are concerned: judged file by file as the hook names them. Pure.
//!
//! What counts is the net difference of a branch: a file that changes there must not be covered by somebody else's lock for that
//! branch ([`Table::in_the_way`]). One thing may pass a lock: the very change that its owner has pushed elsewhere, so that
//! others can merge it. Locks for other targets refuse nothing; they are warned of. The pusher's own for other targets
//! are noted: they are retained when the push is over.

use dits_lock::path::key;
use dits_lock::push::{Changed, Move, Verdict};
use dits_lock::{Branch, Lock, LockId, Table};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::reserve::{FILES_MAX, Places};

/// A lock of the pusher's own that a move meets in another branch than its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Own {
    /// By which of the moves.
    pub of: usize,
    /// The lock.
    pub lock: LockId,
    /// The file, and as what it was pushed.
    pub file: (String, Option<String>),
}

/// Somebody else's lock of a folder, of which a change was pushed elsewhere: whether this file is of that change only Git
/// can tell.
#[derive(Debug)]
pub(super) struct Doubt {
    pub file: Changed,
    pub lock: Lock,
}

/// What is known of a push so far.
#[derive(Debug)]
pub(super) struct Case {
    pub who: String,
    pub moves: Vec<Move>,
    pub verdict: Verdict,
    own: BTreeMap<(usize, LockId), (String, Option<String>)>,
    changed: BTreeMap<usize, BTreeSet<String>>,
}

impl Case {
    pub fn new(who: &str, moves: Vec<Move>) -> Case {
        Case {
            who: who.into(),
            moves,
            verdict: Verdict::default(),
            own: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Judges branches that go.
    pub fn judge_deletions(&mut self, table: &Table) {
        for gone in self.moves.iter().filter(|gone| gone.new.is_none()) {
            let of_others = |lock: &&Lock| lock.branch == gone.branch && lock.owner != self.who;
            table.locks().filter(of_others).for_each(|lock| self.verdict.refused.add(None, lock));
        }
    }

    /// Judges files of one move, as seen from `target`; `None` when there is no such move.
    pub fn judge(
        &mut self,
        table: &Table,
        of: usize,
        target: &Branch,
        files: Vec<Changed>,
    ) -> Option<Vec<Doubt>> {
        let is_of_its_branch = self.moves.get(of)?.branch == *target;
        let mut doubts = Vec::new();
        for file in files {
            let key = key(&file.path);
            if is_of_its_branch {
                doubts.extend(self.judge_one(table, target, &key, &file));
                let changed = self.changed.entry(of).or_default();
                // One more than fits says that it is too many.
                if changed.len() <= FILES_MAX {
                    changed.insert(key);
                }
                continue;
            }
            if let Some(lock) = table.in_the_way(&self.who, target, &key).next() {
                self.verdict.warned.add(Some(&file.path), lock);
            }
            for lock in table.covering(target, &key).filter(|lock| lock.owner == self.who) {
                self.own.insert((of, lock.id), (key.clone(), file.blob.clone()));
            }
        }
        Some(doubts)
    }

    fn judge_one(&mut self, table: &Table, target: &Branch, key: &str, file: &Changed) -> Option<Doubt> {
        let mut doubt = None;
        for lock in table.in_the_way(&self.who, target, key) {
            match &lock.change {
                Some(change) if !lock.path.is_prefix() && change.blob == file.blob => {}
                Some(_) if lock.path.is_prefix() && doubt.is_none() => {
                    doubt = Some(Doubt { file: file.clone(), lock: lock.clone() });
                }
                _ => {
                    self.verdict.refused.add(Some(&file.path), lock);
                    return None;
                }
            }
        }
        doubt
    }

    /// Whether it may go on.
    pub fn is_fine(&self) -> bool {
        self.verdict.refused.count == 0
    }

    /// What it reserves from here on: a new branch, one that goes, and one in which very much changes, as a whole.
    pub fn reserves(&mut self) -> BTreeMap<Branch, Places> {
        let mut places = BTreeMap::new();
        for (of, one) in self.moves.iter().enumerate() {
            let files = self.changed.remove(&of).unwrap_or_default();
            let is_whole = one.old.is_none() || one.new.is_none() || files.len() > FILES_MAX;
            places.insert(one.branch.clone(), if is_whole { Places::All } else { Places::Files(files) });
        }
        places
    }

    /// The pusher's own locks that it meets.
    pub fn own(&self) -> Vec<Own> {
        let own = self.own.iter();
        own.map(|(&(of, lock), file)| Own { of, lock, file: file.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_lock::{Change, LockPath};

    fn branch(name: &str) -> Branch {
        Branch::parse(name).unwrap()
    }

    fn lock(id: u64, path: &str, target: &str, owner: &str) -> Lock {
        Lock::taken(LockId(id), LockPath::parse(path).unwrap(), branch(target), owner, 5)
    }

    fn pushed(lock: Lock, blob: Option<&str>) -> Lock {
        let change =
            Change { branch: branch("task"), commit: "c1".into(), blob: blob.map(str::to_owned), at: 6 };
        Lock { change: Some(change), held: false, ..lock }
    }

    fn moving(name: &str) -> Move {
        Move { branch: branch(name), old: Some("1".into()), new: Some("2".into()) }
    }

    fn file(path: &str, blob: &str) -> Changed {
        Changed { path: path.into(), blob: Some(blob.into()) }
    }

    fn table() -> Table {
        let locks = [
            lock(1, "a", "main", "ann"),
            pushed(lock(2, "b", "main", "ann"), Some("b2")),
            lock(3, "maps/", "main", "ann"),
            pushed(lock(4, "sounds/", "main", "ann"), None),
            lock(5, "c", "main", "bob"),
        ];
        Table::new(locks, 9)
    }

    #[test]
    fn somebody_elses_lock_of_the_branch_refuses_and_of_another_warns() {
        let table = table();
        let mut case = Case::new("bob", vec![moving("main"), moving("task")]);
        let files = ["A", "maps/x/y", "c", "free"].map(|path| file(path, "7")).to_vec();
        assert!(case.judge(&table, 0, &branch("main"), files.clone()).unwrap().is_empty());
        let named: Vec<_> = case.verdict.refused.named.iter().map(|one| one.path.clone().unwrap()).collect();
        assert_eq!((named, case.is_fine()), (vec!["A".to_owned(), "maps/x/y".into()], false));

        let mut case = Case::new("bob", vec![moving("main"), moving("task")]);
        case.judge(&table, 1, &branch("task"), files.clone()).unwrap();
        case.judge(&table, 1, &branch("main"), files).unwrap();
        assert!(case.is_fine() && case.verdict.warned.count == 2);
        let own = Own { of: 1, lock: LockId(5), file: ("c".into(), Some("7".into())) };
        assert_eq!(case.own(), [own]);
        assert!(case.judge(&table, 2, &branch("main"), Vec::new()).is_none(), "there is no third move");
    }

    #[test]
    fn the_owners_own_change_may_be_brought_by_others() {
        let mut case = Case::new("bob", vec![moving("main")]);
        assert!(case.judge(&table(), 0, &branch("main"), vec![file("b", "b2")]).unwrap().is_empty());
        assert!(case.is_fine());
        case.judge(&table(), 0, &branch("main"), vec![file("b", "b3")]).unwrap();
        assert!(!case.is_fine());
        let mut case = Case::new("bob", vec![moving("main")]);
        let gone = Changed { path: "b".into(), blob: None };
        case.judge(&table(), 0, &branch("main"), vec![gone]).unwrap();
        assert!(!case.is_fine(), "it was not deleted there");
        let mut case = Case::new("bob", vec![moving("main")]);
        let doubts = case.judge(&table(), 0, &branch("main"), vec![file("sounds/s", "7")]).unwrap();
        assert!(case.is_fine() && doubts.len() == 1);
    }

    #[test]
    fn a_branch_that_others_have_locks_for_does_not_go() {
        let gone = Move { new: None, ..moving("main") };
        let mut case = Case::new("bob", vec![gone.clone()]);
        case.judge_deletions(&table());
        assert_eq!(case.verdict.refused.count, 4);
        let mut case = Case::new("bob", vec![Move { branch: branch("task"), ..gone }]);
        case.judge_deletions(&table());
        assert!(case.is_fine());
    }

    #[test]
    fn what_changes_is_reserved_and_no_more() {
        let new = Move { old: None, ..moving("new") };
        let mut case = Case::new("bob", vec![moving("main"), new, moving("much")]);
        case.judge(&Table::default(), 0, &branch("main"), vec![file("X", "7")]).unwrap();
        let much = (0..=FILES_MAX).map(|i| file(&i.to_string(), "7")).collect();
        case.judge(&Table::default(), 2, &branch("much"), much).unwrap();
        let reserved = case.reserves();
        assert_eq!(reserved[&branch("main")], Places::Files(BTreeSet::from(["x".to_owned()])));
        assert_eq!((&reserved[&branch("new")], &reserved[&branch("much")]), (&Places::All, &Places::All));
    }
}
