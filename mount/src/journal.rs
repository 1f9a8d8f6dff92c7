//! Which paths changed since when, for Git's fsmonitor.
//!
//! Git hands in the token of its last question and wants every path that changed since. A token is the epoch of this journal and a
//! number of the change; an epoch nobody knows means "look at everything". Each path is kept once, with its last change, so
//! the journal is never larger than the tree; above [`PATHS_MAX`] it starts a new epoch.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Paths that are kept.
pub const PATHS_MAX: usize = 1 << 20;

/// Changed paths, in order of their last change.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<Inner>,
    asked: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    epoch: String,
    last: u64,
    by_path: HashMap<Arc<[u8]>, u64>,
    by_number: BTreeMap<u64, Arc<[u8]>>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// For the next question.
    pub token: String,
    /// The paths, those of folders with a `/` at the end; `None` when anything may have changed.
    pub paths: Option<Vec<Vec<u8>>>,
}

impl Journal {
    /// An empty journal; no other had this `epoch` (without a colon).
    pub fn new(epoch: &str) -> Journal {
        let (by_path, by_number) = Default::default();
        let inner = Inner { epoch: epoch.to_owned(), last: 0, by_path, by_number };
        Journal { inner: Mutex::new(inner), asked: AtomicU64::new(1) }
    }

    /// Notes a change of `path`; of a folder and everything below when it ends in `/`.
    pub fn note(&self, path: &[u8]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        if inner.by_path.len() >= PATHS_MAX && !inner.by_path.contains_key(path) {
            inner.by_path.clear();
            inner.by_number.clear();
            inner.epoch.push('+');
        }
        inner.last += 1;
        let path: Arc<[u8]> = path.into();
        if let Some(earlier) = inner.by_path.insert(path.clone(), inner.last) {
            inner.by_number.remove(&earlier);
        }
        inner.by_number.insert(inner.last, path);
    }

    /// A number that is another after each question. A path that was noted since the last one need not be noted again.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// What changed since `token`.
    pub fn since(&self, token: &str) -> Changes {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let known = token
            .rsplit_once(':')
            .filter(|(epoch, _)| *epoch == inner.epoch)
            .and_then(|(_, number)| number.parse::<u64>().ok())
            .filter(|number| *number <= inner.last);
        let paths =
            |number: u64| inner.by_number.range(number + 1..).map(|(_, path)| path.to_vec()).collect();
        Changes { token: format!("{}:{}", inner.epoch, inner.last), paths: known.map(paths) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_told_once_and_only_to_who_has_not_heard() {
        let journal = Journal::new("e");
        let start = journal.since("").token;
        for path in [&b"a"[..], b"b/", b"a"] {
            journal.note(path);
        }
        let changes = journal.since(&start);
        assert_eq!(changes.paths, Some(vec![b"b/".to_vec(), b"a".to_vec()]));
        assert_eq!(journal.since(&changes.token).paths, Some(vec![]));
    }

    #[test]
    fn an_unknown_token_means_everything() {
        let journal = Journal::new("e");
        journal.note(b"a");
        for token in ["", "other:0", "e:2", "e:x", "e"] {
            assert_eq!(journal.since(token).paths, None, "{token}");
        }
    }
}
