//! Chunks that travel as what distinguishes them from chunks that the receiver has.
//!
//! A message of their own, as they are bytes of no form in which chunks are kept. All lengths and counts are checked before
//! anything is read for them.

use super::fields::repeat;
use super::{DELTA_BASES_MAX, DELTAS_MAX, MESSAGE_PLAIN_BYTES_MAX};
use bytes::Bytes;
use dits_format::ChunkId;
use dits_format::bytes::{Fields, FormatError};
use dits_format::limits::CHUNK_BYTES_MAX;

/// A chunk told by other chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Chunks of data that make up the base, one behind the other.
    pub bases: Vec<ChunkId>,
    /// Bytes of the chunk itself.
    pub plain_bytes: u32,
    /// The delta from the base: see [`dits_store::delta`].
    pub bytes: Bytes,
}

impl Delta {
    /// What it takes on the wire.
    pub fn wire_bytes(&self) -> usize {
        HEAD_BYTES + self.bases.len() * 32 + self.bytes.len()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.plain_bytes.to_le_bytes());
        out.push(self.bases.len() as u8);
        self.bases.iter().for_each(|id| out.extend_from_slice(&id.0));
        out.extend_from_slice(&self.bytes);
    }
}

/// Two lengths and a count.
const HEAD_BYTES: usize = 9;

pub(super) fn take_deltas(fields: &mut Fields<'_>, body: &Bytes) -> Result<Vec<Delta>, FormatError> {
    let count = fields.count("deltas of a message", DELTAS_MAX, HEAD_BYTES)?;
    let mut plain_left = MESSAGE_PLAIN_BYTES_MAX;
    repeat(fields, count, |fields| {
        let (len, plain_bytes) = (fields.u32()? as usize, fields.u32()?);
        if plain_bytes as usize > CHUNK_BYTES_MAX || len >= plain_bytes as usize {
            return Err(fields.invalid("a delta of an impossible length"));
        }
        let left = plain_left.checked_sub(plain_bytes as usize);
        plain_left = left.ok_or(fields.invalid("too many bytes in deltas"))?;
        let bases = usize::from(fields.u8()?);
        if !(1..=DELTA_BASES_MAX).contains(&bases) {
            return Err(fields.invalid("a delta from an impossible base"));
        }
        let bases = repeat(fields, bases, |fields| Ok(ChunkId(fields.array()?)))?;
        Ok(Delta { bases, plain_bytes, bytes: body.slice_ref(fields.take(len)?) })
    })
}
