//! Raw bytes both ways between Git and the server, until both have ended.
//!
//! The server's bytes are drained to their end even when Git has closed its side: the last ones may be the
//! report Git waits for. A Git that goes away ends the conversation, so nothing here outlives it.

use anyhow::Result;
use dits_sync::client::{GitReader, GitWriter};
use std::io::{Read, Write};

const BUFFER_BYTES: usize = 128 << 10;

/// Pumps `from_git` to the server on a thread, and the server to standard output here.
pub fn both(
    from_git: impl Read + Send + 'static,
    mut to_server: GitWriter,
    from_server: GitReader,
) -> Result<()> {
    // Not joined: when the server has ended, nobody needs what Git would still say.
    std::thread::spawn(move || {
        // A failing write means that the server has ended; its last words arrive on the other way.
        if copy(from_git, &mut to_server).is_ok() {
            to_server.finish();
        }
        to_server
    });
    to_git(from_server)
}

/// Pumps the server to standard output.
pub fn to_git(from_server: impl Read) -> Result<()> {
    Ok(copy(from_server, &mut std::io::stdout().lock())?)
}

/// Copies to the end, passing on each piece as it comes.
fn copy(mut from: impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let len = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..len])?;
        to.flush()?;
    }
}
