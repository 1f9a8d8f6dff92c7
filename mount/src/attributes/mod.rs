//! Which attributes a path has, as Git would say, without starting Git.
//!
//! The process that serves a mount must not touch its own mount, so it cannot ask `git check-attr`. Lines are read and patterns matched by
//! the library of gitoxide ([`rules`]); here is in which order files count. From the weakest to the strongest: the system's, the user's (`core.attributesFile`),
//! `.gitattributes` of the top folder down to that of the path's own, `$GIT_DIR/info/attributes`. Macros are read from those outside
//! of folders below the top.
//!
//! Always holds: a file is read again after it changed through the mount ([`Cache::changed`]). Memory: the rules of all attribute files that were asked for.

mod rules;

pub use rules::{FILE_BYTES_MAX, Rules};

use gix_glob::pattern::Case;
use rules::Answers;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Name of the files.
pub const FILE_NAME: &[u8] = b".gitattributes";

/// What git-dits wants to know of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `filter=dits`.
    pub managed: bool,
    /// `lockable`.
    pub lockable: bool,
}

/// Attribute files outside of the tree, as text; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outer {
    /// Of the system.
    pub system: Vec<u8>,
    /// Of the user: `core.attributesFile`.
    pub user: Vec<u8>,
    /// `$GIT_DIR/info/attributes`.
    pub info: Vec<u8>,
    /// Whether upper and lower case are the same: `core.ignoreCase`.
    pub ignore_case: bool,
}

/// Rules that were read, until the files they come from change.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    outer: Arc<OuterRules>,
    folders: HashMap<Box<[u8]>, Arc<Rules>>,
    changes: u64,
}

#[derive(Debug, Default)]
struct OuterRules {
    system: Rules,
    user: Rules,
    info: Rules,
    ignore_case: bool,
}

impl Cache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses these files outside of the tree from now on.
    pub fn set_outer(&self, outer: &Outer) {
        let rules = |text: &[u8]| Rules::parse(text, true);
        let Outer { system, user, info, ignore_case } = outer;
        let outer = OuterRules {
            system: rules(system),
            user: rules(user),
            info: rules(info),
            ignore_case: *ignore_case,
        };
        self.inner().outer = Arc::new(outer);
    }

    /// Forgets what a change of `path` makes untrue; that of a folder ends in `/`.
    pub fn changed(&self, path: &[u8]) {
        if path.ends_with(b"/") || path.rsplit(|byte| *byte == b'/').next() == Some(FILE_NAME) {
            let mut inner = self.inner();
            inner.folders.clear();
            inner.changes += 1;
        }
    }

    /// The attributes of `path`, a path from the top. `read` gives the text of the attribute file at a path, if there is one.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn of<E>(
        &self,
        path: &[u8],
        read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Attributes, E> {
        let case = |outer: &OuterRules| if outer.ignore_case { Case::Fold } else { Case::Sensitive };
        let outer = self.inner().outer.clone();
        let below = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
        let mut folders = Vec::new();
        for length in std::iter::once(0).chain(below) {
            folders.push((length, self.folder(&path[..length], &read)?));
        }
        let top = &folders[0].1;
        let mut answers = Answers::new([&outer.info, top, &outer.user, &outer.system], case(&outer));
        answers.ask(&outer.info, path);
        for (length, rules) in folders.iter().rev() {
            answers.ask(rules, &path[*length..]);
        }
        answers.ask(&outer.user, path);
        answers.ask(&outer.system, path);
        Ok(Attributes {
            managed: answers.is("filter", "dits"),
            lockable: answers.is_set("lockable") || answers.is("lockable", "true"),
        })
    }

    /// The rules in a folder, whose path is empty or ends in `/`.
    fn folder<E>(
        &self,
        folder: &[u8],
        read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Arc<Rules>, E> {
        let changes = {
            let inner = self.inner();
            if let Some(rules) = inner.folders.get(folder) {
                return Ok(rules.clone());
            }
            inner.changes
        };
        let text = read(&[folder, FILE_NAME].concat())?.unwrap_or_default();
        let rules = Arc::new(Rules::parse(&text, folder.is_empty()));
        let mut inner = self.inner();
        // What changed while it was read is read again the next time.
        if inner.changes == changes {
            inner.folders.insert(folder.into(), rules.clone());
        }
        Ok(rules)
    }
}

#[cfg(test)]
mod tests;
