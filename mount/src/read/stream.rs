//! A content that somebody reads, and what is fetched ahead of him.
//!
//! Any number of threads may read a stream at once. How it is read is noted once for each read that is answered; what is wished for ahead
//! is withdrawn when the stream is dropped, with the fetches that nobody else wants.

use super::Engine;
use super::media;
use super::parts::Got;
use super::queue::Reader;
use super::shared::Wishes;
use super::trace::Reading;
use super::window::{Bounds, Pattern};
use crate::outside::{ContentFault, Priority};
use bytes::Bytes;
use dits_format::Oid;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Of the memory for chunks, this part is for what is fetched ahead.
const WINDOWS_PART: u64 = 2;

/// A content that somebody reads. What it fetches ahead ends when it is dropped.
#[derive(Debug)]
pub struct Stream {
    engine: Arc<Engine>,
    reader: Reader,
    path: Box<[u8]>,
    container: bool,
    place: Mutex<Place>,
}

/// Where somebody reads.
#[derive(Debug, Default)]
struct Place {
    began: bool,
    sequential: bool,
    pattern: Pattern,
    reading: Reading,
}

impl Stream {
    pub(super) fn new(engine: Arc<Engine>, oid: Oid, bytes: u64, path: &[u8]) -> Stream {
        let reader = Reader { owner: engine.shared.new_owner(), oid, bytes };
        let container = media::is_container(path);
        Stream { engine, reader, path: path.into(), container, place: Mutex::default() }
    }

    /// Which content.
    pub fn oid(&self) -> &Oid {
        &self.reader.oid
    }

    /// At most `length` bytes from `offset`; fewer only at the end. Waits for a remote if it must.
    pub fn read(&self, offset: u64, length: u32) -> Result<Bytes, ContentFault> {
        let range = self.clamp(offset, length);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (shared, began) = (&self.engine.shared, Instant::now());
        let wishes = self.note(&range);
        let result = shared.gather(&self.reader, &range).and_then(|got| {
            let waits = !got.missing.is_empty();
            let got = if waits { shared.wait(&self.reader, got, wishes)? } else { self.ahead(got, wishes) };
            let bytes = got.join(&range)?;
            shared.counters.read(bytes.len() as u64, began.elapsed(), waits);
            Ok(bytes)
        });
        self.count_failed(&result);
        result
    }

    /// The same, if it can be answered without a remote; a fault that is known already is an answer too.
    pub fn try_read(&self, offset: u64, length: u32) -> Option<Result<Bytes, ContentFault>> {
        let range = self.clamp(offset, length);
        if range.is_empty() {
            return Some(Ok(Bytes::new()));
        }
        let (shared, began) = (&self.engine.shared, Instant::now());
        let result = match shared.gather(&self.reader, &range) {
            Ok(got) if got.missing.is_empty() => {
                let wishes = self.note(&range);
                self.ahead(got, wishes).join(&range)
            }
            Ok(got) => Err(shared.known_fault(&self.reader, &got.missing)?),
            Err(fault) => Err(fault),
        };
        if let Ok(bytes) = &result {
            shared.counters.read(bytes.len() as u64, began.elapsed(), false);
        }
        self.count_failed(&result);
        Some(result)
    }

    fn clamp(&self, offset: u64, length: u32) -> Range<u64> {
        offset..self.reader.bytes.min(offset.saturating_add(u64::from(length)))
    }

    fn ahead(&self, got: Got, wishes: Wishes) -> Got {
        if !wishes.is_empty() {
            self.engine.shared.submit(&self.reader, wishes);
        }
        got
    }

    fn count_failed(&self, result: &Result<Bytes, ContentFault>) {
        if result.is_err() {
            self.engine.shared.counters.failed.fetch_add(1, Relaxed);
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a read; what is to be fetched ahead because of it.
    fn note(&self, range: &Range<u64>) -> Wishes {
        let shared = &self.engine.shared;
        let mut place = self.place();
        if let Some(trace) = &shared.options.trace
            && let Some(range) = place.reading.add(range)
        {
            trace.note(&self.path, range);
        }
        let mut wishes = Wishes::default();
        if !std::mem::replace(&mut place.began, true) {
            let first = media::with_first_read(self.container, self.reader.bytes, range);
            wishes.wish.extend(first.into_iter().map(|range| (range, Priority::Playhead)));
        }
        let readers = shared.sequential.load(Relaxed) + usize::from(!place.sequential);
        let bounds = Bounds {
            content_bytes: self.reader.bytes,
            share_bytes: shared.options.ram_bytes / WINDOWS_PART / readers as u64,
            container: self.container,
        };
        let step = place.pattern.note(range, shared.now(), &bounds);
        if step.wish.is_some() && !std::mem::replace(&mut place.sequential, true) {
            shared.sequential.fetch_add(1, Relaxed);
        }
        let priority = if self.container { Priority::Playhead } else { Priority::Ahead };
        wishes.withdraw = step.withdraw;
        wishes.wish.extend(step.wish.map(|range| (range, priority)));
        wishes
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let shared = &self.engine.shared;
        let place = self.place.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(trace) = &shared.options.trace
            && let Some(range) = place.reading.end()
        {
            trace.note(&self.path, range);
        }
        if place.sequential {
            shared.sequential.fetch_sub(1, Relaxed);
        }
        shared.state().queue.withdraw(self.reader.owner, &self.reader.oid, &(0..u64::MAX));
    }
}
