//! What compression at rest costs: the probe that most media pay for alone, compressing what passes it, and the way back.
//!
//! `cargo bench -p dits-store --bench codec`. Noise stands for media, letters for text and meshes.

use dits_store::{Compression, Encoder, codec};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

/// About a chunk of a video.
const BYTES: usize = 80 << 10;

fn main() {
    divan::main();
}

#[derive(Debug, Clone, Copy)]
enum Content {
    Noise,
    Letters,
}

const CONTENTS: [Content; 2] = [Content::Noise, Content::Letters];

fn chunk(content: Content) -> Vec<u8> {
    let mut state = 7_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let letter = |byte: u8| b"etaoin shrdlu\n.,"[usize::from(byte % 16)];
    match content {
        Content::Noise => (0..BYTES).map(|_| byte()).collect(),
        Content::Letters => (0..BYTES).map(|_| letter(byte())).collect(),
    }
}

#[divan::bench(args = CONTENTS)]
fn probe(bencher: Bencher<'_, '_>, content: Content) {
    let chunk = chunk(content);
    bencher.counter(BytesCount::new(BYTES)).bench(|| codec::looks_compressible(black_box(&chunk)));
}

#[divan::bench(args = CONTENTS)]
fn encode(bencher: Bencher<'_, '_>, content: Content) {
    let (chunk, mut encoder) = (chunk(content), Encoder::new(Compression::Auto));
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| encoder.compress(black_box(&chunk)));
}

#[divan::bench(args = CONTENTS)]
fn decode(bencher: Bencher<'_, '_>, content: Content) {
    let encoded = Encoder::new(Compression::Auto).encode(chunk(content).into());
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| encoded.decode_into(black_box(&mut out)));
}
