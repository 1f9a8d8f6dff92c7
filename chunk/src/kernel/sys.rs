//! The kernel for processors with AVX-512 VBMI: the one place of this crate that needs `unsafe`.
//!
//! Eight streams, one in each 64-bit lane. Its strength is the table look-up: the gear table lies in six planes, one
//! for each of the low six bytes of an entry (no mask goes higher), and a plane is 256 bytes, four registers. Two
//! `vpermi2b` and a blend look up one plane for 64 bytes at once; unpacking the planes puts the bytes of an entry
//! together. A gather of whole entries is slower than plain code.
//!
//! In each turn every stream gives 64 bytes. They are transposed, so that a register holds one word of each
//! stream, in bytes 0, 0', 1, 1', .. of each pair of streams; unpacking planes of it in order then gives the entries
//! of byte 0 of all streams, those of byte 1, and so on.
//!
//! What must always hold: as for any kernel, every word with a place that matches the common bits is noted.
//! Bits 48 and up of the hashes are not those of the gear hash, and nothing looks at them.

use crate::candidates::{STREAMS, WORD, prime};
use crate::gear::GEAR;
use std::arch::x86_64::*;

/// Bytes that a stream gives in one turn.
pub(super) const TURN: usize = 64;

/// The bytes of an entry that count.
const PLANES: usize = 6;

/// The processor's leave to run the kernel.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Vbmi(());

impl Vbmi {
    /// The leave, if this processor gives it.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi");
        all.then_some(Self(()))
    }

    /// Notes the words worth a test in eight adjoining streams of `stride` bytes (whole turns), from `data[from]` on.
    pub(super) fn streams(
        self,
        data: &[u8],
        from: usize,
        stride: usize,
        common: u64,
        hits: &mut [Vec<u32>; STREAMS],
    ) {
        assert!(stride.is_multiple_of(TURN));
        #[expect(unsafe_code, reason = "it may run only on a processor that can")]
        // SAFETY: a `Vbmi` is made only by `detect`, where the processor has all features of the function.
        unsafe {
            streams(data, from, stride, common, hits);
        }
    }
}

/// The low bytes of the gear table: plane by plane, 64 entries to a register.
static TABLE: Table = Table(planes());

#[repr(align(64))]
struct Table([[[u8; 64]; 4]; PLANES]);

const fn planes() -> [[[u8; 64]; 4]; PLANES] {
    let mut planes = [[[0; 64]; 4]; PLANES];
    let mut n = 0;
    while n < PLANES * 256 {
        let (plane, entry) = (n / 256, n % 256);
        planes[plane][entry / 64][entry % 64] = GEAR[entry].to_le_bytes()[plane];
        n += 1;
    }
    planes
}

/// In each pair of streams: byte 0 of both, byte 1 of both, and so on.
const fn alternating() -> [u8; 64] {
    let mut order = [0; 64];
    let mut at = 0;
    while at < 64 {
        order[at] = ((at % 2) * 8 + at % 16 / 2) as u8;
        at += 1;
    }
    order
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn streams(data: &[u8], from: usize, stride: usize, common: u64, hits: &mut [Vec<u32>; STREAMS]) {
    let parts: [&[[u8; TURN]]; STREAMS] =
        std::array::from_fn(|n| data[from + n * stride..][..stride].as_chunks::<TURN>().0);
    let mut hashes = load_words(&std::array::from_fn(|n| prime(data, from + n * stride)));
    let common = _mm512_set1_epi64(common as i64);
    let mut table = [[zero(); 4]; PLANES];
    for (plane, bytes) in table.iter_mut().zip(&TABLE.0) {
        for (part, bytes) in plane.iter_mut().zip(bytes) {
            *part = load(bytes);
        }
    }
    let order = load(&const { alternating() });
    for turn in 0..stride / TURN {
        let mut rows = [zero(); STREAMS];
        for (row, part) in rows.iter_mut().zip(parts) {
            *row = load(&part[turn]);
        }
        for (index, words) in transpose(rows).into_iter().enumerate() {
            let bytes = _mm512_shuffle_epi8(words, order);
            let missed = step(&mut hashes, entries(&table, bytes), common);
            if missed != 0xff {
                note(hits, stride, turn * TURN + index * WORD, !missed);
            }
        }
    }
}

/// Notes the word at `place` of the streams in `hit`.
#[cold]
fn note(hits: &mut [Vec<u32>; STREAMS], stride: usize, place: usize, hit: u8) {
    for (n, hits) in hits.iter_mut().enumerate() {
        if hit >> n & 1 == 1 {
            hits.push((n * stride + place) as u32);
        }
    }
}

/// Rolls the hashes over eight bytes; the streams where no place matches.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn step(hashes: &mut __m512i, entries: [__m512i; WORD], common: __m512i) -> u8 {
    let mut missed = 0xff;
    for entry in entries {
        *hashes = _mm512_add_epi64(_mm512_add_epi64(*hashes, *hashes), entry);
        missed = _mm512_mask_test_epi64_mask(missed, *hashes, common);
    }
    missed
}

