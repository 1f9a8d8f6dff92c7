//! Git's long-running filter process, protocol version 2: the server's side.
//!
//! Git starts one process for a whole command and asks it file after file. [`serve`] does the talking; what
//! an answer contains is decided by a [`Handler`]. Input and output are whatever the caller passes: give the
//! bare pipes, since both sides are buffered here, and a buffering writer (`Stdout` is one) would cut the
//! single `write` of a small answer in two.
//!
//! What must hold:
//! - Git writes all content before it reads a byte of the answer, so nothing is written before the content
//!   was read to its end: else both wait forever. [`Answer`] holds back until then.
//! - After every answer, good or bad, the stream stands at the next request. Content the handler left is
//!   skipped.
//! - Path names are bytes, taken exactly: only the one line feed which ends the packet is cut off.
//! - Only what Git offered is claimed; anything else is fatal on Git's side. `delay` is claimed because Git
//!   then marks checkouts into the worktree with `can-delay=1`; no answer is ever delayed.
//!
//! One file failing is no failure of the session: it is told to Git as a status, and to [`Handler::report`].
//! [`ProtocolError`] ends the session: Git spoke nonsense, hung up inside a request, or does not read.
//! Keys and capabilities we do not know are ignored, as the protocol asks.
//!
//! Limits: a list has at most [`MAX_LINES`] lines, and a line is one packet, so below 64 KiB.
//!
//! Source: `gitattributes(5)`, "Long Running Filter Process"; `apply_multi_file_filter` in Git's `convert.c`
//! (2.43 to 2.55), rules R1 to R7 of the research.

mod answer;
mod content;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::error::Error;
use std::io::{self, BufRead, Read, Write};

pub use self::answer::Answer;
use self::answer::Status;
use self::content::Content;
use crate::pkt::{self, Pkt, PktError, PktReader};

/// The most lines of one list (a request has about six); more is an error.
pub const MAX_LINES: usize = 64;

/// What we can do, in the order we say it.
const CAPABILITIES: [&[u8]; 3] = [b"capability=clean", b"capability=smudge", b"capability=delay"];

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// No packet could be read.
    #[error("cannot read from git")]
    Read(#[from] PktError),
    /// The input ended between the packets of a handshake or a request.
    #[error("git hung up in the middle of a request")]
    HungUp,
    /// The other end did not introduce itself as a filter client which speaks version 2.
    #[error("expected git-filter-client with version=2; is this run by git as a filter process?")]
    Welcome,
    /// A packet which is neither data nor a flush.
    #[error("protocol error: unexpected kind of packet")]
    UnexpectedPacket,
    /// A list longer than [`MAX_LINES`].
    #[error("protocol error: more than {MAX_LINES} lines in a list")]
    TooManyLines,
    /// Git does not take the answer.
    #[error("cannot write to git")]
    Write(#[source] io::Error),
}

/// What Git asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Command {
    /// From the worktree to the object store.
    Clean,
    /// From the object store to the worktree.
    Smudge,
    /// Which delayed files are ready? Answered by [`serve`] (none), never given to a handler.
    ListAvailableBlobs,
    /// Anything else. Answered by [`serve`] with an error, never given to a handler.
    #[default]
    Unknown,
}

/// One request, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What Git asks for.
    pub command: Command,
    /// The path from the top of the worktree, exact bytes. The file there need not hold the content (R6).
    pub pathname: Vec<u8>,
    /// The ref being checked out, if Git named one (key `ref`).
    pub reference: Option<Vec<u8>>,
    /// The commit or tree the file comes from, in hexadecimal.
    pub treeish: Option<Vec<u8>>,
    /// The blob the content comes from, in hexadecimal; may be missing on every command.
    pub blob: Option<Vec<u8>>,
    /// The answer goes into the worktree: sent for checkouts only.
    pub can_delay: bool,
}

/// Why a handler has no answer about a file. It says what its cause says.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct HandlerError {
    /// What went wrong.
    pub cause: Box<dyn Error + Send + Sync>,
}

impl HandlerError {
    /// This file cannot be answered.
    pub fn error(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into() }
    }
}

impl From<io::Error> for HandlerError {
    fn from(error: io::Error) -> Self {
        Self::error(error)
    }
}

