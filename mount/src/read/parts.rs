//! Parts of a read: cut out of chunks without a copy, joined with one only where several chunks make up a read.
//!
//! Always holds: bytes are given out only when they are all there. Units: bytes; offsets in the content.

use super::queue::overlap;
use crate::outside::{ContentFault, Piece};
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Bytes of a content.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) start: u64,
    pub(super) bytes: Bytes,
}

/// What is here of a range, and what is not; both in order.
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) parts: Vec<Part>,
    pub(super) missing: Vec<Range<u64>>,
}

impl Got {
    /// A range is missing that lies behind all there is.
    pub(super) fn miss(&mut self, range: Range<u64>) {
        match self.missing.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.missing.push(range),
        }
    }

    /// Takes what is missing out of a piece; returns how many bytes that was.
    pub(super) fn offer(&mut self, piece: &Piece, chunk: &Bytes) -> Result<u64, ContentFault> {
        let range = piece.range();
        let mut taken = 0;
        for wanted in std::mem::take(&mut self.missing) {
            if !overlap(&wanted, &range) {
                self.missing.push(wanted);
                continue;
            }
            let part = cut(piece, chunk, &wanted)?;
            let (before, after) = (wanted.start..part.start, range.end..wanted.end);
            self.missing.extend([before, after].into_iter().filter(|rest| rest.start < rest.end));
            taken += part.bytes.len() as u64;
            self.parts.push(part);
        }
        Ok(taken)
    }

    /// All bytes of a range.
    pub(super) fn join(mut self, range: &Range<u64>) -> Result<Bytes, ContentFault> {
        if let [part] = &mut self.parts[..]
            && part.start == range.start
            && part.bytes.len() as u64 == range.end - range.start
        {
            return Ok(std::mem::take(&mut part.bytes));
        }
        self.parts.sort_unstable_by_key(|part| part.start);
        let mut out = BytesMut::with_capacity((range.end - range.start) as usize);
        for part in &self.parts {
            if part.start != range.start + out.len() as u64 {
                break;
            }
            out.extend_from_slice(&part.bytes);
        }
        if out.len() as u64 != range.end - range.start {
            return Err(ContentFault::Failed("parts of a read do not fit together".to_owned()));
        }
        Ok(out.freeze())
    }
}

/// The part of a piece that lies in `range`, which it meets.
pub(super) fn cut(piece: &Piece, chunk: &Bytes, range: &Range<u64>) -> Result<Part, ContentFault> {
    let from = range.start.max(piece.start);
    let to = range.end.min(piece.range().end);
    let first = u64::from(piece.skip) + (from - piece.start);
    let last = first + (to - from);
    if last > chunk.len() as u64 {
        return Err(ContentFault::Damaged(format!("chunk {} is shorter than its place", piece.id)));
    }
    Ok(Part { start: from, bytes: chunk.slice(first as usize..last as usize) })
}
