//! Files of this machine that the kernel reads past us.
//!
//! It is told the file once, when its first handle is opened, and forgets it after the last one is closed. It wants all handles of
//! a file that are open together to be of one kind; the core sees to that. It takes rights that only root has: whoever has not got them
//! is told once, and files are read in the common way.

use crate::attr::Ino;
use fuser::BackingId;
use std::collections::HashMap;
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
    handles: usize,
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
        tell: impl FnOnce() -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let backed = inner.files.entry(ino).or_insert_with(|| match tell() {
            Ok(id) => Backed { id: Some(Arc::new(id)), handles: 0 },
            Err(error) => {
                inner.use_ = Use::Refused(error.to_string());
                Backed { id: None, handles: 0 }
            }
        });
        backed.handles += 1;
        if backed.id.is_some() {
            let count = if let Use::Opened(count) = inner.use_ { count } else { 0 };
            inner.use_ = Use::Opened(count + 1);
        }
        backed.id.clone()
    }

    /// One handle less of a file, whether or not it is one of these.
    pub(super) fn close(&self, ino: Ino) {
        let mut inner = self.lock();
        if let Some(backed) = inner.files.get_mut(&ino) {
            backed.handles -= 1;
            if backed.handles == 0 {
                inner.files.remove(&ino);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_goes_for_all_handles_that_are_open_together() {
        let passthrough = Passthrough::default();
        let file = Ino(7);
        let refuse = || Err(io::ErrorKind::PermissionDenied.into());
        assert!(passthrough.open(file, refuse).is_none());
        assert!(passthrough.open(file, || panic!("asked again")).is_none());
        passthrough.close(file);
        passthrough.close(file);
        passthrough.close(file);
        assert!(matches!(passthrough.state(), Use::Refused(_)));
        let mut asked = false;
        assert!(
            passthrough
                .open(file, || {
                    asked = true;
                    refuse()
                })
                .is_none()
        );
        assert!(asked, "all were closed");
    }
}
