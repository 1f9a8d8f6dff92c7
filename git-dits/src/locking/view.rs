//! Locks as git-lfs shows them: columns split by TAB, and JSON whose keys scripts know.
//!
//! Keys of git-lfs come first and in its order, ours after them; times are UTC as in RFC 3339.

use super::words::plain;
use dits_lock::{Event, Lock, Mode, What, Why};
use dits_server::utc;
use serde::Serialize;

/// A lock as JSON.
#[derive(Debug, Serialize)]
pub struct View<'a> {
    id: String,
    path: &'a str,
    owner: Owner<'a>,
    locked_at: String,
    branch: &'a str,
    mode: Mode,
    retained: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change<'a>>,
}

#[derive(Debug, Serialize)]
struct Owner<'a> {
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    branch: &'a str,
    commit: &'a str,
    pushed_at: String,
}

impl<'a> From<&'a Lock> for View<'a> {
    fn from(lock: &'a Lock) -> View<'a> {
        let change = lock.change.as_ref().map(|change| Change {
            branch: change.branch.as_str(),
            commit: &change.commit,
            pushed_at: utc::text(change.at),
        });
        View {
            id: lock.id.to_string(),
            path: lock.path.as_str(),
            owner: Owner { name: &lock.owner },
            locked_at: utc::text(lock.at),
            branch: lock.branch.as_str(),
            mode: lock.mode,
            retained: lock.is_retained(),
            reason: lock.reason.as_deref(),
            expires: lock.expires.map(utc::text),
            change,
        }
    }
}

/// Locks as JSON.
pub fn views<'a>(locks: impl IntoIterator<Item = &'a Lock>) -> Vec<View<'a>> {
    locks.into_iter().map(View::from).collect()
}

/// One thing that happened, as JSON.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Why>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    lock: View<'a>,
}

impl<'a> EventView<'a> {
    /// A lock that is there, or is gone, for reasons that were not heard.
    pub fn of_lock(event: &'a str, lock: &'a Lock) -> EventView<'a> {
        EventView { event, why: None, by: None, at: None, lock: lock.into() }
    }
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> EventView<'a> {
        let (word, why) = match event.what {
            What::Locked => ("locked", None),
            What::Changed => ("changed", None),
            What::Unlocked(why) => ("unlocked", Some(why)),
        };
        EventView {
            event: word,
            why,
            by: event.by.as_deref(),
            at: Some(utc::text(event.at)),
            lock: (&event.lock).into(),
        }
    }
}

/// The list as text, sorted by path. With `ours`, marks tell whose a lock is. Columns are as wide as their longest
/// entry in bytes, as in git-lfs.
pub fn table(locks: &[Lock], ours: Option<&dyn Fn(&Lock) -> bool>) -> String {
    let mut sorted: Vec<&Lock> = locks.iter().collect();
    sorted
        .sort_by(|one, other| (&one.path, &one.branch, one.id).cmp(&(&other.path, &other.branch, other.id)));
    let owners: Vec<String> = sorted.iter().map(|lock| plain(&lock.owner)).collect();
    let path_width = sorted.iter().map(|lock| lock.path.as_str().len()).max().unwrap_or(0);
    let owner_width = owners.iter().map(String::len).max().unwrap_or(0);
    let padded = |text: &str, width: usize| format!("{text}{}", " ".repeat(width - text.len()));
    let row = |(lock, owner): (&Lock, &String)| {
        let mark = match ours {
            None => "",
            Some(ours) if ours(lock) => "O ",
            Some(_) => "  ",
        };
        let (path, owner) = (padded(lock.path.as_str(), path_width), padded(owner, owner_width));
        format!("{mark}{path}\t{owner}\tID:{}\n", lock.id)
    };
    sorted.into_iter().zip(&owners).map(row).collect()
}
