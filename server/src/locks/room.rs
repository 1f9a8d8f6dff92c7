//! Whether a client can read what it would hear of a wish: a change that nobody could be told of does not happen.
//!
//! Outcomes are counted as they would be sent, without being kept: nothing is allocated for what is too much.

use dits_lock::ask::JSON_BYTES_MAX;
use serde::Serialize;
use std::io::{self, Write};

/// Bytes of all outcomes of one wish: what is left of an answer beside news.
const OUTCOMES_BYTES_MAX: usize = JSON_BYTES_MAX - (2 << 20);

/// Whether these outcomes have room in an answer.
pub(super) fn is_room_for(outcomes: &impl Serialize) -> bool {
    serde_json::to_writer(Left(OUTCOMES_BYTES_MAX), outcomes).is_ok()
}

/// Counts what is written, and fails where there is no room.
struct Left(usize);

impl Write for Left {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