/// The table entries of 64 bytes: of byte 0 of all streams, of byte 1, and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn entries(table: &[[__m512i; 4]; PLANES], bytes: __m512i) -> [__m512i; WORD] {
    let upper = _mm512_movepi8_mask(bytes);
    // Written out: compilers unroll such a loop in part and keep the planes in memory.
    let (p0, p1) = (look_up(&table[0], bytes, upper), look_up(&table[1], bytes, upper));
    let (p2, p3) = (look_up(&table[2], bytes, upper), look_up(&table[3], bytes, upper));
    let (p4, p5) = (look_up(&table[4], bytes, upper), look_up(&table[5], bytes, upper));
    let halves = [
        [_mm512_unpacklo_epi8(p0, p1), _mm512_unpacklo_epi8(p2, p3), _mm512_unpacklo_epi8(p4, p5)],
        [_mm512_unpackhi_epi8(p0, p1), _mm512_unpackhi_epi8(p2, p3), _mm512_unpackhi_epi8(p4, p5)],
    ];
    let mut entries = [zero(); WORD];
    for (entries, [low, middle, high]) in entries.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
        let (low0, low1) = (_mm512_unpacklo_epi16(low, middle), _mm512_unpackhi_epi16(low, middle));
        let (high0, high1) = (_mm512_unpacklo_epi16(high, high), _mm512_unpackhi_epi16(high, high));
        *entries = [
            _mm512_unpacklo_epi32(low0, high0),
            _mm512_unpackhi_epi32(low0, high0),
            _mm512_unpacklo_epi32(low1, high1),
            _mm512_unpackhi_epi32(low1, high1),
        ];
    }
    entries
}

/// One plane's bytes for 64 `bytes`, of which those in `upper` are 128 or more.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(&[a, b, c, d]: &[__m512i; 4], bytes: __m512i, upper: __mmask64) -> __m512i {
    let (low, high) = (_mm512_permutex2var_epi8(a, bytes, b), _mm512_permutex2var_epi8(c, bytes, d));
    _mm512_mask_blend_epi8(upper, low, high)
}

/// Turns eight rows of eight words into eight columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn transpose(r: [__m512i; STREAMS]) -> [__m512i; STREAMS] {
    let mut pairs = [[zero(); 2]; 4];
    for (pair, &[a, b]) in pairs.iter_mut().zip(r.as_chunks::<2>().0) {
        *pair = [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)];
    }
    let [p0, p1, p2, p3] = pairs;
    let mut out = [zero(); STREAMS];
    for odd in 0..2 {
        let even0 = _mm512_shuffle_i64x2::<0x88>(p0[odd], p1[odd]);
        let even1 = _mm512_shuffle_i64x2::<0x88>(p2[odd], p3[odd]);
        let odd0 = _mm512_shuffle_i64x2::<0xdd>(p0[odd], p1[odd]);
        let odd1 = _mm512_shuffle_i64x2::<0xdd>(p2[odd], p3[odd]);
        out[odd] = _mm512_shuffle_i64x2::<0x88>(even0, even1);
        out[odd + 4] = _mm512_shuffle_i64x2::<0xdd>(even0, even1);
        out[odd + 2] = _mm512_shuffle_i64x2::<0x88>(odd0, odd1);
        out[odd + 6] = _mm512_shuffle_i64x2::<0xdd>(odd0, odd1);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn zero() -> __m512i {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn load(bytes: &[u8; 64]) -> __m512i {
    #[expect(unsafe_code, reason = "loads take pointers")]
    // SAFETY: 64 readable bytes; the load asks for no alignment.
    unsafe {
        _mm512_loadu_si512(bytes.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn load_words(words: &[u64; STREAMS]) -> __m512i {
    #[expect(unsafe_code, reason = "loads take pointers")]
    // SAFETY: 64 readable bytes; the load asks for no alignment.
    unsafe {
        _mm512_loadu_si512(words.as_ptr().cast())
    }
}
