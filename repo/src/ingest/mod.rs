//! Ingest: a content, wherever it is read from, becomes chunks in a batch and a pointer.
//!
//! One way for all: the filter's pipe, files of `git dits add`. A content is read in blocks ([`block`]); each is scanned and
//! hashed, its cuts are chosen, its chunks get their ids and are compressed where that pays, and they are appended
//! ([`sink`]). The oid comes from the same blocks (`dits_format::blocks`), so every byte is read once. A content of one block, and
//! any content when there is one thread, goes through these steps here, in one buffer; larger ones have several
//! threads ([`ring`]). The result is the same to the byte.
//!
//! What must always hold: memory does not grow with the content. A content that cannot be read or stored is not bound.

mod block;
mod ring;
mod sink;

use crate::{RepoError, cpu};
use block::{Block, Picking, Reader};
use dits_chunk::{Kernel, Profile};
use dits_format::Pointer;
use dits_store::{Batch, ChunkRead, Compression, Encoder};
use sink::Sink;
use std::io::Read;

/// More threads than this have nothing to do: appending, which only one can do, is a third of all work.
pub const THREADS_MAX: usize = 4;

/// How content is ingested.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Threads for one large content.
    pub threads: usize,
    /// Whether chunks are compressed.
    pub compression: Compression,
}

/// Ingests one content after the other; keeps its buffers between them.
#[derive(Debug)]
pub struct Ingester {
    how: How,
    spare: Vec<Block>,
    encoder: Option<Encoder>,
}

/// What all threads know.
#[derive(Clone, Copy)]
struct Work<'a> {
    kernel: Kernel,
    profile: Profile,
    compression: Compression,
    /// What is found here is not compressed once more.
    store: &'a dyn ChunkRead,
}

impl Ingester {
    /// One that does it so.
    pub fn new(how: How) -> Ingester {
        let threads = how.threads.clamp(1, THREADS_MAX);
        Ingester { how: How { threads, ..how }, spare: Vec::new(), encoder: None }
    }

    /// Reads `content` to its end and puts it into `batch`, which is one of `store`.
    ///
    /// # Errors
    /// When reading or storing fails, or when it is too large; it is not bound then.
    pub fn ingest(
        &mut self,
        content: &mut dyn Read,
        profile: Profile,
        store: &dyn ChunkRead,
        batch: &mut dyn Batch,
    ) -> Result<Pointer, RepoError> {
        let mut reader = Reader::new(content);
        let mut block = self.spare.pop().unwrap_or_else(Block::new);
        reader.fill(&mut block).map_err(RepoError::Content)?;
        // A content of one block is not scanned, and shall not pay for the choice.
        let kernel = if block.is_last() { Kernel::scalar() } else { cpu::kernel() };
        let work = Work { kernel, profile, compression: self.how.compression, store };
        let mut sink = Sink::new(batch);
        if self.how.threads > 1 && !block.is_last() {
            sink = ring::run(work, self.how.threads, &mut reader, block, &mut self.spare, sink)?;
            // For the next content one is enough; many may be small.
            self.spare.truncate(1);
        } else {
            self.alone(work, &mut reader, &mut block, &mut sink)?;
            self.spare.push(block);
        }
        Ok(sink.finish(profile)?)
    }

    /// All steps of all blocks, in one buffer.
    fn alone(
        &mut self,
        work: Work<'_>,
        reader: &mut Reader<'_>,
        block: &mut Block,
        sink: &mut Sink<'_>,
    ) -> Result<(), RepoError> {
        let mut step = Step { work: &work, encoder: self.encoder.take() };
        let mut picking = Picking::new(work.profile);
        loop {
            step.scan(block);
            block.pick(&mut picking);
            step.name(block)?;
            sink.append(block)?;
            if block.is_last() {
                self.encoder = step.encoder;
                return Ok(());
            }
            reader.fill(block).map_err(RepoError::Content)?;
        }
    }
}

/// The steps that any thread can take, with what a thread needs for them.
struct Step<'a> {
    work: &'a Work<'a>,
    encoder: Option<Encoder>,
}

impl<'a> Step<'a> {
    fn new(work: &'a Work<'a>) -> Step<'a> {
        Step { work, encoder: None }
    }

    fn scan(&self, block: &mut Block) {
        block.scan(self.work.kernel, self.work.profile);
    }

    fn name(&mut self, block: &mut Block) -> Result<(), RepoError> {
        let compresses = self.work.compression != Compression::Off;
        let compression = self.work.compression;
        let encoder = compresses.then(|| self.encoder.get_or_insert_with(|| Encoder::new(compression)));
        Ok(block.name(self.work.store, encoder)?)
    }
}

#[cfg(test)]
mod tests;
