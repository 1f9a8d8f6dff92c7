//! What Git's filter process asks, and what we answer.
//!
//! [`protocol`] speaks Git's long-running filter protocol over any `Read` and `Write`, on packets from
//! [`pkt`]; [`handler`] decides: clean stores content and answers the pointer, smudge answers the pointer
//! and remembers it, and [`run`] hydrates everything at once when Git closes our input. [`once`] does
//! the same for a single content on plain streams. Never touches standard streams or the environment: the
//! binary hands them in.

pub mod handler;
pub mod once;
pub mod pkt;
pub mod protocol;

pub use handler::{Complain, Observe, Policy, Progress, Report, run};
