//! How fast reading through the engine is, where what it reads from costs nothing: what remains is the engine itself.
//!
//! `cargo run --release -p dits-mount --example read_rates`
//!
//! A content of 64 KiB chunks is read in order, from chunks in memory, from a store, from a remote. The last two answer with bytes that
//! are in memory already. Prints GiB/s; the best of several passes, as other programs may be running.

use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use dits_mount::outside::{ContentFault, Contents, Piece, Sink, Want};
use dits_mount::read::{Engine, Options};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

const CHUNK_BYTES: u64 = 64 << 10;
const CONTENT_BYTES: u64 = 512 << 20;
const PASSES: usize = 5;
const OID: Oid = Oid([7; 32]);

/// A content that is in memory.
struct InMemory {
    bytes: Bytes,
    is_here: AtomicBool,
}

impl InMemory {
    fn chunk(&self, id: &ChunkId) -> Bytes {
        let start = usize::from_le_bytes(*id.0.first_chunk().expect("ids are longer")) * CHUNK_BYTES as usize;
        self.bytes.slice(start..start + CHUNK_BYTES as usize)
    }

    fn piece(index: u64) -> Piece {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&index.to_le_bytes());
        Piece { start: index * CHUNK_BYTES, skip: 0, bytes: CHUNK_BYTES as u32, id: ChunkId(id) }
    }
}

impl Contents for InMemory {
    fn pieces(&self, _: &Oid, range: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        let indexes = range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES);
        Ok(Some(indexes.map(InMemory::piece).collect()))
    }

    fn local(&self, id: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        Ok(self.is_here.load(Relaxed).then(|| self.chunk(id)))
    }

    fn has(&self, _: &ChunkId) -> bool {
        self.is_here.load(Relaxed)
    }

    fn fetch(&self, _: &Oid, range: Range<u64>, _: &Want, sink: &mut Sink<'_>) -> Result<(), ContentFault> {
        let indexes = range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES);
        indexes.map(InMemory::piece).all(|piece| sink(piece, self.chunk(&piece.id)));
        Ok(())
    }

    fn whole(&self, _: &Oid) -> Option<File> {
        None
    }
}

/// Reads a content in order; GiB/s.
fn pass(engine: &Arc<Engine>, read_bytes: u32) -> f64 {
    let (stream, began, mut at) = (engine.open(OID, CONTENT_BYTES, b"a.bin"), Instant::now(), 0);
    while at < CONTENT_BYTES {
        let bytes = stream.read(at, read_bytes).expect("nothing fails here");
        at += std::hint::black_box(&bytes).len() as u64;
    }
    CONTENT_BYTES as f64 / (1u64 << 30) as f64 / began.elapsed().as_secs_f64()
}

fn main() {
    let bytes = Bytes::from(vec![7; CONTENT_BYTES as usize]);
    let contents = Arc::new(InMemory { bytes, is_here: AtomicBool::new(false) });
    let best = |rates: &mut dyn Iterator<Item = f64>| rates.take(PASSES).fold(0.0, f64::max);
    let large = || Options { ram_bytes: 2 * CONTENT_BYTES, ..Options::default() };
    for read_bytes in [64 << 10, 128 << 10, 1 << 20] {
        contents.is_here.store(false, Relaxed);
        let new = || Engine::new(contents.clone(), large());
        let remote = best(&mut std::iter::repeat_with(|| pass(&new(), read_bytes)));
        contents.is_here.store(true, Relaxed);
        let store = best(&mut std::iter::repeat_with(|| pass(&new(), read_bytes)));
        let engine = new();
        pass(&engine, read_bytes);
        let memory = best(&mut std::iter::repeat_with(|| pass(&engine, read_bytes)));
        report(read_bytes, memory, store, remote);
    }
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn report(read_bytes: u32, memory: f64, store: f64, remote: f64) {
    let kib = read_bytes >> 10;
    println!("reads of {kib} KiB: memory {memory:.1}, store {store:.1}, remote {remote:.1} GiB/s");
}
