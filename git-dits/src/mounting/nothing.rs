//! Contents, until they come from remotes.
//!
//! A ghost cannot be read.

use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use dits_mount::outside::{ContentFault, Contents, Piece, Sink, Want};
use std::fs::File;
use std::ops::Range;

/// No contents.
#[derive(Debug)]
pub struct Nothing;

impl Contents for Nothing {
    fn pieces(&self, _: &Oid, _: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        Ok(None)
    }

    fn local(&self, _: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        Ok(None)
    }

    fn has(&self, _: &ChunkId) -> bool {
        false
    }

    fn fetch(&self, _: &Oid, _: Range<u64>, _: &Want, _: &mut Sink<'_>) -> Result<(), ContentFault> {
        Err(ContentFault::Offline("nobody is asked yet".into()))
    }

    fn whole(&self, _: &Oid) -> Option<File> {
        None
    }
}
