//! Whether a push changes files that somebody has locked: the decision, and its words.
//!
//! Pure: what the push changes comes from `lock_changes`, the locks from whoever keeps them (`lock_gate`). The rule is the
//! server's own ([`Table::in_the_way`]). Locks of other branches refuse nothing; their owners are named in a warning, as the change will get
//! in their way when it reaches that branch.
//!
//! Texts are those of git-lfs. Paths and names end on a terminal, so control characters are shown as `?`.

use dits_lock::{Branch, Lock, LockPath, Table};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Files named in a text of ours; the rest is counted.
const NAMED_MAX: usize = 100;

/// What a push does to a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchChange {
    /// The branch at the remote.
    pub branch: Branch,
    /// What happens there.
    pub what: What,
}

/// What happens to a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// These files change, are new or go; paths from the top, as Git has them.
    Files(Vec<Vec<u8>>),
    /// It goes.
    Deleted,
}

/// A changed file and a lock on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The file; of a branch that goes, the lock's place.
    pub path: String,
    /// The branch that is pushed to.
    pub branch: Branch,
    /// The lock.
    pub lock: Lock,
}

/// What a push meets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Locks of others, which refuse it.
    pub theirs: Vec<Hit>,
    /// Locks of the pusher.
    pub ours: Vec<Hit>,
    /// Locks of others that are meant for another branch.
    pub elsewhere: Vec<Hit>,
}

/// Whether there is anything that a lock could be on.
pub fn changes_any(changes: &[BranchChange]) -> bool {
    changes.iter().any(|change| change.what != What::Files(Vec::new()))
}

/// Whether any lock is on what changes, whoever holds it.
pub fn meets_any(changes: &[BranchChange], table: &Table) -> bool {
    // To nobody all locks are others'.
    let verdict = judge(changes, table, "");
    !(verdict.theirs.is_empty() && verdict.ours.is_empty() && verdict.elsewhere.is_empty())
}

/// What a push by `who` meets.
pub fn judge(changes: &[BranchChange], table: &Table, who: &str) -> Verdict {
    let mut verdict = Verdict::default();
    if table.is_empty() {
        return verdict;
    }
    for BranchChange { branch, what } in changes {
        let hit =
            |path: &str, lock: &Lock| Hit { path: shown(path), branch: branch.clone(), lock: lock.clone() };
        let What::Files(paths) = what else {
            let locks = table.locks().filter(|lock| lock.branch == *branch && lock.owner != who);
            verdict.theirs.extend(locks.map(|lock| hit(lock.path.as_str(), lock)));
            continue;
        };
        for path in paths {
            let (text, Some(key)) = (String::from_utf8_lossy(path), key(path)) else { continue };
            verdict.theirs.extend(table.in_the_way(who, branch, &key).map(|lock| hit(&text, lock)));
            let ours = table.covering(branch, &key).find(|lock| lock.owner == who);
            verdict.ours.extend(ours.map(|lock| hit(&text, lock)));
            let others = table.branches().filter(|other| *other != branch);
            let elsewhere = others.flat_map(|other| table.in_the_way(who, other, &key));
            verdict.elsewhere.extend(elsewhere.map(|lock| hit(&text, lock)));
        }
    }
    verdict
}

/// The key of a file, as far as locks are concerned: one whose name no lock can have is still covered by locks of folders above it.
fn key(path: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(path);
    if let Ok(path) = LockPath::parse(&text) {
        return Some(path.key());
    }
    let folders = text.match_indices('/').map(|(at, _)| &text[..=at]);
    let folder = folders.rev().find_map(|folder| LockPath::parse(folder).ok())?;
    Some(folder.key() + "?")
}

fn shown(text: &str) -> String {
    text.replace(char::is_control, "?")
}

impl Verdict {
    /// Why the push is refused, if it is.
    pub fn refusal(&self) -> Option<String> {
        if self.theirs.is_empty() {
            return None;
        }
        let lines = self.theirs.iter().map(|hit| format!("* {} - {}", hit.path, shown(&hit.lock.owner)));
        Some(list("Unable to push locked files:", lines) + "\nCannot update locked files.")
    }

    /// What the pusher holds himself.
    pub fn reminder(&self) -> Option<String> {
        let paths: BTreeSet<&str> = self.ours.iter().map(|hit| &hit.path[..]).collect();
        if paths.is_empty() {
            return None;
        }
        let all: Vec<&str> = paths.iter().copied().take(NAMED_MAX).collect();
        let head = format!("Consider unlocking your own locked files: (`git dits unlock {}`)", all.join(" "));
        Some(list(&head, paths.iter().map(|path| format!("* {path}"))))
    }

