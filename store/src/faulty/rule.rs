//! What goes wrong, and when: values without state, that a file of faults can be read into.
//!
//! Always holds: a rule that could never do anything, as an operation without bytes whose bytes are to be cut, is refused
//! when it is made. Times are in milliseconds.

use std::str::FromStr;
use std::time::Duration;

/// What a store is asked for. A batch's `has` and `read` count like the store's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Is a chunk here?
    Has,
    /// A chunk's bytes.
    Read,
    /// What rebuilds a content.
    Bindings,
    /// A chunk into a batch.
    Put,
    /// A binding into a batch; the failure shows at the commit.
    Bind,
    /// A batch is to outlive the process.
    Checkpoint,
    /// A batch is to be durable.
    Commit,
    /// Chunks, or contents, are to go.
    Remove,
    /// Everything is to be shown.
    Visit,
}

const OPERATIONS: [(&str, Operation); 9] = [
    ("has", Operation::Has),
    ("read", Operation::Read),
    ("bindings", Operation::Bindings),
    ("put", Operation::Put),
    ("bind", Operation::Bind),
    ("checkpoint", Operation::Checkpoint),
    ("commit", Operation::Commit),
    ("remove", Operation::Remove),
    ("visit", Operation::Visit),
];

/// How it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk fails: EIO.
    Io,
    /// The disk is full: ENOSPC.
    Full,
    /// It takes so long, then goes well.
    Delay(Duration),
    /// Only the first half of the bytes comes. Of `read`.
    Truncate,
    /// One bit is another. Of `read`.
    Wrong,
    /// The store finds the chunk corrupt. Of `read`.
    Corrupt,
    /// It does not return until the plan is released, then goes well.
    Hang,
}

impl Fault {
    /// The fault of this name; `delay` says how long it takes, in milliseconds.
    pub fn named(name: &str, delay: Option<u64>) -> Result<Fault, RuleError> {
        let fault = match name {
            "eio" => Fault::Io,
            "enospc" => Fault::Full,
            "delay" => Fault::Delay(Duration::from_millis(delay.ok_or(RuleError::Delay)?)),
            "truncate" => Fault::Truncate,
            "wrong" => Fault::Wrong,
            "corrupt" => Fault::Corrupt,
            "hang" => Fault::Hang,
            other => return Err(RuleError::Unknown { what: "fault", word: other.into() }),
        };
        match (fault, delay) {
            (Fault::Delay(_), _) | (_, None) => Ok(fault),
            _ => Err(RuleError::Delay),
        }
    }

    /// Does to `bytes` what this fault does to bytes.
    pub(super) fn spoil(self, bytes: &mut Vec<u8>) {
        match self {
            Fault::Truncate => bytes.truncate(bytes.len() / 2),
            Fault::Wrong => {
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
    }
}

/// Which calls of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// This one alone, counted from 1.
    Nth(u64),
    /// Each k-th.
    Every(u64),
    /// So many of 1000, drawn from the plan's seed.
    PerMille(u16),
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub(super) operation: Operation,
    pub(super) when: When,
    pub(super) fault: Fault,
}

/// Why there is no such rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A word nobody knows.
    #[error("unknown {what} '{word}'")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// The operation has no bytes to be changed.
    #[error("this fault changes bytes, and '{0:?}' has none that it could change")]
    Bytes(Operation),
    /// A count from 1, or a share of 1000, out of its bounds.
    #[error("a call is counted from 1, and a chance is 1 to 1000")]
    When,
    /// A delay without a time, or a time without a delay.
    #[error("'delay' and nothing else needs its milliseconds")]
    Delay,
}

impl FromStr for Operation {
    type Err = RuleError;

    fn from_str(word: &str) -> Result<Operation, RuleError> {
        let known = OPERATIONS.iter().find(|(name, _)| *name == word);
        known
            .map(|(_, operation)| *operation)
            .ok_or_else(|| RuleError::Unknown { what: "operation", word: word.into() })
    }
}

impl Rule {
    /// `fault` at these calls of `operation`.
    pub fn new(operation: Operation, when: When, fault: Fault) -> Result<Rule, RuleError> {
        let of_bytes = matches!(fault, Fault::Truncate | Fault::Wrong | Fault::Corrupt);
        if of_bytes && operation != Operation::Read {
            return Err(RuleError::Bytes(operation));
        }
        match when {
            When::Nth(1..) | When::Every(1..) | When::PerMille(1..=1000) => {
                Ok(Rule { operation, when, fault })
            }
            _ => Err(RuleError::When),
        }
    }
}
