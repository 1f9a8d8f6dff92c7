//! The answer to one request: status, content, status again.
//!
//! A good answer is the list `status=success`, the content packets, a flush, and an empty list, which lets
//! the status stand. An answer of at most [`STREAM_AT`] bytes goes out with one `write` for all of it (R4).
//! A longer one is sent piece by piece as the handler writes it, once Git listens, that is once the request's
//! content was read to its end; until then all of it is held, because writing earlier could block Git and us
//! on each other. A handler that passes large content on unchanged therefore costs its size in memory, as it
//! does in Git; one that can should first read all and then write.
//!
//! What must hold: every byte sent belongs to a whole packet; a failure before the first byte was sent shows
//! as `status=error` alone, one after it as the status behind the content, so that Git throws away what it got.
//!
//! A failed write is returned to the handler and kept: the session cannot go on after it.

use std::cell::Cell;
use std::io::{self, Write};

use crate::pkt;

/// Answers above this many bytes (16 whole packets, about 1 MiB) are sent while they are written.
const STREAM_AT: usize = 16 * pkt::MAX_DATA;

/// How an answer ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Status {
    Success,
    Error,
}

/// Takes the bytes of an answer; dropping them or sending them is up to the result of the handler.
pub struct Answer<'a> {
    output: &'a mut dyn Write,
    /// Git has written all and reads now.
    drained: &'a Cell<bool>,
    /// Content not yet put into packets.
    held: Vec<u8>,
    /// Whole packets not yet sent.
    frame: Vec<u8>,
    /// `status=success` was put into the frame. Until the end this means it was sent.
    begun: bool,
    failure: Option<io::Error>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(output: &'a mut dyn Write, drained: &'a Cell<bool>) -> Self {
        let (held, frame) = (Vec::new(), Vec::new());
        Self { output, drained, held, frame, begun: false, failure: None }
    }

    /// The failed write, if one failed while the handler ran.
    pub(super) fn take_failure(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Ends this answer and makes ready for the next.
    pub(super) fn finish(&mut self, status: Status) -> io::Result<()> {
        match status {
            Status::Success => {
                self.pack()?;
                pkt::flush(&mut self.frame);
            }
            Status::Error => {
                self.frame.clear();
                if self.begun {
                    pkt::flush(&mut self.frame);
                }
                pkt::data(&mut self.frame, b"status=error\n");
            }
        }
        pkt::flush(&mut self.frame);
        self.send()?;
        self.held.clear();
        self.held.shrink_to(STREAM_AT);
        self.begun = false;
        self.output.flush()
    }

    /// Answers the question for delayed files: there are none.
    pub(super) fn no_blobs(&mut self) -> io::Result<()> {
        pkt::flush(&mut self.frame);
        pkt::data(&mut self.frame, b"status=success\n");
        pkt::flush(&mut self.frame);
        self.send()?;
        self.output.flush()
    }

    /// Puts what is held into packets, and sends all full frames.
    fn pack(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            pkt::data(&mut self.frame, b"status=success\n");
            pkt::flush(&mut self.frame);
        }
        let held = std::mem::take(&mut self.held);
        for piece in held.chunks(STREAM_AT) {
            pkt::data(&mut self.frame, piece);
            if held.len() > STREAM_AT {
                self.send()?;
            }
        }
        self.held = held;
        self.held.clear();
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        self.output.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

impl Write for Answer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(failure.kind().into());
        }
        self.held.extend_from_slice(bytes);
        if self.drained.get()
            && self.held.len() > STREAM_AT
            && let Err(error) = self.pack()
        {
            let kind = error.kind();
            self.failure = Some(error);
            return Err(kind.into());
        }
        Ok(bytes.len())
    }

    /// Does nothing: when to send is decided here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
