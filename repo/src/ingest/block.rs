//! A block: one MiB of a content on its way into the store, and what is done with it.
//!
//! Most steps need nothing but the block, so any thread can take them, for any block: [`Block::scan`], [`Block::name`].
//! [`Block::pick`] needs the block before it: it brings the start of the chunk that was open there, and puts it in front of the
//! block. So every chunk lies in one piece in the buffer of the block in which it ends, and all chunks of a block
//! back to back. That copy is the only one, and it is less than a tenth of the bytes.
//!
//! What must always hold:
//! - Blocks are full but for the last one of a content, which is marked, and may be empty.
//! - Cuts are those of `dits_chunk::next_cut` on the whole content.
//!
//! Units: bytes. Memory: 1.25 MiB and a few candidates.

use dits_chunk::{Candidates, Kernel, Picker, Profile, next_cut};
use dits_format::blocks::{BLOCK_BYTES, BlockHash};
use dits_format::{ChunkId, Kind};
use dits_store::{ChunkRead, Encoder, RunChunk, StoreError};
use std::io::{self, ErrorKind, Read};

/// Room for the longest chunk in front of it.
const LEAD_BYTES: usize = 256 << 10;
/// Bytes before a block that the scan of it looks at.
const REACH: usize = 47;

/// See the file head.
#[derive(Debug)]
pub(super) struct Block {
    /// The block starts at [`LEAD_BYTES`]; before it lies what was open.
    buffer: Box<[u8]>,
    /// Bytes that lie before it.
    lead: usize,
    bytes: usize,
    index: u64,
    last: bool,
    candidates: Candidates,
    hash: Option<BlockHash>,
    /// The chunks that end here.
    chunks: Vec<RunChunk>,
}

impl Block {
    pub(super) fn new() -> Block {
        let buffer = vec![0; LEAD_BYTES + BLOCK_BYTES].into_boxed_slice();
        let (lead, bytes, index, last, candidates, hash, chunks) = Default::default();
        Block { buffer, lead, bytes, index, last, candidates, hash, chunks }
    }

    /// Whether the content ends here.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Whether it is all of the content.
    fn is_all(&self) -> bool {
        self.index == 0 && self.last
    }

    fn data(&self) -> &[u8] {
        &self.buffer[LEAD_BYTES..LEAD_BYTES + self.bytes]
    }

    /// Finds where chunks may end, and hashes the block as a part of the whole.
    pub(super) fn scan(&mut self, kernel: Kernel, profile: Profile) {
        if !self.is_all() {
            let before = if self.index == 0 { 0 } else { REACH };
            let data = &self.buffer[LEAD_BYTES - before..LEAD_BYTES + self.bytes];
            kernel.scan(profile, data, before, &mut self.candidates);
        }
        self.hash = Some(BlockHash::of(self.index, self.data()));
    }

    /// Decides which chunks end here; in the order of the content.
    pub(super) fn pick(&mut self, picking: &mut Picking) {
        self.lead = picking.open.len();
        self.buffer[LEAD_BYTES - self.lead..LEAD_BYTES].copy_from_slice(&picking.open);
        let Picking { profile, picker, open, start, ends } = picking;
        ends.clear();
        let is_all = self.is_all();
        let data = &self.buffer[LEAD_BYTES..LEAD_BYTES + self.bytes];
        if is_all {
            // Less to do than to find all candidates first.
            let mut rest = data;
            while !rest.is_empty() {
                rest = &rest[next_cut(*profile, rest)..];
                ends.push((data.len() - rest.len()) as u64);
            }
        } else {
            picker.block(data, &self.candidates, ends);
            ends.extend(self.last.then(|| picker.clone().finish()).flatten());
        }
        let mut at = LEAD_BYTES - self.lead;
        for end in ends {
            let bytes = (*end - *start) as usize;
            self.chunks.push(RunChunk { id: ChunkId([0; 32]), bytes, encoded: None });
            (*start, at) = (*end, at + bytes);
        }
        open.clear();
        open.extend_from_slice(&self.buffer[at..LEAD_BYTES + self.bytes]);
    }

    /// Computes the ids of the chunks, and compresses what is worth it and not in `store`.
    pub(super) fn name(
        &mut self,
        store: &dyn ChunkRead,
        encoder: Option<&mut Encoder>,
    ) -> Result<(), StoreError> {
        let mut at = LEAD_BYTES - self.lead;
        let mut encoder = encoder;
        for chunk in &mut self.chunks {
            let bytes = &self.buffer[at..at + chunk.bytes];
            chunk.id = ChunkId::of(Kind::Data, bytes);
            if let Some(encoder) = &mut encoder
                && !store.has(&chunk.id)?
            {
                chunk.encoded = encoder.compress(bytes);
            }
            at += chunk.bytes;
        }
        Ok(())
    }

    /// The chunks that end here and their bytes, and the hash of the block. They are gone then.
    pub(super) fn take(&mut self) -> (&[u8], Vec<RunChunk>, Option<(u64, BlockHash)>) {
        let chunks = std::mem::take(&mut self.chunks);
        let bytes: usize = chunks.iter().map(|chunk| chunk.bytes).sum();
        let at = LEAD_BYTES - self.lead;
        (&self.buffer[at..at + bytes], chunks, self.hash.take().map(|hash| (self.index, hash)))
    }
}

/// What goes from block to block when cuts are chosen.
#[derive(Debug)]
pub(super) struct Picking {
    profile: Profile,
    picker: Picker,
    /// The chunk that is open, as far as it was seen.
    open: Vec<u8>,
    /// Where it starts in the content.
    start: u64,
    ends: Vec<u64>,
}

impl Picking {
    /// At the start of a content.
    pub(super) fn new(profile: Profile) -> Picking {
        let (open, start, ends) = Default::default();
        Picking { profile, picker: Picker::new(profile), open, start, ends }
    }
}

/// Reads a content block by block.
pub(super) struct Reader<'a> {
    content: &'a mut dyn Read,
    index: u64,
    /// The last bytes of the block before.
    reach: [u8; REACH],
}

impl<'a> Reader<'a> {
    pub(super) fn new(content: &'a mut dyn Read) -> Reader<'a> {
        Reader { content, index: 0, reach: [0; REACH] }
    }

    /// Fills the next block.
    pub(super) fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        let (lead, data) = block.buffer.split_at_mut(LEAD_BYTES);
        lead[LEAD_BYTES - REACH..].copy_from_slice(&self.reach);
        let mut bytes = 0;
        while bytes < data.len() {
            match self.content.read(&mut data[bytes..]) {
                Ok(0) => break,
                Ok(read) => bytes += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if bytes == data.len() {
            self.reach.copy_from_slice(&data[bytes - REACH..]);
        }
        (block.bytes, block.index, block.last) = (bytes, self.index, bytes < data.len());
        block.chunks.clear();
        self.index += 1;
        Ok(())
    }
}
