//! The pack: many chunks in one immutable file, named by what it holds.
//!
//! ```text
//! header   magic "DITSPACK", version u32, zero u32                        16 bytes
//! data     frames, back to back
//! footer   counts of frames, entries, bindings (u32 each), then
//!          frames   {offset u64, stored u32, plain u32, codec u8}         17 bytes each, by offset
//!          entries  {id 32, kind u8, frame u32, offset u32, bytes u32}    45 bytes each, by id
//!          bindings {oid 32, manifest 32, size u64, proof u8}             73 bytes each, by oid, manifest
//! trailer  footer length u64, PackId 32, version u32, magic "DITSTAIL"    52 bytes
//! ```
//!
//! A frame is a run of neighbouring chunks, stored as they are or as one zstd block, so small chunks share
//! what they have in common and a run of new data is one write. The trailer is written last and names the
//! footer by hash: a file with a valid trailer is whole, one without is torn or foreign. Chunk bytes are
//! covered by their own ids. Bindings travel inside the pack that holds their manifest, so "chunk stored"
//! and "content known" become durable in one step. All numbers little-endian; offsets count from the
//! start of the file (frames) or of the plain frame (entries).

use crate::bytes::{Fields, FormatError};
use crate::limits::{CHUNK_BYTES_MAX, FRAME_PLAIN_BYTES_MAX, PACK_BYTES_MAX, PACK_RECORDS_MAX};
use crate::manifest::{Binding, Proof};
use crate::{ChunkId, Kind, Oid, PackId};

const VERSION: u32 = 1;
const HEADER_MAGIC: &[u8; 8] = b"DITSPACK";
const TRAILER_MAGIC: &[u8; 8] = b"DITSTAIL";
/// Bytes of the header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 52;
const FRAME_BYTES: usize = 17;
const ENTRY_BYTES: usize = 45;
/// Bytes of a binding.
pub(crate) const BINDING_BYTES: usize = 73;

/// How a frame is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is: a chunk in it can be read alone.
    Raw = 0,
    /// One zstd frame of at most [`FRAME_PLAIN_BYTES_MAX`] bytes once decompressed.
    Zstd = 1,
}

impl Codec {
    /// The codec of this number.
    pub fn from_code(code: u8) -> Option<Codec> {
        [Codec::Raw, Codec::Zstd].into_iter().find(|codec| *codec as u8 == code)
    }
}

/// A run of chunks in the data region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where it starts in the file.
    pub offset: u64,
    /// Bytes it takes in the file.
    pub stored_bytes: u32,
    /// Bytes once decompressed.
    pub plain_bytes: u32,
    /// How it is stored.
    pub codec: Codec,
}

/// One chunk of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The chunk.
    pub id: ChunkId,
    /// What it is.
    pub kind: Kind,
    /// Index of its frame.
    pub frame: u32,
    /// Where it starts in the plain frame.
    pub offset: u32,
    /// Its length.
    pub bytes: u32,
}

/// Everything a pack says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footer {
    /// Frames in file order.
    pub frames: Vec<Frame>,
    /// Chunks, sorted by id, each once.
    pub entries: Vec<Entry>,
    /// Bindings, sorted by oid and manifest.
    pub bindings: Vec<Binding>,
}

/// The first bytes of every pack.
pub fn header() -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(HEADER_MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out
}

