//! Files of this machine that the kernel reads past us.
//!
//! It is told the file once, when its first handle is opened, and forgets it after the last one is closed. It wants all handles of
//! a file that are open together to be of one kind; the core sees to that. It takes rights that only root has: whoever has not got them
//! is told once, and files are read in the common way.

use crate::attr::{Fh, Ino};
use fuser::BackingId;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the kernel reads past us.
#[derive(Debug, Default)]
pub(super) struct Passthrough(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    use_: Use,
    files: HashMap<Ino, Backed>,
}

/// Whether anything is read past us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Use {
    /// The kernel cannot.
    #[default]
    Never,
    /// No file was opened that could be.
    NotYet,
    /// So many times.
    Opened(u64),
    /// The kernel refused.
    Refused(String),
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Use::Never => write!(f, "not offered by the kernel"),
            Use::NotYet => write!(f, "offered"),
            Use::Opened(count) => write!(f, "{count} opened"),
            Use::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

/// A file with handles.
#[derive(Debug)]
struct Backed {
    /// What the kernel calls it; `None` when it refused, which then goes for all handles.
    id: Option<Arc<BackingId>>,
    handles: HashSet<Fh>,
}

impl Passthrough {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel can.
    pub(super) fn offer(&self) {
        self.lock().use_ = Use::NotYet;
    }

    /// Whether anything is read past us.
    pub(super) fn state(&self) -> Use {
        self.lock().use_.clone()
    }

    /// One more handle of a file that could be read past us. `tell` tells the kernel of it; what it calls the file, or `None` when the
    /// handle is to be a common one.
    pub(super) fn open(
        &self,
        ino: Ino,
        fh: Fh,
        tell: impl FnOnce() -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let backed = inner.files.entry(ino).or_insert_with(|| match tell() {
            Ok(id) => Backed { id: Some(Arc::new(id)), handles: HashSet::new() },
            Err(error) => {
                inner.use_ = Use::Refused(error.to_string());
                Backed { id: None, handles: HashSet::new() }
            }
        });
        backed.handles.insert(fh);
        if backed.id.is_some() {
            let count = if let Use::Opened(count) = inner.use_ { count } else { 0 };
            inner.use_ = Use::Opened(count + 1);
        }
        backed.id.clone()
    }

    /// One handle less of a file, if it is one of these. A file that has been written may be closed while it is being opened to be
    /// read, and the kernel must not lose then what it was just told.
    pub(super) fn close(&self, ino: Ino, fh: Fh) {
        let mut inner = self.lock();
        if let Some(backed) = inner.files.get_mut(&ino)
            && backed.handles.remove(&fh)
            && backed.handles.is_empty()
        {
            inner.files.remove(&ino);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_refusal_goes_for_all_handles_that_are_open_together() {
        let passthrough = Passthrough::default();
        let file = Ino(7);
        let asked = Cell::new(0);
        let refuse = || {
            asked.set(asked.get() + 1);
            Err(io::ErrorKind::PermissionDenied.into())
        };
        assert!(passthrough.open(file, Fh(1), refuse).is_none());
        assert!(passthrough.open(file, Fh(2), refuse).is_none());
        passthrough.close(file, Fh(1));
        // Handles of another kind do not count.
        passthrough.close(file, Fh(3));
        passthrough.close(file, Fh(3));
        assert!(passthrough.open(file, Fh(4), refuse).is_none());
        assert_eq!(asked.get(), 1);
        passthrough.close(file, Fh(2));
        passthrough.close(file, Fh(4));
        assert!(matches!(passthrough.state(), Use::Refused(_)));
        assert!(passthrough.open(file, Fh(5), refuse).is_none());
        assert_eq!(asked.get(), 2, "all were closed");
    }
}
