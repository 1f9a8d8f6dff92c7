//! Two machines in one process, face to face: for a peer that is a folder of this machine.
//!
//! Messages are handed over as they are, one at a time, so memory holds no more than a wire would. Both ends make all
//! the checks that they make over a wire, and learn that there is none. There is nobody to wait for: when neither has anything to say and one still
//! expects something, that is an error.

use crate::machine::{Machine, SyncError, Tally};

/// Whose fault the end of a conversation was.
#[derive(Debug)]
pub enum Broken {
    /// Ours: our store failed, or what we were sent was not right.
    Near(SyncError),
    /// The other end's.
    Far(SyncError),
}

/// Runs `near` and `far` to their ends; `observe` sees the tally of `near` as it grows.
pub fn converse(
    near: &mut impl Machine,
    far: &mut impl Machine,
    observe: &mut (dyn FnMut(Tally) + Send),
) -> Result<(), Broken> {
    [near as &mut dyn Machine, far].into_iter().for_each(|machine| machine.line(u64::MAX));
    loop {
        let mut quiet = true;
        if let Some(message) = near.poll().map_err(Broken::Near)? {
            far.receive(message).map_err(Broken::Far)?;
            quiet = false;
        }
        if let Some(message) = far.poll().map_err(Broken::Far)? {
            near.receive(message).map_err(Broken::Near)?;
            quiet = false;
        }
        if quiet {
            let stuck = || Broken::Near(SyncError::Protocol("both ends wait for the other"));
            return if near.is_done() && far.is_done() { Ok(()) } else { Err(stuck()) };
        }
        observe(near.tally());
    }
}
