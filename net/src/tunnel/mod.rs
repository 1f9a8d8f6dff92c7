//! A stream of bytes cut into requests that may be repeated.
//!
//! What: two bounded buffers, [`Outlet`] for what this side sends and [`Inlet`] for what it is sent, and a
//! [`Tunnel`] that joins both into a [`crate::Stream`]. Whatever carries the pieces (HTTPS requests) may lose a
//! question or its answer, repeat it, or deliver it late: every piece says at which offset it stands.
//!
//! Always holds: a byte is given to the reader once and in order. A sender keeps a byte until the other side has
//! said an offset behind it. Neither buffer is ever longer than [`WINDOW`]. The end comes after the last byte; a
//! sender that is dropped without it makes the other side fail, never end.
//!
//! Units: offsets and sizes in bytes from the beginning of the stream. Fails as [`Fault`].

mod ends;
mod inlet;
mod outlet;
#[cfg(test)]
mod tests;

pub use ends::Tunnel;
pub use inlet::Inlet;
pub use outlet::{Outlet, Piece};

/// Most bytes that a side keeps in one direction, and most bytes of a piece.
pub const WINDOW: usize = 1 << 20;

/// Why a piece cannot be taken or given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It stands behind bytes that were never seen.
    #[error("bytes are missing before this offset: {next} is the next")]
    Gap {
        /// The offset that is expected.
        next: u64,
    },
    /// It asks for bytes that were acknowledged.
    #[error("bytes before {oldest} were acknowledged and are gone")]
    TooOld {
        /// The oldest offset that is still here.
        oldest: u64,
    },
    /// It goes on after the end, or ends elsewhere than before.
    #[error("the stream has ended at {end}")]
    PastEnd {
        /// Where.
        end: u64,
    },
    /// Nobody reads any more.
    #[error("the reader has stopped")]
    Stopped,
    /// The writer gave up, or the carrier failed.
    #[error("the stream was given up")]
    Abandoned,
}
