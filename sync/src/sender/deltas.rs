//! Which new chunks travel as deltas, and from what.
//!
//! Only those that a description against a base has put in the place of chunks of that base, which the receiver has. It may
//! turn out that it has them no more: then it says so and gets the chunk whole, and no more deltas in this stream. Deltas
//! are tried while they pay, and now and then when they did not. A chunk that is waited for takes 200 bytes here, for
//! [`PLACES_MAX`] of them at most; the ids of those that went as deltas, 32.

use super::form::Form;
use crate::message::Delta;
use crate::receiver::DELTAS_PER_STREAM_MAX;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind};
use dits_store::{ChunkRead, Encoded, delta};
use std::collections::{HashMap, HashSet};

/// New chunks whose place is remembered until they are sent.
const PLACES_MAX: usize = 4096;
/// Chunks in a row without a delta that pays, after which only each [`TRIED_ONE_IN`]th is tried.
const MISSES_MAX: u32 = 8;
const TRIED_ONE_IN: u32 = 16;

/// Bytes a second that only memory has: who gets chunks from there would pay for deltas and save nothing.
const MEMORY_RATE: u64 = 4 << 30;

/// See the file head.
#[derive(Default)]
pub(super) struct Deltas {
    places: HashMap<ChunkId, Vec<ChunkId>>,
    sent: HashSet<ChunkId>,
    misses: u32,
    /// The receiver lacks what it should have, or there is no line to be saved.
    is_off: bool,
}

impl Deltas {
    /// Learns the rate of the line.
    pub fn line(&mut self, bytes_per_second: u64) {
        self.is_off |= bytes_per_second >= MEMORY_RATE;
    }

    /// A new chunk stands where the base has these.
    pub fn learn(&mut self, place: Option<(ChunkId, Vec<ChunkId>)>) {
        if let Some((id, bases)) = place
            && !bases.is_empty()
            && self.places.len() < PLACES_MAX
        {
            self.places.insert(id, bases);
        }
    }

    /// The receiver has answered which of these it needs: what it does not need is not sent, and what it needs though
    /// it went ahead as a delta it could not make.
    pub fn answered(&mut self, offered: &[Entry], bits: &[bool]) {
        for (entry, is_needed) in offered.iter().zip(bits) {
            if *is_needed {
                self.was_wrong(&entry.id);
            } else {
                self.places.remove(&entry.id);
            }
        }
    }

    /// The receiver could not make this chunk. Says whether it was a delta.
    pub fn was_wrong(&mut self, id: &ChunkId) -> bool {
        let was_delta = self.sent.remove(id);
        self.is_off |= was_delta;
        was_delta
    }

    /// The form in which to send a chunk, which is kept as `whole`.
    pub fn form(&mut self, store: &dyn ChunkRead, id: &ChunkId, whole: Encoded) -> Form {
        let Some(bases) = self.places.remove(id) else { return Form::Whole(whole) };
        let is_skipped = self.misses >= MISSES_MAX && !self.misses.is_multiple_of(TRIED_ONE_IN);
        if self.is_off || self.sent.len() >= DELTAS_PER_STREAM_MAX {
            return Form::Whole(whole);
        }
        match if is_skipped { None } else { make(store, bases, &whole) } {
            Some(delta) => {
                self.misses = 0;
                self.sent.insert(*id);
                Form::Delta(delta)
            }
            None => {
                self.misses = self.misses.saturating_add(1);
                Form::Whole(whole)
            }
        }
    }
}

/// The delta of a chunk, if that saves a quarter. A base that cannot be read is none.
fn make(store: &dyn ChunkRead, bases: Vec<ChunkId>, whole: &Encoded) -> Option<Delta> {
    let most = (whole.bytes.len() - whole.bytes.len() / 4).checked_sub(32 * bases.len())?;
    let (mut base, mut bytes) = (Vec::new(), Vec::new());
    for id in &bases {
        match store.read(id, &mut bytes) {
            Ok(Some(Kind::Data)) => base.extend_from_slice(&bytes),
            _ => return None,
        }
    }
    let plain = whole.plain(&mut bytes).ok()?;
    let delta = delta::encode(&base, plain, most)?;
    Some(Delta { bases, plain_bytes: whole.plain_bytes, bytes: delta })
}
