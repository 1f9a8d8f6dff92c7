//! The journal: what an open pack holds so far, so that a killed writer loses nothing it answered for.
//!
//! A pack says what it holds only in its footer, at the very end. While one is open, its writer appends a
//! block to a journal for each checkpoint: the chunks added to the open file since the last one, and the
//! bindings. Whoever finds the journal of a dead writer copies those chunks, each checked against its id,
//! into a proper pack. A block counts only whole and with its checksum; the first that does not ends the
//! journal. Not synced to disk: it outlives the process, not a power cut.
//!
//! ```text
//! block  {length of body u32, BLAKE3 of body 32, body}, back to back
//! body   name of the open file u128, chunks u32, bindings u32,
//!        chunks {id 32, kind u8, codec u8, offset in the file u64, stored u32, plain u32},
//!        bindings as in a pack's footer
//! ```

use crate::bytes::{Fields, FormatError};
use crate::limits::{CHUNK_BYTES_MAX, PACK_BYTES_MAX, PACK_RECORDS_MAX};
use crate::manifest::Binding;
use crate::pack::{BINDING_BYTES, Codec, decode_binding, encode_binding};
use crate::{ChunkId, Kind};

const WHAT: &str = "journal";
const HEAD_BYTES: usize = 36;
const CHUNK_RECORD_BYTES: usize = 50;

/// A chunk in an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The chunk.
    pub id: ChunkId,
    /// What it is.
    pub kind: Kind,
    /// How it lies there, alone.
    pub codec: Codec,
    /// Where it starts in the file.
    pub offset: u64,
    /// Bytes it takes there.
    pub stored_bytes: u32,
    /// Its length.
    pub bytes: u32,
}

/// What one checkpoint added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// Number in the name of the open file.
    pub file: u128,
    /// Chunks in it that are new.
    pub chunks: Vec<Placed>,
    /// Bindings that are new.
    pub bindings: Vec<Binding>,
}

/// The bytes of a block.
pub fn encode(block: &Block) -> Vec<u8> {
    let mut body = Vec::with_capacity(
        24 + block.chunks.len() * CHUNK_RECORD_BYTES + block.bindings.len() * BINDING_BYTES,
    );
    body.extend_from_slice(&block.file.to_le_bytes());
    body.extend_from_slice(&(block.chunks.len() as u32).to_le_bytes());
    body.extend_from_slice(&(block.bindings.len() as u32).to_le_bytes());
    for chunk in &block.chunks {
        body.extend_from_slice(&chunk.id.0);
        body.extend_from_slice(&[chunk.kind as u8, chunk.codec as u8]);
        body.extend_from_slice(&chunk.offset.to_le_bytes());
        body.extend_from_slice(&chunk.stored_bytes.to_le_bytes());
        body.extend_from_slice(&chunk.bytes.to_le_bytes());
    }
    block.bindings.iter().for_each(|binding| encode_binding(binding, &mut body));
    let mut out = (body.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(blake3::hash(&body).as_bytes());
    out.extend_from_slice(&body);
    out
}

/// All blocks up to the first that is cut short or damaged.
pub fn decode(mut bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let Some((block, rest)) = decode_one(bytes) {
        blocks.push(block);
        bytes = rest;
    }
    blocks
}

fn decode_one(bytes: &[u8]) -> Option<(Block, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
    let (body, rest) = rest.split_at_checked(len)?;
    if blake3::hash(body).as_bytes() != &head[4..] {
        return None;
    }
    decode_body(body).ok().map(|block| (block, rest))
}

fn decode_body(body: &[u8]) -> Result<Block, FormatError> {
    let mut fields = Fields::new(body, WHAT);
    let file = u128::from_le_bytes(fields.array()?);
    let chunks = fields.count("chunks of a journal", PACK_RECORDS_MAX, 0)?;
    let bindings = fields.count("bindings of a journal", usize::MAX, 0)?;
    let needed = chunks as u64 * CHUNK_RECORD_BYTES as u64 + bindings as u64 * BINDING_BYTES as u64;
    if needed != fields.remaining() as u64 {
        return Err(fields.invalid("counts do not match its length"));
    }
    let chunks = (0..chunks).map(|_| decode_chunk(&mut fields)).collect::<Result<_, _>>()?;
    let bindings = (0..bindings).map(|_| decode_binding(&mut fields)).collect::<Result<_, _>>()?;
    Ok(Block { file, chunks, bindings })
}

fn decode_chunk(fields: &mut Fields<'_>) -> Result<Placed, FormatError> {
    let id = ChunkId(fields.array()?);
    let kind = Kind::from_code(fields.u8()?).ok_or(fields.invalid("unknown kind"))?;
    let codec = Codec::from_code(fields.u8()?).ok_or(fields.invalid("unknown codec"))?;
    let (offset, stored_bytes, bytes) = (fields.u64()?, fields.u32()?, fields.u32()?);
    let fits = match codec {
        Codec::Raw => stored_bytes == bytes,
        Codec::Zstd => stored_bytes < bytes,
    };
    if offset > PACK_BYTES_MAX || bytes as usize > CHUNK_BYTES_MAX || !fits {
        return Err(fields.invalid("chunk out of bounds"));
    }
    Ok(Placed { id, kind, codec, offset, stored_bytes, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Oid, Proof};
    use proptest::prelude::*;

    fn block(file: u128) -> Block {
        let id = ChunkId::of(Kind::Data, b"hello");
        let raw = Placed { id, kind: Kind::Data, codec: Codec::Raw, offset: 16, stored_bytes: 5, bytes: 5 };
        Block {
            file,
            chunks: vec![raw, Placed { codec: Codec::Zstd, offset: 21, bytes: 6, ..raw }],
            bindings: vec![Binding { oid: Oid::of(b"hello"), manifest: id, size: 5, proof: Proof::Proved }],
        }
    }

    #[test]
    fn golden_block() {
        let bytes = encode(&block(7));
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            "9389582052d53258db559b286ab6a620b7f526a859aedf93fd56509223aea707"
        );
        assert_eq!(decode(&bytes), [block(7)]);
    }

    #[test]
    fn a_journal_ends_at_the_first_block_that_is_not_whole() {
        let (one, two) = (encode(&block(1)), encode(&block(2)));
        let all = [one.clone(), two].concat();
        for len in 0..all.len() {
            assert_eq!(decode(&all[..len]).len(), usize::from(len >= one.len()), "cut at {len}");
        }
        for at in 0..one.len() {
            let mut all = all.clone();
            all[at] ^= 4;
            assert!(decode(&all).is_empty(), "byte {at}");
        }
        assert_eq!(decode(&all).len(), 2);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
            let _ = decode_body(&body);
        }
    }
}
