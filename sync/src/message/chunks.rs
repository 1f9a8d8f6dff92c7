//! What a message has many of: chunks, each with the form in which it travels, and nodes.
//!
//! Lengths are checked, those of one message together too, before anything is decoded. Bytes are not copied: they are
//! parts of what is sent, and of what came.

use super::fields::repeat;
use super::{MESSAGE_BYTES_MAX, MESSAGE_PLAIN_BYTES_MAX};
use bytes::Bytes;
use dits_format::bytes::{Fields, FormatError};
use dits_format::limits::CHUNK_BYTES_MAX;
use dits_store::Encoded;
use dits_store::codec::Codec;

/// What a message has many of, sent without a copy.
pub(super) enum Piece<'a> {
    Node(&'a Bytes),
    Chunk(&'a Encoded),
}

impl Piece<'_> {
    pub fn bytes(&self) -> &Bytes {
        match self {
            Piece::Node(bytes) => bytes,
            Piece::Chunk(encoded) => &encoded.bytes,
        }
    }

    /// Adds what goes before its bytes, and says how many bytes that is.
    pub fn put_head(&self, out: &mut Vec<u8>) -> usize {
        let before = out.len();
        if let Piece::Chunk(encoded) = self {
            out.push(encoded.codec as u8);
        }
        out.extend_from_slice(&(self.bytes().len() as u32).to_le_bytes());
        if let Piece::Chunk(Encoded { codec: Codec::Zstd, plain_bytes, .. }) = self {
            out.extend_from_slice(&plain_bytes.to_le_bytes());
        }
        out.len() - before
    }
}

pub(super) fn take_nodes(fields: &mut Fields<'_>, body: &Bytes) -> Result<Vec<Bytes>, FormatError> {
    let count = fields.count("nodes of a message", MESSAGE_BYTES_MAX, 4)?;
    repeat(fields, count, |fields| {
        let len = fields.count("chunk", CHUNK_BYTES_MAX, 1)?;
        Ok(body.slice_ref(fields.take(len)?))
    })
}

pub(super) fn take_chunks(fields: &mut Fields<'_>, body: &Bytes) -> Result<Vec<Encoded>, FormatError> {
    let count = fields.count("chunks of a message", MESSAGE_BYTES_MAX, 5)?;
    let mut plain_left = MESSAGE_PLAIN_BYTES_MAX;
    repeat(fields, count, |fields| {
        let codec = Codec::from_code(fields.u8()?).ok_or(fields.invalid("unknown codec"))?;
        let len = fields.count("chunk", CHUNK_BYTES_MAX, 1)?;
        let plain_bytes = match codec {
            Codec::Raw => len,
            Codec::Zstd => fields.count("plain chunk", CHUNK_BYTES_MAX, 0)?,
        };
        if codec == Codec::Zstd && plain_bytes <= len {
            return Err(fields.invalid("compressing has made a chunk no smaller"));
        }
        plain_left = plain_left.checked_sub(plain_bytes).ok_or(FormatError::Limit {
            what: "chunks of a message, decoded",
            found: (MESSAGE_PLAIN_BYTES_MAX - plain_left + plain_bytes) as u64,
            limit: MESSAGE_PLAIN_BYTES_MAX as u64,
        })?;
        let bytes = body.slice_ref(fields.take(len)?);
        Ok(Encoded { codec, bytes, plain_bytes: plain_bytes as u32 })
    })
}
