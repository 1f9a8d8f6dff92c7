//! When to try again: a policy without clock or dice, both are handed in.
//!
//! A transfer that was cut goes on where it was, since chunks that arrived are kept, on either side. So it pays to try
//! again as long as each try brings something, and not to try forever when none does. [`may_pass`] says which
//! failures are of the way and not of the matter: a refusal, another certificate or a broken protocol would be the same again.
//!
//! What counts as progress differs. Bytes that a pull received are here. Of a push one knows only what this side sent:
//! it may lie in a buffer. So it counts when it is more than any buffer holds, or when the server asked for less than
//! the time before.

use crate::RemoteError;
use dits_net::TransportError;
use dits_sync::message::Reason;
use dits_sync::{SyncError, Tally};
use std::time::Duration;

/// Pause before the second try; doubled for each further one without progress.
pub const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(8);
/// Tries in a row without progress, after which it is given up.
pub const TRIES_MAX: u32 = 5;
/// What may lie between a sender and its peer, in bytes: more than the send window of any transport of ours.
pub const UNDERWAY_BYTES_MAX: u64 = 24 << 20;

/// Which way chunks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// To this side, or nowhere.
    Here,
    /// To the server.
    There,
}

/// How a transfer has gone so far.
#[derive(Debug, Clone)]
pub struct Retry {
    moves: Moves,
    /// Tries so far.
    tries: u32,
    /// Of these, the last ones without progress.
    in_vain: u32,
    last: Tally,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait so long, then make this try, counted from 1.
    Again {
        /// How long.
        pause: Duration,
        /// The number of the try.
        number: u32,
        /// The try before brought nothing: whatever the connection seems to be, it needs a new one.
        anew: bool,
    },
    /// It is no use.
    GiveUp,
}

impl Retry {
    /// Before the first try.
    pub fn new(moves: Moves) -> Retry {
        Retry { moves, tries: 0, in_vain: 0, last: Tally::default() }
    }

    /// A try failed in a way that may pass, when it had come to `tally`. `chance` is from 0 to 1: it spreads the clients of a
    /// server that was restarted, by up to half of the pause.
    pub fn failed(&mut self, tally: Tally, chance: f64) -> Next {
        self.tries += 1;
        self.in_vain = if self.brought(&tally) { 1 } else { self.in_vain + 1 };
        if tally.chunks_needed > 0 {
            self.last = tally;
        }
        if self.in_vain >= TRIES_MAX {
            return Next::GiveUp;
        }
        let pause = pause(self.in_vain, chance);
        Next::Again { pause, number: self.tries + 1, anew: self.in_vain > 1 }
    }

    fn brought(&self, now: &Tally) -> bool {
        match self.moves {
            Moves::Here => now.chunk_bytes > 0,
            Moves::There => {
                let less_to_send = now.chunks_needed > 0
                    && now.contents >= self.last.contents
                    && now.needed_bytes < self.last.needed_bytes;
                now.chunk_bytes > UNDERWAY_BYTES_MAX || less_to_send
            }
        }
    }
}

/// The pause behind so many tries in a row without progress, at least one.
pub fn pause(in_vain: u32, chance: f64) -> Duration {
    let pause = PAUSE_FIRST * (1 << in_vain.saturating_sub(1).min(10));
    pause.min(PAUSE_MAX).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}

/// Whether a failure may pass by itself.
pub fn may_pass(error: &RemoteError) -> bool {
    match error {
        RemoteError::Sync(
            SyncError::Lost(_)
            | SyncError::Silence(_)
            | SyncError::Elsewhere
            // Both ends wait equally long: whoever is first tells the other.
            | SyncError::Refused { reason: Reason::Silence, .. },
        ) => true,
        RemoteError::Transport(error) => matches!(
            error,
            TransportError::Resolve { .. }
                | TransportError::Unreachable { .. }
                | TransportError::NobodyListens { .. }
                | TransportError::TimedOut
                | TransportError::Failed { .. }
                | TransportError::StreamAbandoned { .. }
                | TransportError::StreamClosed
                | TransportError::Closed
        ),
        _ => false,
    }
}

