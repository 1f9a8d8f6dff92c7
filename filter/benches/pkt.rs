//! What packet lines cost: content as Git sends it, read packet by packet, and an answer written.
//!
//! `cargo bench -p dits-filter --bench pkt`. The source is in memory: what a pipe costs comes on top, and is more.

use dits_filter::pkt::{self, Pkt, PktReader};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

const BYTES: usize = 8 << 20;

fn main() {
    divan::main();
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let mut sent = Vec::new();
    pkt::data(&mut sent, &vec![7; BYTES]);
    pkt::flush(&mut sent);
    bencher.counter(BytesCount::new(BYTES)).bench(|| {
        let mut reader = PktReader::new(black_box(&sent[..]));
        let mut bytes = 0;
        while let Ok(Some(Pkt::Data(payload))) = reader.read() {
            bytes += black_box(payload).len();
        }
        bytes
    });
}

#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let content = vec![7; BYTES];
    let mut out = Vec::with_capacity(2 * BYTES);
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| {
        out.clear();
        pkt::data(&mut out, black_box(&content));
        out.len()
    });
}
