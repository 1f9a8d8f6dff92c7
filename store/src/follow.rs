//! Whoever reads contents while they are fetched, in place of reading them from the store when all of it is there.
//!
//! What must hold: the bytes of a content are told in order and without gaps, and nothing is told after its end. They are
//! those of chunks that were checked, in an order that was not: who keeps them compares the oid. Told from the thread that
//! receives, so a call that takes long holds up what comes.

use dits_format::Oid;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Mutex;

const LOCK: &str = "no holder of the lock panics";

/// See the file head. Contents are told beside each other, by several threads.
pub trait Follow: Send + Sync + Debug {
    /// Whether the content is wanted: how many of its first bytes need not be told, as they were before a fetch broke.
    fn wants(&self, oid: &Oid) -> Option<u64>;

    /// The next bytes of a content.
    fn next(&self, oid: &Oid, bytes: &[u8]);

    /// The content ends here.
    fn end(&self, oid: &Oid);

    /// The rest of a content is not told.
    fn give_up(&self, oid: &Oid);
}

/// For tests: writes down what it is told, and fails where that breaks the rules.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Scribe(Mutex<HashMap<Oid, Told>>);

/// What was told of a content.
#[doc(hidden)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether that is all.
    pub ended: bool,
    /// Whether no more come.
    pub given_up: bool,
}

impl Scribe {
    /// What was told so far.
    pub fn told(&self, oid: &Oid) -> Told {
        self.with(oid, |told| told.clone())
    }

    fn with<R>(&self, oid: &Oid, act: impl FnOnce(&mut Told) -> R) -> R {
        act(self.0.lock().expect(LOCK).entry(*oid).or_default())
    }
}

impl Follow for Scribe {
    fn wants(&self, oid: &Oid) -> Option<u64> {
        self.with(oid, |told| (!told.ended && !told.given_up).then_some(told.bytes.len() as u64))
    }

    fn next(&self, oid: &Oid, bytes: &[u8]) {
        self.with(oid, |told| {
            assert!(!told.ended && !told.given_up, "{oid} goes on after its end");
            told.bytes.extend_from_slice(bytes);
        });
    }

    fn end(&self, oid: &Oid) {
        self.with(oid, |told| assert!(!std::mem::replace(&mut told.ended, true), "{oid} ends twice"));
    }

    fn give_up(&self, oid: &Oid) {
        self.with(oid, |told| told.given_up = true);
    }
}
