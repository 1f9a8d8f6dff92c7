//! The content of one request, as a reader over the packets up to their flush.
//!
//! `fill_buf` gives the rest of the current packet out of the packet reader's buffer, so nothing is copied.
//!
//! What must hold: it never reads behind the flush; `drained` becomes true exactly when the flush was seen,
//! which is what [`super::Answer`] waits for. A handler sees a broken stream as an `io::Error`, and may
//! swallow it: the cause is kept, and [`Content::finish`] returns it whatever the handler did.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use super::ProtocolError;
use crate::pkt::{Pkt, PktReader};

/// Reads the content which follows a request.
pub(super) struct Content<'a, R> {
    reader: &'a mut PktReader<R>,
    /// Bytes of the current packet not yet consumed.
    rest: usize,
    drained: &'a Cell<bool>,
    failure: Option<ProtocolError>,
}

impl<'a, R: Read> Content<'a, R> {
    /// The content which begins at the reader's next packet; `drained` must be false.
    pub(super) fn new(reader: &'a mut PktReader<R>, drained: &'a Cell<bool>) -> Self {
        Self { reader, rest: 0, drained, failure: None }
    }

    /// Skips what is left, and says whether all of it came.
    pub(super) fn finish(mut self) -> Result<(), ProtocolError> {
        self.rest = 0;
        while self.failure.is_none() && !self.drained.get() {
            self.advance();
        }
        self.failure.map_or(Ok(()), Err)
    }

    /// Goes on to the next packet.
    fn advance(&mut self) {
        self.rest = 0;
        match self.reader.read() {
            Ok(Some(Pkt::Data(payload))) => self.rest = payload.len(),
            Ok(Some(Pkt::Flush)) => self.drained.set(true),
            Ok(Some(Pkt::Delim | Pkt::ResponseEnd)) => self.failure = Some(ProtocolError::UnexpectedPacket),
            Ok(None) => self.failure = Some(ProtocolError::HungUp),
            Err(error) => self.failure = Some(error.into()),
        }
    }
}

impl<R: Read> BufRead for Content<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest == 0 && !self.drained.get() {
            if let Some(failure) = &self.failure {
                return Err(io::Error::other(failure.to_string()));
            }
            self.advance();
        }
        let payload = self.reader.payload();
        Ok(&payload[payload.len() - self.rest..])
    }

    fn consume(&mut self, count: usize) {
        self.rest = self.rest.saturating_sub(count);
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