/// Counts of several tries as one. What is described is described again in each, so of that the last counts; chunks were
/// moved in each.
pub fn sum(before: &Tally, last: Tally) -> Tally {
    Tally {
        chunks: before.chunks + last.chunks,
        chunk_bytes: before.chunk_bytes + last.chunk_bytes,
        stored_bytes: before.stored_bytes + last.stored_bytes,
        chunks_needed: before.chunks + last.chunks_needed,
        needed_bytes: before.chunk_bytes + last.needed_bytes,
        ..last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(chunk_bytes: u64, needed_bytes: u64) -> Tally {
        Tally { contents: 1, chunk_bytes, needed_bytes, chunks: 1, chunks_needed: 2, ..Tally::default() }
    }

    fn pauses(retry: &mut Retry, tally: Tally, chance: f64) -> Vec<u64> {
        let mut pauses = Vec::new();
        while let Next::Again { pause, number, .. } = retry.failed(tally, chance) {
            pauses.push(pause.as_millis() as u64);
            assert!(number < 100, "it never ends");
        }
        pauses
    }

    #[test]
    fn five_tries_in_vain_and_no_more() {
        for moves in [Moves::Here, Moves::There] {
            let mut retry = Retry::new(moves);
            assert_eq!(pauses(&mut retry, moved(0, 9), 0.0), [500, 1000, 2000, 4000]);
            assert_eq!(pauses(&mut Retry::new(moves), moved(0, 9), 1.0), [250, 500, 1000, 2000]);
        }
        assert_eq!(PAUSE_FIRST * 16, PAUSE_MAX, "the longest pause is for those that count more tries");
    }

    #[test]
    fn what_arrived_here_begins_the_count_anew() {
        let mut retry = Retry::new(Moves::Here);
        for number in 2..50 {
            let again = Next::Again { pause: PAUSE_FIRST, number, anew: false };
            assert_eq!(retry.failed(moved(1, 9), 0.0), again);
        }
        assert_eq!(pauses(&mut retry, moved(0, 9), 0.0), [1000, 2000, 4000]);
    }

    #[test]
    fn what_was_sent_counts_when_it_must_have_arrived() {
        let mut retry = Retry::new(Moves::There);
        // In a buffer, for all one knows.
        assert_eq!(pauses(&mut retry, moved(UNDERWAY_BYTES_MAX, 1 << 30), 0.0).len(), 4);
        let mut retry = Retry::new(Moves::There);
        for _ in 0..50 {
            assert_ne!(retry.failed(moved(UNDERWAY_BYTES_MAX + 1, 1 << 30), 0.0), Next::GiveUp);
        }
        let mut retry = Retry::new(Moves::There);
        for left in (1..50).rev() {
            assert_ne!(retry.failed(moved(1, left * 1000), 0.0), Next::GiveUp, "the server asks for less");
        }
        // A try that does not come to the question says nothing.
        assert_eq!(pauses(&mut retry, Tally::default(), 0.0).len(), 3);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |reason| SyncError::Refused { reason, text: String::new(), challenges: Vec::new() };
        let silent = [SyncError::Silence(PAUSE_MAX), refused(Reason::Silence)];
        let passes = silent.into_iter().chain([SyncError::Lost(String::new())]).map(RemoteError::from);
        let passes: Vec<_> = passes.collect();
        let stays = [refused(Reason::Internal), SyncError::Protocol("x")].map(RemoteError::from);
        assert!(passes.iter().all(may_pass) && !stays.iter().any(may_pass));
        assert!(may_pass(&TransportError::TimedOut.into()));
        let closed = TransportError::Refused { code: 1, reason: String::new() };
        assert!(!may_pass(&closed.into()));
    }

    #[test]
    fn counts_add_up() {
        let all = sum(&moved(70, 100), moved(25, 30));
        assert_eq!((all.chunk_bytes, all.needed_bytes, all.contents), (95, 100, 1));
        assert_eq!((all.chunks, all.chunks_needed), (2, 3));
    }
}
