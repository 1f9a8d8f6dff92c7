//! Streams to a Git service, whatever carries them, and raw bytes both ways until both have ended.
//!
//! The server's bytes are drained to their end even when Git has closed its side: the last ones may be the
//! report Git waits for. A Git that goes away ends the conversation, so nothing here outlives it.

use anyhow::Result;
use dits_sync::client::GitWriter;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ChildStdin;

const BUFFER_BYTES: usize = 128 << 10;

/// The way to a service; dropped without [`Outgoing::end`] it may count as broken.
pub trait Outgoing: Write + Send {
    /// No more bytes follow.
    fn end(&mut self);
}

impl Outgoing for GitWriter {
    fn end(&mut self) {
        self.finish();
    }
}

impl Outgoing for ChildStdin {
    /// Closing is its end.
    fn end(&mut self) {}
}

impl Outgoing for TcpStream {
    fn end(&mut self) {
        // It fails when the other side is gone already.
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// A stream to a Git service.
pub struct Stream {
    /// What goes there.
    pub to: Box<dyn Outgoing>,
    /// What comes from there.
    pub from: Box<dyn Read + Send>,
}

impl Stream {
    /// A stream of two halves.
    pub fn new(to: impl Outgoing + 'static, from: impl Read + Send + 'static) -> Stream {
        Stream { to: Box::new(to), from: Box::new(from) }
    }
}

/// Pumps `from_git` to the service on a thread, and the service to `to_git` here.
pub fn both(from_git: impl Read + Send + 'static, to_git: &mut impl Write, stream: Stream) -> Result<()> {
    to_service(from_git, stream.to);
    copy(stream.from, to_git)?;
    Ok(())
}

/// Pumps `from_git` to the service on a thread. It is not joined: when the service has ended, nobody needs what Git
/// would still say.
pub fn to_service(from_git: impl Read + Send + 'static, mut to: Box<dyn Outgoing>) {
    std::thread::spawn(move || {
        // A failing write means that the service has ended; its last words arrive on the other way.
        if copy(from_git, &mut to).is_ok() {
            to.end();
        }
    });
}

/// Copies to the end, passing on each piece as it comes.
pub fn copy(from: impl Read, to: &mut impl Write) -> std::io::Result<()> {
    copy_heard(from, to, &mut |_| {})
}

/// The same, and `hear` gets each piece too.
pub fn copy_heard(
    mut from: impl Read,
    to: &mut impl Write,
    hear: &mut dyn FnMut(&[u8]),
) -> std::io::Result<()> {
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
        hear(&buffer[..len]);
    }
}
