//! How a chunk lies in a pack and travels: as it is, or alone in one zstd frame.
//!
//! A chunk is compressed at most once, where it is first added; from there on it is stored, sent and stored again in
//! that form. Its id is always that of the plain bytes. [`Encoder`] first looks at the histogram of a sample
//! ([`looks_compressible`]): video, photographs and archives pay for that alone. What then does not get smaller by a
//! sixteenth stays as it is.
//!
//! [`Encoded`] may come from anybody: [`Encoded::decode`] takes no more memory than the stated length, at most
//! [`CHUNK_BYTES_MAX`], and fails with [`FormatError`] when the frame is not exactly that long. That the bytes are
//! those of the id is for the caller to check.

use bytes::Bytes;
use dits_format::FormatError;
use dits_format::limits::{CHUNK_BYTES_MAX, FRAME_PLAIN_BYTES_MAX};
pub use dits_format::pack::Codec;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{DCtx, WriteBuf};

/// The fastest level that codes entropy too.
const LEVEL: i32 = 1;
/// Below this a frame's head and tables eat what is saved; such chunks are compressed together when packs are merged.
const ENCODE_BYTES_MIN: usize = 512;
/// Pieces of the sample, spread over the chunk.
const SAMPLE_PIECES: usize = 16;
const SAMPLE_PIECE_BYTES: usize = 256;
const WHAT: &str = "compressed chunk";

/// Whether new chunks are compressed: `dits.compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Where it pays.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// A chunk in the form in which it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// How it is encoded.
    pub codec: Codec,
    /// The bytes of that form.
    pub bytes: Bytes,
    /// Bytes of the chunk itself.
    pub plain_bytes: u32,
}

impl Encoded {
    /// The chunk as it is.
    pub fn raw(bytes: Bytes) -> Encoded {
        Encoded { codec: Codec::Raw, plain_bytes: bytes.len() as u32, bytes }
    }

    /// The chunk's plain bytes: without a copy when it is raw.
    pub fn decode(&self) -> Result<Bytes, FormatError> {
        match self.codec {
            Codec::Raw => {
                self.check()?;
                Ok(self.bytes.clone())
            }
            Codec::Zstd => {
                let mut out = Vec::new();
                self.decode_into(&mut out)?;
                Ok(out.into())
            }
        }
    }

    /// Replaces `out` by the chunk's plain bytes.
    pub fn decode_into(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.check()?;
        match self.codec {
            Codec::Raw => {
                out.clear();
                out.extend_from_slice(&self.bytes);
                Ok(())
            }
            Codec::Zstd => decompress(&self.bytes, self.plain_bytes as usize, out),
        }
    }

    /// The chunk's plain bytes: its own when it is raw, else in `scratch`.
    pub fn plain<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], FormatError> {
        if self.codec == Codec::Raw {
            self.check()?;
            return Ok(&self.bytes);
        }
        self.decode_into(scratch)?;
        Ok(scratch)
    }

    fn check(&self) -> Result<(), FormatError> {
        let (found, limit) = (u64::from(self.plain_bytes), CHUNK_BYTES_MAX as u64);
        if found > limit {
            return Err(FormatError::Limit { what: WHAT, found, limit });
        }
        let fits = match self.codec {
            Codec::Raw => self.bytes.len() as u64 == found,
            Codec::Zstd => (self.bytes.len() as u64) < found,
        };
        if fits { Ok(()) } else { Err(invalid("has an impossible length")) }
    }
}

/// A chunk as it is.
impl<B: Into<Bytes>> From<B> for Encoded {
    fn from(bytes: B) -> Encoded {
        Encoded::raw(bytes.into())
    }
}

pub(crate) fn invalid(why: &'static str) -> FormatError {
    FormatError::Invalid { what: WHAT, why }
}

/// Replaces `out` by what one zstd frame holds, which must be exactly `plain_bytes`.
pub(crate) fn decompress(stored: &[u8], plain_bytes: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
    if plain_bytes > FRAME_PLAIN_BYTES_MAX {
        let (found, limit) = (plain_bytes as u64, FRAME_PLAIN_BYTES_MAX as u64);
        return Err(FormatError::Limit { what: WHAT, found, limit });
    }
    out.clear();
    out.reserve_exact(plain_bytes);
    // Into spare room only; a vector may have more of it than was asked for, hence the look at the length.
    if decompress_to(stored, out)? == plain_bytes { Ok(()) } else { Err(invalid("has another length")) }
}

