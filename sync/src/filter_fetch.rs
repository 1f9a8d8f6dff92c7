//! Fetching the filter of a server's chunks: [`FilterFetcher`], for the client.
//!
//! A push of nothing that asks for the filter first. What comes is decoded with its limits; a filter that is none
//! ends the stream.

use crate::filter::{FILTER_BYTES_MAX, Filter};
use crate::machine::{Machine, SyncError, Tally};
use crate::message::Message;

/// The client's end of a stream that asks for a filter.
#[derive(Debug)]
pub struct FilterFetcher {
    ask: Option<Message>,
    most: usize,
    bytes: Vec<u8>,
    /// Whether all parts are here.
    is_whole: bool,
    filter: Option<Filter>,
    committed: bool,
    done: bool,
}

impl FilterFetcher {
    /// Asks for a filter of at most `most` bytes, unless it still is that of `epoch` (0: none is known).
    pub fn new(epoch: u64, most: u32) -> FilterFetcher {
        let most = most.min(FILTER_BYTES_MAX as u32);
        FilterFetcher {
            ask: Some(Message::FilterAsk { epoch, most }),
            most: most as usize,
            bytes: Vec::new(),
            is_whole: false,
            filter: None,
            committed: false,
            done: false,
        }
    }

    /// The filter, if a newer one came.
    pub fn into_filter(self) -> Option<Filter> {
        self.filter
    }

    fn part(&mut self, epoch: u64, part: &[u8], last: bool) -> Result<(), SyncError> {
        if self.bytes.len() + part.len() > self.most || (part.is_empty() && !last) {
            return Err(SyncError::Protocol("more of a filter than was asked for"));
        }
        self.bytes.extend_from_slice(part);
        self.is_whole = last;
        if last && !self.bytes.is_empty() {
            let filter = Filter::decode(&std::mem::take(&mut self.bytes))?;
            if filter.epoch() != epoch {
                return Err(SyncError::Protocol("a filter of another epoch"));
            }
            self.filter = Some(filter);
        }
        Ok(())
    }
}

impl Machine for FilterFetcher {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Filter { epoch, part, last } if !self.is_whole => self.part(epoch, &part, last),
            Message::Done { .. } if self.committed => {
                self.done = true;
                Ok(())
            }
            Message::Refuse { reason, text, .. } => Err(SyncError::Refused { reason, text }),
            _ => Err(SyncError::Protocol("a message out of place")),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        if let Some(ask) = self.ask.take() {
            return Ok(Some(ask));
        }
        let due = self.is_whole && !std::mem::replace(&mut self.committed, self.is_whole);
        Ok(due.then_some(Message::Commit))
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}
