//! What small values cost: pointers parsed and written, contents and chunks hashed.
//!
//! `cargo bench -p dits-format --bench values`. A status or a push parses a pointer for each file, and every byte is hashed twice.

use dits_format::{ChunkId, Kind, Oid, Pointer, pointer};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

/// About a chunk of a project, of a video, and a block of a large content.
const SIZES: [usize; 3] = [16 << 10, 80 << 10, 1 << 20];

fn main() {
    divan::main();
}

fn text() -> Vec<u8> {
    let oid = Oid::from_hex(blake3::hash(b"content").to_hex().as_bytes());
    oid.map(|oid| Pointer::new(oid, 1 << 30).encode()).unwrap_or_default()
}

#[divan::bench]
fn parse_pointer(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher.bench(|| pointer::parse(black_box(&text)));
}

#[divan::bench]
fn look_at_content(bencher: Bencher<'_, '_>) {
    let content = vec![7; 1024];
    bencher.bench(|| pointer::parse(black_box(&content)));
}

#[divan::bench(args = SIZES)]
fn chunk_id(bencher: Bencher<'_, '_>, size: usize) {
    let chunk = vec![7; size];
    bencher.counter(BytesCount::new(size)).bench(|| ChunkId::of(Kind::Data, black_box(&chunk)));
}

#[divan::bench(args = SIZES)]
fn oid(bencher: Bencher<'_, '_>, size: usize) {
    let content = vec![7; size];
    bencher.counter(BytesCount::new(size)).bench(|| blake3::hash(black_box(&content)));
}