/// Decides what is answered.
///
/// `content` gives each packet's payload without copying (`fill_buf`). A handler need not read it to its end;
/// but an answer written before that is held in memory, whatever its size.
pub trait Handler {
    /// Answers a clean: what the object store shall hold for `content`.
    fn clean(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError>;

    /// Answers a smudge: what the worktree shall hold for `content`.
    fn smudge(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError>;

    /// Called once for each request answered with an error: Git itself prints no cause.
    fn report(&mut self, request: &Request, error: &HandlerError) {
        let _ = (request, error);
    }
}

/// Serves one session: the handshake, then every request until Git closes `input`.
pub fn serve<R: Read, W: Write>(
    input: R,
    mut output: W,
    handler: &mut impl Handler,
) -> Result<(), ProtocolError> {
    let mut reader = PktReader::new(input);
    handshake(&mut reader, &mut output)?;
    let drained = Cell::new(true);
    let mut answer = Answer::new(&mut output, &drained);
    while let Some(request) = read_request(&mut reader)? {
        let sent = match request.command {
            Command::ListAvailableBlobs => answer.no_blobs(),
            // Content belongs to a path, so nothing follows here.
            Command::Unknown if request.pathname.is_empty() => answer.finish(Status::Error),
            _ => {
                drained.set(false);
                let content = Content::new(&mut reader, &drained);
                let status = ask(&request, content, &mut answer, handler)?;
                answer.finish(status)
            }
        };
        sent.map_err(ProtocolError::Write)?;
    }
    Ok(())
}

/// Lets the handler answer one request and reads the rest of its content.
fn ask<R: Read>(
    request: &Request,
    mut content: Content<'_, R>,
    answer: &mut Answer<'_>,
    handler: &mut impl Handler,
) -> Result<Status, ProtocolError> {
    let result = match request.command {
        _ if request.pathname.is_empty() => Err(HandlerError::error("request without a path name")),
        Command::Clean => handler.clean(request, &mut content, answer),
        Command::Smudge => handler.smudge(request, &mut content, answer),
        _ => Err(HandlerError::error("request with an unknown command")),
    };
    content.finish()?;
    answer.take_failure().map_err(ProtocolError::Write)?;
    let Err(error) = result else { return Ok(Status::Success) };
    handler.report(request, &error);
    Ok(Status::Error)
}

/// Agrees on the version and the capabilities.
fn handshake<R: Read, W: Write>(reader: &mut PktReader<R>, output: &mut W) -> Result<(), ProtocolError> {
    let (mut client, mut version) = (None, false);
    read_list(reader, |line| {
        client.get_or_insert(line == b"git-filter-client");
        version |= line == b"version=2";
    })?;
    if client != Some(true) || !version {
        return Err(ProtocolError::Welcome);
    }
    write_list(output, &[b"git-filter-server", b"version=2"])?;

    let mut offered = [false; CAPABILITIES.len()];
    let complete = read_list(reader, |line| {
        offered.iter_mut().zip(CAPABILITIES).for_each(|(offered, ours)| *offered |= line == ours);
    })?;
    if !complete {
        return Err(ProtocolError::HungUp);
    }
    let both: Vec<&[u8]> =
        CAPABILITIES.into_iter().zip(offered).filter_map(|(ours, offered)| offered.then_some(ours)).collect();
    write_list(output, &both)
}

/// The next request; `None` when Git is done.
fn read_request<R: Read>(reader: &mut PktReader<R>) -> Result<Option<Request>, ProtocolError> {
    let mut request = Request::default();
    let complete = read_list(reader, |line| {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else { return };
        let (key, value) = (&line[..at], &line[at + 1..]);
        match key {
            b"command" => {
                request.command = match value {
                    b"clean" => Command::Clean,
                    b"smudge" => Command::Smudge,
                    b"list_available_blobs" => Command::ListAvailableBlobs,
                    _ => Command::Unknown,
                }
            }
            b"pathname" => request.pathname = value.to_vec(),
            b"ref" => request.reference = Some(value.to_vec()),
            b"treeish" => request.treeish = Some(value.to_vec()),
            b"blob" => request.blob = Some(value.to_vec()),
            b"can-delay" => request.can_delay = value == b"1",
            _ => {}
        }
    })?;
    Ok(complete.then_some(request))
}

/// Gives each line up to the flush to `each`, without its line feed; false if the input ended before the first.
fn read_list<R: Read>(reader: &mut PktReader<R>, mut each: impl FnMut(&[u8])) -> Result<bool, ProtocolError> {
    for count in 0..=MAX_LINES {
        match reader.read()? {
            Some(Pkt::Data(line)) if count < MAX_LINES => each(line.strip_suffix(b"\n").unwrap_or(line)),
            Some(Pkt::Data(_)) => break,
            Some(Pkt::Flush) => return Ok(true),
            Some(Pkt::Delim | Pkt::ResponseEnd) => return Err(ProtocolError::UnexpectedPacket),
            None if count == 0 => return Ok(false),
            None => return Err(ProtocolError::HungUp),
        }
    }
    Err(ProtocolError::TooManyLines)
}

/// Writes lines and a flush with one `write`.
fn write_list<W: Write>(output: &mut W, lines: &[&[u8]]) -> Result<(), ProtocolError> {
    let mut frame = Vec::new();
    for line in lines {
        pkt::data(&mut frame, &[line, &b"\n"[..]].concat());
    }
    pkt::flush(&mut frame);
    output.write_all(&frame).and_then(|()| output.flush()).map_err(ProtocolError::Write)
}
