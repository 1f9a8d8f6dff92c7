//! Taking in chunks that are told by chunks that are here.
//!
//! The base is read from the store, checked; what the delta makes of it must hash to the id that is awaited, and is then
//! stored as any new chunk: nothing is kept as a delta. A base that is not here, is damaged, or must not be known to the
//! peer makes no chunk, which is no fault: the chunk is asked for whole. Work is bounded by [`DELTAS_PER_STREAM_MAX`],
//! memory by a base, a chunk and [`dits_store::delta`].

use super::{DELTAS_PER_STREAM_MAX, Receiver};
use crate::machine::SyncError;
use crate::message::Delta;
use dits_format::{ChunkId, Kind};
use dits_store::delta::{self, BASE_BYTES_MAX};
use dits_store::{Compression, Encoded, Encoder, StoreError};

impl Receiver {
    /// Takes chunks as deltas, `early` or in the order in which they were needed. Gives those of the latter that must come
    /// once more, whole.
    pub fn deltas(&mut self, early: bool, deltas: Vec<Delta>) -> Result<Vec<ChunkId>, SyncError> {
        self.deltas += deltas.len();
        if self.deltas > DELTAS_PER_STREAM_MAX {
            return Err(SyncError::Protocol("too many deltas in one stream"));
        }
        let mut wrong = Vec::new();
        for delta in deltas {
            let travelled = delta.bytes.len();
            if early {
                self.count_early(delta.plain_bytes)?;
                if let Some(chunk) = self.made(&delta, |_| true)? {
                    let id = ChunkId::of(Kind::Data, &chunk);
                    let encoded = self.encoded(chunk);
                    self.keep_chunk(id, Kind::Data, &encoded, travelled)?;
                }
                continue;
            }
            let awaited = self.next_awaited(delta.plain_bytes)?;
            let is_it = |plain: &[u8]| ChunkId::of(awaited.kind, plain) == awaited.id;
            match self.made(&delta, is_it)? {
                Some(plain) => {
                    let encoded = self.encoded(plain.clone());
                    self.arrived(&awaited, &encoded, &plain, travelled)?;
                }
                None => wrong.push(self.once_more(awaited)),
            }
        }
        Ok(wrong)
    }

    /// The chunk, if it can be made and is the right one.
    fn made(
        &mut self,
        delta: &Delta,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<bytes::Bytes>, SyncError> {
        let (mut base, mut plain) = (Vec::new(), Vec::new());
        for id in &delta.bases {
            if !self.add_base(id, &mut base)? {
                return Ok(None);
            }
        }
        let made = delta::decode(&base, &delta.bytes, delta.plain_bytes as usize, &mut plain);
        Ok((made.is_ok() && is_it(&plain)).then(|| plain.into()))
    }

    /// Adds the chunk `id` to a base. Says whether it can be had and is not too long.
    fn add_base(&mut self, id: &ChunkId, base: &mut Vec<u8>) -> Result<bool, SyncError> {
        // What the peer must not know of would be told by what can be made of it.
        if !self.batch.admits(id)? {
            return Ok(false);
        }
        match self.batch.read(id, &mut self.scratch) {
            Ok(Some(Kind::Data)) if base.len() + self.scratch.len() <= BASE_BYTES_MAX => {
                base.extend_from_slice(&self.scratch);
                Ok(true)
            }
            Err(error @ StoreError::Io { .. }) => Err(error.into()),
            _ => Ok(false),
        }
    }

    /// As a chunk is kept that is new here.
    fn encoded(&mut self, plain: bytes::Bytes) -> Encoded {
        self.encoder.get_or_insert_with(|| Encoder::new(Compression::Auto)).encode(plain)
    }
}