/// Fills `out` with what one zstd frame holds, which must be just as long.
pub(crate) fn decompress_exact(stored: &[u8], out: &mut [u8]) -> Result<(), FormatError> {
    if decompress_to(stored, out)? == out.len() { Ok(()) } else { Err(invalid("has another length")) }
}

fn decompress_to<T: WriteBuf + ?Sized>(stored: &[u8], out: &mut T) -> Result<usize, FormatError> {
    thread_local! {
        // 96 KiB a thread that reads: cheaper than to set one up for each chunk.
        static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    is_one_frame(stored)?;
    CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            none => none.insert(Decompressor::new().map_err(|_| invalid("finds no memory"))?),
        };
        context.decompress_to_buffer(stored, out).map_err(|_| invalid("cannot be decompressed"))
    })
}

fn is_one_frame(stored: &[u8]) -> Result<(), FormatError> {
    let is_whole = zstd::zstd_safe::find_frame_compressed_size(stored) == Ok(stored.len());
    if is_whole { Ok(()) } else { Err(invalid("is not one whole frame")) }
}

/// Fills `out` with what one zstd frame holds whose matches may reach into `base`, and says how much that is.
pub(crate) fn decompress_from(base: &[u8], stored: &[u8], out: &mut Vec<u8>) -> Result<usize, FormatError> {
    is_one_frame(stored)?;
    let mut context = DCtx::try_create().ok_or(invalid("finds no memory"))?;
    context.ref_prefix(base).map_err(|_| invalid("finds no memory"))?;
    context.decompress(out, stored).map_err(|_| invalid("cannot be decompressed"))
}

/// Compresses chunks; one for each thread that does.
pub struct Encoder {
    /// `None` when nothing is to be compressed, or there is no memory for it.
    context: Option<Compressor<'static>>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("compresses", &self.context.is_some()).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Takes about 1 MiB once it has compressed something.
    pub fn new(setting: Compression) -> Encoder {
        let context = match setting {
            Compression::Auto => Compressor::new(LEVEL).ok(),
            Compression::Off => None,
        };
        Encoder { context, buffer: Vec::new() }
    }

    /// The compressed form of a chunk; `None` when it is best left as it is.
    pub fn compress(&mut self, plain: &[u8]) -> Option<Encoded> {
        let context = self.context.as_mut()?;
        if plain.len() < ENCODE_BYTES_MIN || plain.len() > CHUNK_BYTES_MAX || !looks_compressible(plain) {
            return None;
        }
        // What does not fit has not become small enough.
        let most = plain.len() - plain.len() / 16;
        self.buffer.clear();
        self.buffer.reserve_exact(most);
        let len = context.compress_to_buffer(plain, &mut self.buffer).ok()?;
        if len > most {
            return None;
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[..len]);
        Some(Encoded { codec: Codec::Zstd, bytes, plain_bytes: plain.len() as u32 })
    }

    /// The form in which to store or send a chunk.
    pub fn encode(&mut self, plain: Bytes) -> Encoded {
        self.compress(&plain).unwrap_or_else(|| Encoded::raw(plain))
    }
}

/// Whether compressing is worth a try: the bytes of a sample are far from equally frequent. Costs about 1 µs.
///
/// Of data whose bytes are half as likely again to be equal, zstd saves a fourteenth by their frequencies alone. Below
/// that a tenth of all its time went for a six hundredth of what it saved (game data of 2 GB).
pub fn looks_compressible(plain: &[u8]) -> bool {
    let [mut a, mut b, mut c, mut d] = [[0_u32; 256]; 4];
    let mut sampled = 0;
    let step = (plain.len() / SAMPLE_PIECES).max(SAMPLE_PIECE_BYTES);
    for piece in plain.chunks(step).take(SAMPLE_PIECES) {
        let (fours, rest) = piece[..piece.len().min(SAMPLE_PIECE_BYTES)].as_chunks::<4>();
        // Four tables, so that equal neighbours do not wait for each other.
        for [w, x, y, z] in fours {
            a[*w as usize] += 1;
            b[*x as usize] += 1;
            c[*y as usize] += 1;
            d[*z as usize] += 1;
        }
        sampled += (piece.len().min(SAMPLE_PIECE_BYTES) - rest.len()) as u32;
    }
    // No more than the square of the sample.
    let squares: u32 = (0..256).map(|byte| (a[byte] + b[byte] + c[byte] + d[byte]).pow(2)).sum();
    // Two bytes drawn at random are equal once in 256 times where all are equally frequent; the sample itself adds
    // its own length.
    let by_chance = sampled * sampled / 256 + sampled;
    squares > by_chance + by_chance / 2
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
