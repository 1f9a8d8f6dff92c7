//! Writes down which ranges of which files were read, so that they can be fetched in advance another time.
//!
//! A line of JSON for each range: `{"path":"a/b.mov","start":0,"end":1048576}`. Reads that go on where one ended are one range; a
//! range is written when reading goes on elsewhere or the file is closed. Paths are escaped as in
//! [`path_text`](crate::control::path_text). A trace ends at [`TRACE_BYTES_MAX`]; what cannot be written is left out.

use crate::control::path_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Largest trace.
pub const TRACE_BYTES_MAX: usize = 64 << 20;

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// The file, from the top of the mount, escaped.
    pub path: String,
    /// First byte that was read.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
}

/// Where a trace goes.
pub struct Trace {
    to: Mutex<(Box<dyn Write + Send>, usize)>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

impl Trace {
    /// A trace that is written to `to`, a line at a time.
    pub fn new(to: Box<dyn Write + Send>) -> Trace {
        Trace { to: Mutex::new((to, 0)) }
    }

    /// Writes a range down.
    pub(super) fn note(&self, path: &[u8], range: Range<u64>) {
        let line = Traced { path: path_text(path), start: range.start, end: range.end };
        let Ok(mut line) = serde_json::to_string(&line) else { return };
        line.push('\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if to.1 + line.len() <= TRACE_BYTES_MAX && to.0.write_all(line.as_bytes()).is_ok() {
            to.1 += line.len();
        }
    }
}

/// The range of an open file that is read just now.
#[derive(Debug, Default)]
pub(super) struct Reading(Option<Range<u64>>);

impl Reading {
    /// Adds a read; the range that ended with it.
    pub(super) fn add(&mut self, read: &Range<u64>) -> Option<Range<u64>> {
        match &mut self.0 {
            Some(range) if range.start <= read.start && read.start <= range.end => {
                range.end = range.end.max(read.end);
                None
            }
            other => other.replace(read.clone()),
        }
    }

    /// The range that was read last.
    pub(super) fn end(&mut self) -> Option<Range<u64>> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_are_one_range() {
        let mut reading = Reading::default();
        assert_eq!(reading.add(&(0..10)), None);
        assert_eq!(reading.add(&(10..20)), None);
        assert_eq!(reading.add(&(5..12)), None);
        assert_eq!(reading.add(&(30..40)), Some(0..20));
        assert_eq!(reading.end(), Some(30..40));
        assert_eq!(reading.end(), None);
    }
}