/// Footer and trailer together, ready to be appended to the data, and the name of the pack.
/// Sorts entries and bindings; entries must be unique by id.
pub fn encode_tail(footer: &mut Footer) -> (PackId, Vec<u8>) {
    footer.entries.sort_unstable_by_key(|entry| entry.id);
    footer.bindings.sort_unstable();
    let mut out = Vec::new();
    for count in [footer.frames.len(), footer.entries.len(), footer.bindings.len()] {
        out.extend_from_slice(&(count as u32).to_le_bytes());
    }
    for frame in &footer.frames {
        out.extend_from_slice(&frame.offset.to_le_bytes());
        out.extend_from_slice(&frame.stored_bytes.to_le_bytes());
        out.extend_from_slice(&frame.plain_bytes.to_le_bytes());
        out.push(frame.codec as u8);
    }
    for entry in &footer.entries {
        out.extend_from_slice(&entry.id.0);
        out.push(entry.kind as u8);
        for number in [entry.frame, entry.offset, entry.bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    footer.bindings.iter().for_each(|binding| encode_binding(binding, &mut out));
    let id = PackId::of(&out);
    let footer_bytes = out.len() as u64;
    out.extend_from_slice(&footer_bytes.to_le_bytes());
    out.extend_from_slice(&id.0);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(TRAILER_MAGIC);
    (id, out)
}

/// Reads a whole pack file's footer.
///
/// # Errors
/// [`FormatError`] when header, trailer or footer are not intact, or a record leaves its bounds.
pub fn decode(file: &[u8]) -> Result<(PackId, Footer), FormatError> {
    if file.len() as u64 > PACK_BYTES_MAX {
        return Err(FormatError::Limit { what: "pack", found: file.len() as u64, limit: PACK_BYTES_MAX });
    }
    if file.len() < HEADER_BYTES + TRAILER_BYTES {
        return Err(FormatError::Truncated { what: "pack" });
    }
    let (rest, trailer) = file.split_at(file.len() - TRAILER_BYTES);
    let mut fields = Fields::new(&file[..HEADER_BYTES], "pack");
    fields.magic(HEADER_MAGIC)?;
    fields.version(VERSION)?;
    if fields.u32()? != 0 {
        return Err(fields.invalid("reserved field is not zero"));
    }
    let mut fields = Fields::new(trailer, "pack trailer");
    let (footer_bytes, id) = (fields.u64()?, PackId(fields.array()?));
    let version = fields.u32()?;
    fields.magic(TRAILER_MAGIC)?;
    if version != VERSION {
        return Err(FormatError::Version { what: "pack trailer", found: version });
    }
    let data_end = (rest.len() as u64).checked_sub(footer_bytes).filter(|end| *end >= HEADER_BYTES as u64);
    let data_end = data_end.ok_or(FormatError::Truncated { what: "pack footer" })?;
    let footer = &rest[data_end as usize..];
    if PackId::of(footer) != id {
        return Err(FormatError::Checksum { what: "pack footer" });
    }
    Ok((id, decode_footer(footer, data_end)?))
}

fn decode_footer(bytes: &[u8], data_end: u64) -> Result<Footer, FormatError> {
    let mut fields = Fields::new(bytes, "pack footer");
    let frames = fields.count("pack frames", PACK_RECORDS_MAX, 0)?;
    let entries = fields.count("pack entries", PACK_RECORDS_MAX, 0)?;
    let bindings = fields.count("pack bindings", PACK_RECORDS_MAX, 0)?;
    if frames * FRAME_BYTES + entries * ENTRY_BYTES + bindings * BINDING_BYTES != fields.remaining() {
        return Err(fields.invalid("counts do not match its length"));
    }
    let mut footer = Footer {
        frames: Vec::with_capacity(frames),
        entries: Vec::with_capacity(entries),
        bindings: Vec::with_capacity(bindings),
    };
    let mut at = HEADER_BYTES as u64;
    for _ in 0..frames {
        let frame = decode_frame(&mut fields)?;
        if frame.offset != at {
            return Err(fields.invalid("frames are not back to back"));
        }
        at += u64::from(frame.stored_bytes);
        footer.frames.push(frame);
    }
    if at != data_end {
        return Err(fields.invalid("frames do not fill the data"));
    }
    for _ in 0..entries {
        let entry = decode_entry(&mut fields, &footer.frames)?;
        if footer.entries.last().is_some_and(|last| last.id >= entry.id) {
            return Err(fields.invalid("entries are not sorted"));
        }
        footer.entries.push(entry);
    }
    for _ in 0..bindings {
        footer.bindings.push(decode_binding(&mut fields)?);
    }
    Ok(footer)
}

pub(crate) fn encode_binding(binding: &Binding, out: &mut Vec<u8>) {
    out.extend_from_slice(&binding.oid.0);
    out.extend_from_slice(&binding.manifest.0);
    out.extend_from_slice(&binding.size.to_le_bytes());
    out.push(binding.proof as u8);
}

pub(crate) fn decode_binding(fields: &mut Fields<'_>) -> Result<Binding, FormatError> {
    let (oid, manifest) = (Oid(fields.array()?), ChunkId(fields.array()?));
    let size = fields.u64()?;
    let proof = Proof::from_code(fields.u8()?).ok_or(fields.invalid("unknown proof"))?;
    Ok(Binding { oid, manifest, size, proof })
}

fn decode_frame(fields: &mut Fields<'_>) -> Result<Frame, FormatError> {
    let (offset, stored_bytes, plain_bytes) = (fields.u64()?, fields.u32()?, fields.u32()?);
    let codec = match fields.u8()? {
        0 if stored_bytes == plain_bytes => Codec::Raw,
        1 if plain_bytes as usize <= FRAME_PLAIN_BYTES_MAX => Codec::Zstd,
        _ => return Err(fields.invalid("unknown codec, or lengths it cannot have")),
    };
    Ok(Frame { offset, stored_bytes, plain_bytes, codec })
}

fn decode_entry(fields: &mut Fields<'_>, frames: &[Frame]) -> Result<Entry, FormatError> {
    let id = ChunkId(fields.array()?);
    let kind = Kind::from_code(fields.u8()?).ok_or(fields.invalid("unknown kind"))?;
    let (frame, offset, bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let plain = frames.get(frame as usize).ok_or(fields.invalid("entry names no frame"))?.plain_bytes;
    let fits = offset.checked_add(bytes).is_some_and(|end| end <= plain);
    if !fits || bytes as usize > CHUNK_BYTES_MAX {
        return Err(fields.invalid("entry leaves its frame"));
    }
    Ok(Entry { id, kind, frame, offset, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A pack of two chunks in one raw frame and one binding.
    fn golden() -> (PackId, Vec<u8>, Footer) {
        let mut file = header().to_vec();
        file.extend_from_slice(b"helloworld!");
        let entry = |data: &[u8], offset| Entry {
            id: ChunkId::of(Kind::Data, data),
            kind: Kind::Data,
            frame: 0,
            offset,
            bytes: data.len() as u32,
        };
        let mut footer = Footer {
            frames: vec![Frame { offset: 16, stored_bytes: 11, plain_bytes: 11, codec: Codec::Raw }],
            entries: vec![entry(b"hello", 0), entry(b"world!", 5)],
            bindings: vec![Binding {
                oid: Oid::of(b"helloworld!"),
                manifest: ChunkId([9; 32]),
                size: 11,
                proof: Proof::Proved,
            }],
        };
        let (id, tail) = encode_tail(&mut footer);
        file.extend_from_slice(&tail);
        (id, file, footer)
    }

    #[test]
    fn golden_pack() {
        let (id, file, footer) = golden();
        assert_eq!(
            (file.len(), id.to_string().as_str()),
            (271, "44c8b3163bfb2835066af9197f2d0275d534a80dd9b2cc692dc79555f7c40966")
        );
        assert_eq!(decode(&file), Ok((id, footer)));
    }

    #[test]
    fn every_cut_is_refused() {
        let (_, file, _) = golden();
        for len in 0..file.len() {
            assert!(decode(&file[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn every_changed_byte_outside_the_data_is_found() {
        let (_, file, _) = golden();
        for at in (0..16).chain(27..file.len()) {
            let mut file = file.clone();
            file[at] ^= 0x40;
            assert!(decode(&file).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_footer_panics(body in proptest::collection::vec(any::<u8>(), 0..300), counts: [u8; 3]) {
            let mut footer: Vec<u8> = counts.iter().flat_map(|c| u32::from(*c % 4).to_le_bytes()).collect();
            footer.extend_from_slice(&body);
            let _ = decode_footer(&footer, 16 + u64::from(counts[0]));
        }

        #[test]
        fn no_file_panics(file in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&file);
        }
    }
}
