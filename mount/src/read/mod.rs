//! Bytes of contents for open files: from memory, from this machine, from a remote.
//!
//! An [`Engine`] is one for a mount, a [`Stream`] one for an open file. Every chunk that is given out was checked against its id
//! by [`Contents`].

use crate::outside::{ContentFault, Contents, Piece, Priority};
use bytes::{Bytes, BytesMut};
use dits_format::Oid;
use std::fmt;
use std::sync::Arc;

/// Where the open files of a mount read contents.
pub struct Engine {
    contents: Arc<dyn Contents>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Reads from `contents`.
    pub fn new(contents: Arc<dyn Contents>) -> Arc<Engine> {
        Arc::new(Engine { contents })
    }

    /// What it reads from.
    pub fn contents(&self) -> &dyn Contents {
        &*self.contents
    }

    /// A content of `bytes` bytes, for the file at this path. Nothing is fetched before it is read.
    pub fn open(self: &Arc<Engine>, oid: Oid, bytes: u64, _path: &[u8]) -> Stream {
        Stream { engine: self.clone(), oid, bytes }
    }
}

/// A content that somebody reads. What it fetches ahead ends when it is dropped.
#[derive(Debug)]
pub struct Stream {
    engine: Arc<Engine>,
    oid: Oid,
    bytes: u64,
}

impl Stream {
    /// Which content.
    pub fn oid(&self) -> &Oid {
        &self.oid
    }

    /// At most `length` bytes from `offset`; fewer only at the end. Waits for the network if it must.
    pub fn read(&self, offset: u64, length: u32) -> Result<Bytes, ContentFault> {
        self.try_read(offset, length).unwrap_or_else(|| self.fetch(offset, self.end(offset, length)))
    }

    /// The same, if it takes no network; `None` if it does.
    pub fn try_read(&self, offset: u64, length: u32) -> Option<Result<Bytes, ContentFault>> {
        self.local(offset, self.end(offset, length)).transpose()
    }

    fn end(&self, offset: u64, length: u32) -> u64 {
        self.bytes.min(offset.saturating_add(u64::from(length)))
    }

    fn local(&self, offset: u64, end: u64) -> Result<Option<Bytes>, ContentFault> {
        if offset >= end {
            return Ok(Some(Bytes::new()));
        }
        let contents = &self.engine.contents;
        let Some(pieces) = contents.pieces(&self.oid, offset..end)? else { return Ok(None) };
        let mut out = BytesMut::with_capacity((end - offset) as usize);
        for piece in pieces {
            let Some(chunk) = contents.local(&piece.id)? else { return Ok(None) };
            cut(&mut out, piece, &chunk, offset..end);
        }
        Ok(Some(out.freeze()))
    }

    fn fetch(&self, offset: u64, end: u64) -> Result<Bytes, ContentFault> {
        let mut out = BytesMut::with_capacity((end - offset) as usize);
        self.engine.contents.fetch(&self.oid, offset..end, Priority::Blocking, &mut |piece, chunk| {
            cut(&mut out, piece, &chunk, offset..end);
            true
        })?;
        Ok(out.freeze())
    }
}

/// Adds to `out` the part of a piece that lies in `range`.
fn cut(out: &mut BytesMut, piece: Piece, chunk: &[u8], range: std::ops::Range<u64>) {
    let from = range.start.max(piece.start);
    let to = range.end.min(piece.start + u64::from(piece.bytes));
    if from < to {
        let first = piece.skip as usize + (from - piece.start) as usize;
        out.extend_from_slice(&chunk[first..first + (to - from) as usize]);
    }
}
