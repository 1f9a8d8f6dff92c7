//! What is said about locks: why one was refused and what to do about it, what happened to one, how long ago.
//!
//! Names and reasons come from other people, so what could move a terminal's cursor is never printed.

use dits_lock::ask::Denial;
use dits_lock::{Event, Lock, LockId, What, Why};

/// Seconds of the units that an age is told in.
const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
/// Digits of a commit in messages.
const COMMIT_DIGITS: usize = 12;

/// Why not, and what to do about it. `wanted` is the path.
pub fn denial(denial: &Denial, wanted: &str, now: u64) -> (String, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    match denial {
        Denial::Held(lock) => (held(lock, wanted, now), None),
        Denial::Pushing { by } => {
            (format!("{} is pushing a change of it", plain(by)), hint("try again when that is done"))
        }
        Denial::Stale { .. } => (
            "the target branch has a newer version".to_owned(),
            hint("'git pull' brings it; --stale-ok locks the file as it is here"),
        ),
        Denial::Path { why } => (plain(why), None),
        Denial::NotLocked => ("no matching locks found".to_owned(), None),
        Denial::Ambiguous { branches } => {
            let names: Vec<&str> = branches.iter().map(|branch| branch.as_str()).collect();
            (
                format!("it is locked for several branches: {}", names.join(", ")),
                hint("name one with --branch"),
            )
        }
        Denial::NotYours(lock) => (
            held(lock, wanted, now),
            hint("an admin of the repository can take it away with --force; its owner is told"),
        ),
        Denial::TooMany => {
            ("the repository has as many locks as it may have".to_owned(), hint("unlock what is not needed"))
        }
    }
}

/// Who has a lock that is in the way of `wanted`.
pub fn held(lock: &Lock, wanted: &str, now: u64) -> String {
    let what = if lock.path.as_str() == wanted { "it".to_owned() } else { format!("'{}'", lock.path) };
    let reason = lock.reason.as_ref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
    let (owner, branch) = (plain(&lock.owner), &lock.branch);
    match lock.change.as_ref().filter(|_| lock.is_retained()) {
        Some(change) => format!(
            "{what} is kept for a change of {owner} on '{}' that has not reached '{branch}', {}{reason}",
            change.branch,
            ago(change.at, now)
        ),
        None => format!("{owner} has locked {what} for '{branch}' {}{reason}", ago(lock.at, now)),
    }
}

/// Until when a lock is kept that its owner has given up.
pub fn kept_until(lock: &Lock) -> String {
    let change = lock.change.as_ref().map(|change| {
        let commit = &change.commit[..change.commit.len().min(COMMIT_DIGITS)];
        format!(" (commit {commit} of '{}')", change.branch)
    });
    format!("kept until its change{} reaches '{}'", change.unwrap_or_default(), lock.branch)
}

/// What happened to a lock of the user's without him.
pub fn news(event: &Event, now: u64) -> String {
    let (path, branch, ago) = (&event.lock.path, &event.lock.branch, ago(event.at, now));
    let by = event.by.as_deref().map_or_else(|| "somebody".to_owned(), plain);
    match event.what {
        What::Unlocked(Why::Forced) => format!("{by} took away your lock of '{path}' for '{branch}' {ago}"),
        What::Unlocked(Why::Expired) => {
            format!("your lock of '{path}' for '{branch}' ended {ago}: its lease was over")
        }
        What::Unlocked(Why::Landed) => {
            format!("your lock of '{path}' ended {ago}: its change has reached '{branch}'")
        }
        What::Unlocked(Why::Abandoned) => {
            format!("your lock of '{path}' for '{branch}' ended {ago}: the branch with its change is gone")
        }
        What::Unlocked(Why::Released) => format!("your lock of '{path}' for '{branch}' was given up {ago}"),
        What::Locked | What::Changed => format!("{by} changed your lock of '{path}' for '{branch}' {ago}"),
    }
}

/// A line about something that happened.
pub fn event(event: &Event) -> String {
    let word = match event.what {
        What::Locked => "Locked".to_owned(),
        What::Changed if event.lock.is_retained() => "Retained".to_owned(),
        What::Changed => "Changed".to_owned(),
        What::Unlocked(Why::Released) => "Unlocked".to_owned(),
        What::Unlocked(Why::Forced) => {
            format!("Unlocked by {}", event.by.as_deref().map_or_else(|| "somebody".to_owned(), plain))
        }
        What::Unlocked(Why::Expired) => "Unlocked (lease over)".to_owned(),
        What::Unlocked(Why::Landed) => "Unlocked (landed)".to_owned(),
        What::Unlocked(Why::Abandoned) => "Unlocked (branch gone)".to_owned(),
    };
    happened(&word, &event.lock)
}

/// A line about a lock.
pub fn happened(word: &str, lock: &Lock) -> String {
    format!("{word}\t{}\t{}\tID:{}\t{}", lock.path, plain(&lock.owner), lock.id, lock.branch)
}

/// Why a lock cannot be given up, in git-lfs's words where it has any.
pub fn not_unlocked(why: &Denial, text: &str, id: Option<LockId>) -> String {
    match (why, id) {
        (Denial::NotLocked, Some(id)) => format!("Unable to unlock {id}: no such lock"),
        (Denial::NotLocked, None) => format!("unable to get lock ID: {text}"),
        (_, Some(id)) => format!("Unable to unlock {id}: {text}"),
        (_, None) => text.to_owned(),
    }
}

/// How long ago, in the largest unit that fits.
pub fn ago(at: u64, now: u64) -> String {
    let age = now.saturating_sub(at);
    match UNITS.iter().find(|(seconds, _)| age >= *seconds) {
        None => "just now".to_owned(),
        Some((seconds, unit)) => {
            let count = age / seconds;
            format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
        }
    }
}

/// Words of others without control characters.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_lock::{Branch, Change, LockPath};

    fn lock() -> Lock {
        Lock {
            reason: Some("light".into()),
            ..Lock::taken(
                LockId(7),
                LockPath::parse("Maps/").unwrap(),
                Branch::parse("main").unwrap(),
                "ann\u{1b}[2J",
                1000,
            )
        }
    }

    #[test]
    fn whose_lock_is_in_the_way_is_told_and_nothing_reaches_the_terminal() {
        let text = |lock: &Lock, wanted: &str| denial(&Denial::Held(lock.clone()), wanted, 8200).0;
        assert_eq!(text(&lock(), "Maps/a"), "ann?[2J has locked 'Maps/' for 'main' 2 hours ago: light");
        let branch = Branch::parse("task").unwrap();
        let change = Some(Change { branch, commit: "c".repeat(40), blob: None, at: 8140 });
        let retained = Lock { held: false, change, reason: None, ..lock() };
        assert_eq!(
            text(&retained, "Maps/"),
            "it is kept for a change of ann?[2J on 'task' that has not reached 'main', 1 minute ago"
        );
        assert_eq!(
            kept_until(&retained),
            "kept until its change (commit cccccccccccc of 'task') reaches 'main'"
        );
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let ages = [0, 1, 59, 60, 7199, 86_400, 900_000].map(|age| ago(0, age));
        let told = [
            "just now",
            "1 second ago",
            "59 seconds ago",
            "1 minute ago",
            "1 hour ago",
            "1 day ago",
            "10 days ago",
        ];
        assert_eq!(ages, told);
        assert_eq!(ago(9, 3), "just now", "clocks differ");
    }
}
