//! The codec: what pays is compressed, everything comes back, and no bytes make it take more than was stated.

use super::*;
use crate::conformance::noise;
use proptest::prelude::*;

/// Text-like bytes: 16 symbols.
fn text(seed: u64, len: usize) -> Vec<u8> {
    noise(seed, len).into_iter().map(|byte| b'a' + byte % 16).collect()
}

fn encoder() -> Encoder {
    Encoder::new(Compression::Auto)
}

fn zstd(bytes: &[u8], plain_bytes: usize) -> Encoded {
    Encoded { codec: Codec::Zstd, bytes: Bytes::copy_from_slice(bytes), plain_bytes: plain_bytes as u32 }
}

#[test]
fn what_pays_is_compressed_and_nothing_else() {
    let plain = text(1, 100_000);
    let encoded = encoder().compress(&plain).expect("half is saved");
    assert!(encoded.bytes.len() < 60_000, "{}", encoded.bytes.len());
    assert_eq!(encoded.decode().unwrap(), plain);
    for stays in [noise(2, 100_000), text(3, ENCODE_BYTES_MIN - 1), Vec::new(), text(4, CHUNK_BYTES_MAX + 1)]
    {
        assert_eq!(encoder().compress(&stays), None, "{} bytes", stays.len());
    }
    assert_eq!(Encoder::new(Compression::Off).compress(&plain), None);
    // Here the sample promises more than is there: nothing but noise around it.
    let mut misleading = noise(5, 1 << 20);
    for piece in misleading.chunks_mut((1 << 20) / SAMPLE_PIECES) {
        piece[..SAMPLE_PIECE_BYTES].fill(0);
    }
    assert!(looks_compressible(&misleading));
    assert_eq!(encoder().compress(&misleading), None);
}

#[test]
fn the_probe_tells_noise_from_the_rest() {
    for len in [512, 4_096, 16_384, 80_000, 262_144] {
        for seed in 1..200 {
            assert!(!looks_compressible(&noise(seed, len)), "noise {seed} of {len}");
        }
        // Floating point numbers of about one size, as in meshes and scenes.
        let floats =
            noise(7, len).chunks(4).flat_map(|x| [x[0], x[0], x[0], 0x3f | x[0] & 0x40]).collect::<Vec<_>>();
        assert!(looks_compressible(&floats), "floats of {len}");
        assert!(looks_compressible(&vec![7; len]));
        // One byte in ten has the same value: a sixteenth can be saved. One in thirty: not worth the time.
        let mostly_noise = |every: usize| {
            let same = |(at, byte)| if at % every == 0 { 7 } else { byte };
            noise(8, len).into_iter().enumerate().map(same).collect::<Vec<_>>()
        };
        assert!(looks_compressible(&mostly_noise(10)), "{len}");
        assert!(!looks_compressible(&mostly_noise(30)), "{len}");
    }
}

#[test]
fn frames_that_lie_are_refused() {
    let plain = text(1, 50_000);
    let good = encoder().compress(&plain).unwrap();
    let wrong = |encoded: Encoded, why: &str| assert!(encoded.decode().is_err(), "{why}");
    for plain_bytes in [0, 1, 49_999, 50_001, CHUNK_BYTES_MAX] {
        wrong(Encoded { plain_bytes: plain_bytes as u32, ..good.clone() }, "another length");
    }
    wrong(zstd(&[&good.bytes[..], b"x"].concat(), 50_000), "more behind it");
    wrong(zstd(&[&good.bytes[..], &good.bytes[..]].concat(), 100_000), "two frames");
    // A frame that readers skip hides bytes that nobody checks.
    let skipped = [&0x184d_2a50_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"hide"].concat();
    wrong(zstd(&[&skipped[..], &good.bytes[..]].concat(), 50_000), "a skipped frame before it");
    wrong(zstd(&good.bytes[..good.bytes.len() - 1], 50_000), "cut short");
    wrong(zstd(&noise(3, 1_000), 50_000), "no frame");
    wrong(zstd(&[], 50_000), "nothing");
    wrong(Encoded { codec: Codec::Raw, ..good.clone() }, "another codec");
    wrong(zstd(&plain, 50_000), "another codec");
    wrong(zstd(&zstd::bulk::compress(b"abc", 1).unwrap(), 3), "longer than the chunk");
    // A bomb: refused by its stated length before memory is taken, or by the room it was given.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    wrong(zstd(&bomb, 64 << 20), "a length above the limit");
    wrong(zstd(&bomb, CHUNK_BYTES_MAX), "more than stated");
    let mut out = Vec::new();
    assert!(zstd(&bomb, CHUNK_BYTES_MAX).decode_into(&mut out).is_err());
    assert!(out.capacity() <= CHUNK_BYTES_MAX);
}

proptest! {
    #[test]
    fn everything_comes_back(seed: u64, len in 0_usize..300_000, symbols in 1_u16..=256) {
        let plain: Vec<u8> = noise(seed, len).into_iter().map(|byte| (u16::from(byte) % symbols) as u8).collect();
        let mut encoder = encoder();
        for _ in 0..2 {
            let encoded = encoder.encode(plain.clone().into());
            prop_assert!(encoded.bytes.len() <= len);
            prop_assert!(encoded.codec == Codec::Raw || encoded.bytes.len() <= len - len / 16);
            let mut out = b"from before".to_vec();
            encoded.decode_into(&mut out).unwrap();
            prop_assert!(out == plain);
            prop_assert!(encoded.decode().unwrap() == plain);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), plain_bytes in 0_usize..3_000_000) {
        let _ = zstd(&bytes, plain_bytes).decode();
        let plain = text(9, 20_000);
        let mut frame = encoder().compress(&plain).unwrap().bytes.to_vec();
        for (at, byte) in flips {
            let at = at.index(frame.len());
            frame[at] ^= byte;
        }
        if let Ok(other) = zstd(&frame, 20_000).decode() {
            prop_assert_eq!(other.len(), 20_000);
        }
    }
}
