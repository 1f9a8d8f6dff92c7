//! What a client asks a server about locks, and what it hears.
//!
//! Both travel as JSON (`docs/protocol.md`). Unknown fields are passed over, so that either end may be newer. Texts that come from
//! people are checked where they are used: a wrong path fails alone, not the whole request.

use crate::event::Event;
use crate::model::{Branch, Lock, LockId, Mode};
use serde::{Deserialize, Serialize};

/// Bytes of one question.
pub const ASK_BYTES_MAX: usize = 8 << 20;
/// Bytes of one answer. A list of locks comes in several.
pub const JSON_BYTES_MAX: usize = 16 << 20;
/// Bytes of one lock in it, whatever its texts.
pub const LOCK_JSON_BYTES_MAX: usize = 13_000;
/// Places, or locks, in one question.
pub const ITEMS_MAX: usize = 50_000;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Who am I to you?
    WhoAmI,
    /// Lock these.
    Acquire(Acquire),
    /// Unlock these.
    Release(Release),
    /// Which locks are there?
    List(List),
    /// Tell me the locks of now, then whatever happens.
    Watch {
        /// Only of this target branch.
        #[serde(default)]
        branch: Option<String>,
    },
}

/// A wish for locks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquire {
    /// What to lock.
    pub items: Vec<Item>,
    /// Target branch; `None`: the one that changes of `on` are meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch that the client works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Alone or not.
    #[serde(default)]
    pub mode: Mode,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds after which the lock ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// All or none.
    #[serde(default)]
    pub all: bool,
    /// Lock although the client's version is behind.
    #[serde(default)]
    pub stale_ok: bool,
}

/// A place to lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The path; with `/` at its end everything below.
    pub path: String,
    /// Versions of the file that the client knows to be in its own, as Git's object names: the lock is refused when the target
    /// branch has another one. `None`: not known, and not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Vec<String>>,
}

/// A wish to unlock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which.
    pub which: Vec<Which>,
    /// Of this target branch; `None`: of any, where a path has only one lock of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Also of others, and also what is retained.
    #[serde(default)]
    pub force: bool,
    /// All or none.
    #[serde(default)]
    pub all: bool,
}

/// Names a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// By its id.
    Id(LockId),
    /// By its place.
    Path(String),
}

/// Which locks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Of this target branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Of this place, or covering it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// This one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<LockId>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Only those with a larger id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<LockId>,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Ask::WhoAmI`].
    You {
        /// The name that locks are held under.
        name: String,
        /// `read`, `write` or `admin`.
        role: String,
    },
    /// To [`Ask::Acquire`]: one outcome for each item, in order.
    Acquired {
        /// The target branch.
        branch: Branch,
        /// What became of them.
        outcomes: Vec<Acquired>,
        /// What the caller should hear about locks he had: told once.
        #[serde(default)]
        news: Vec<Event>,
    },
    /// To [`Ask::Release`]: one outcome for each, in order.
    Released {
        /// What became of them.
        outcomes: Vec<Released>,
        /// As in `Acquired`.
        #[serde(default)]
        news: Vec<Event>,
    },
    /// To [`Ask::List`] and [`Ask::Watch`]; several come one after the other, until `more` is false.
    Locks {
        /// By id.
        locks: Vec<Lock>,
        /// Whether another answer of this kind follows.
        more: bool,
        /// There are further ones than `limit`: those after this id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<LockId>,
        /// As in `Acquired`.
        #[serde(default)]
        news: Vec<Event>,
    },
    /// To [`Ask::Watch`], whenever something happens; empty from time to time, as a sign of life.
    Events(Vec<Event>),
    /// The whole question cannot be answered.
    No {
        /// Why.
        why: String,
        /// What could be done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// What became of a wish to lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquired {
    /// It is the caller's now, or already was, with what the wish said of mode, lease and reason.
    Locked(Lock),
    /// It is not.
    Refused(Denial),
    /// It would have been, but not all of them.
    Passed,
}

/// What became of a wish to unlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Released {
    /// It is gone.
    Unlocked(Lock),
    /// Its owner has given it up; it stays until its change has reached the target branch.
    Retained(Lock),
    /// It is as it was.
    Refused(Denial),
    /// It would be gone, but not all of them.
    Passed,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// Somebody else holds it, or something that covers it or lies in it.
    Held(Lock),
    /// Somebody else is pushing a change of it right now.
    Pushing {
        /// Who.
        by: String,
    },
    /// The target branch has a version that the caller's is not made from.
    Stale {
        /// That version, as Git's object name.
        blob: Option<String>,
    },
    /// The text is no place.
    Path {
        /// Why not.
        why: String,
    },
    /// There is no such lock.
    NotLocked,
    /// The path has locks of several target branches.
    Ambiguous {
        /// Which.
        branches: Vec<Branch>,
    },
    /// It is somebody else's, and was to be taken away without force, or without being an admin.
    NotYours(Lock),
    /// There are as many locks as a repository may have.
    TooMany,
}