    /// Whom the change will meet later.
    pub fn warnings(&self) -> Vec<String> {
        let line = |hit: &Hit| {
            let owner = shown(&hit.lock.owner);
            format!("{owner} holds '{}' for {}", hit.path, hit.lock.branch)
        };
        let mut lines: Vec<String> = self.elsewhere.iter().take(NAMED_MAX).map(line).collect();
        if self.elsewhere.len() > NAMED_MAX {
            lines.push(format!("and {} more", self.elsewhere.len() - NAMED_MAX));
        }
        lines
    }
}

fn list(head: &str, lines: impl ExactSizeIterator<Item = String>) -> String {
    let (mut text, left) = (head.to_owned(), lines.len().saturating_sub(NAMED_MAX));
    for line in lines.take(NAMED_MAX) {
        let _ = write!(text, "\n{line}");
    }
    if left > 0 {
        let _ = write!(text, "\n... and {left} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_lock::{LockId, Mode};

    fn lock(id: u64, path: &str, branch: &str, owner: &str, mode: Mode) -> Lock {
        let (path, branch) = (LockPath::parse(path).unwrap(), Branch::parse(branch).unwrap());
        Lock { mode, ..Lock::taken(LockId(id), path, branch, owner, 5) }
    }

    fn change(branch: &str, paths: &[&str]) -> BranchChange {
        let paths = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        BranchChange { branch: Branch::parse(branch).unwrap(), what: What::Files(paths) }
    }

    fn paths(hits: &[Hit]) -> Vec<&str> {
        hits.iter().map(|hit| &hit.path[..]).collect()
    }

    #[test]
    fn who_may_push_what() {
        let table = Table::new(
            [
                lock(1, "Hero.uasset", "main", "ann", Mode::Exclusive),
                lock(2, "maps/", "main", "ann", Mode::Exclusive),
                lock(3, "mine", "main", "ben", Mode::Exclusive),
                lock(4, "later", "release", "ann", Mode::Exclusive),
                lock(5, "both", "main", "ann", Mode::Shared),
            ],
            0,
        );
        let all = ["hero.uasset", "maps/x\\y", "mine", "later", "both", "free", "map"];
        let verdict = judge(&[change("main", &all)], &table, "ben");
        assert_eq!(paths(&verdict.theirs), ["hero.uasset", "maps/x\\y", "both"]);
        assert_eq!((paths(&verdict.ours), paths(&verdict.elsewhere)), (vec!["mine"], vec!["later"]));
        assert_eq!(verdict.warnings(), ["ann holds 'later' for release"]);
        let verdict = judge(&[change("task", &all)], &table, "ben");
        assert!(
            verdict.theirs.is_empty() && verdict.refusal().is_none() && verdict.elsewhere.len() == 4,
            "{verdict:?}"
        );
        let verdict = judge(&[change("main", &all)], &table, "ann");
        assert_eq!(paths(&verdict.theirs), ["mine"]);
        assert!(
            !meets_any(&[change("main", &["free", "map", "\\"])], &table)
                && meets_any(&[change("x", &["mine"])], &table)
        );
    }

    #[test]
    fn a_branch_with_locks_of_others_does_not_go() {
        let table = Table::new(
            [lock(1, "a", "task", "ann", Mode::Exclusive), lock(2, "b", "main", "ann", Mode::Exclusive)],
            0,
        );
        let gone = [BranchChange { branch: Branch::parse("task").unwrap(), what: What::Deleted }];
        assert_eq!(paths(&judge(&gone, &table, "ben").theirs), ["a"]);
        assert_eq!(judge(&gone, &table, "ann"), Verdict::default());
        assert!(changes_any(&gone) && !changes_any(&[change("main", &[])]));
    }

    #[test]
    fn words_are_those_of_git_lfs_and_bounded() {
        let own = lock(1, "b c", "main", "ben", Mode::Exclusive);
        let table = Table::new([lock(2, "a\u{e9}", "main", "an\x1bn", Mode::Exclusive), own], 0);
        let verdict = judge(&[change("main", &["a\u{e9}", "b c"])], &table, "ben");
        let refusal = "Unable to push locked files:\n* aé - an?n\nCannot update locked files.";
        assert_eq!(verdict.refusal().as_deref(), Some(refusal));
        let reminder = "Consider unlocking your own locked files: (`git dits unlock b c`)\n* b c";
        assert_eq!(verdict.reminder().as_deref(), Some(reminder));
        let many: Vec<String> = (0..NAMED_MAX + 5).map(|i| format!("m/{i}")).collect();
        let many: Vec<&str> = many.iter().map(|path| &path[..]).collect();
        let table = Table::new([lock(1, "m/", "main", "ann", Mode::Exclusive)], 0);
        let refusal = judge(&[change("main", &many)], &table, "ben").refusal().unwrap();
        assert!(
            refusal.ends_with("\n... and 5 more\nCannot update locked files.")
                && refusal.lines().count() == 103
        );
    }
}
