//! Which chunks make up the places of contents that are being read, without holding any list whole.
//!
//! Pieces are kept by blocks of a content; the blocks that were not used for longest are forgotten beyond [`LAYOUT_BYTES_MAX`] for
//! all contents together, and asked for again when needed. What a fetch told is kept as well, for the case that nothing else can.

use crate::outside::{ContentFault, Contents, Piece};
use dits_format::Oid;
use moka::Entry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a content in a block.
const BLOCK_BYTES: u64 = 1 << 20;
/// Memory for all pieces, roughly.
const LAYOUT_BYTES_MAX: u64 = 4 << 20;
/// What a block costs beside its pieces, roughly.
const BLOCK_COST_BYTES: usize = 256;

/// Pieces by content and block; in order, not always all of a block.
#[derive(Debug)]
pub(super) struct Layouts {
    blocks: Cache<(Oid, u64), Arc<[Piece]>>,
}

impl Layouts {
    pub(super) fn new() -> Layouts {
        let weigh = |_: &_, pieces: &Arc<[Piece]>| (BLOCK_COST_BYTES + size_of_val::<[Piece]>(pieces)) as u32;
        let builder = Cache::builder().max_capacity(LAYOUT_BYTES_MAX).weigher(weigh);
        Layouts { blocks: builder.eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// The pieces that cover a range of a content of `bytes` bytes; `None` when only a remote can tell.
    pub(super) fn pieces(
        &self,
        contents: &dyn Contents,
        oid: &Oid,
        bytes: u64,
        range: &Range<u64>,
    ) -> Result<Option<Vec<Piece>>, ContentFault> {
        let mut out = Vec::new();
        for block in blocks(range) {
            let part = range.start.max(block * BLOCK_BYTES)..range.end.min((block + 1) * BLOCK_BYTES);
            if let Some(known) = self.blocks.get(&(*oid, block))
                && take(&known, &part, &mut out)
            {
                continue;
            }
            let whole = block * BLOCK_BYTES..bytes.min((block + 1) * BLOCK_BYTES);
            let told = match contents.pieces(oid, whole)? {
                Some(told) => {
                    let told: Arc<[Piece]> = told.into();
                    self.blocks.insert((*oid, block), told.clone());
                    told
                }
                None => match contents.pieces(oid, part.clone())? {
                    Some(told) => told.into(),
                    None => return Ok(None),
                },
            };
            if !take(&told, &part, &mut out) {
                return Err(ContentFault::Damaged("a content has a gap".to_owned()));
            }
        }
        Ok(Some(out))
    }

    /// The piece with this byte, if it is known without asking.
    pub(super) fn known(&self, oid: &Oid, at: u64) -> Option<Piece> {
        let pieces = self.blocks.get(&(*oid, at / BLOCK_BYTES))?;
        pieces.iter().find(|piece| piece.range().contains(&at)).copied()
    }

    /// Keeps what a fetch told.
    pub(super) fn learn(&self, oid: &Oid, piece: &Piece) {
        for block in blocks(&piece.range()) {
            // In one step: two fetches may tell of the same block at once.
            self.blocks
                .entry((*oid, block))
                .and_upsert_with(|known| with(known.map(Entry::into_value), piece));
        }
    }
}

/// The pieces of a block, with one more.
fn with(known: Option<Arc<[Piece]>>, piece: &Piece) -> Arc<[Piece]> {
    let known = known.unwrap_or_default();
    let at = known.partition_point(|other| other.start < piece.start);
    if known.get(at).is_some_and(|other| other.start == piece.start) {
        return known;
    }
    known[..at].iter().chain([piece]).chain(&known[at..]).copied().collect()
}

fn blocks(range: &Range<u64>) -> Range<u64> {
    range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES)
}

/// Adds the pieces that cover a range to `out`; whether they do.
fn take(pieces: &[Piece], range: &Range<u64>, out: &mut Vec<Piece>) -> bool {
    let mut at = range.start;
    let first = pieces.partition_point(|piece| piece.range().end <= range.start);
    for piece in pieces[first..].iter().take_while(|piece| piece.start < range.end) {
        if piece.start > at {
            return false;
        }
        at = piece.range().end;
        // A piece that two blocks share is there already.
        if out.last().is_none_or(|last: &Piece| last.start < piece.start) {
            out.push(*piece);
        }
    }
    at >= range.end
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Made};
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn a_large_content_costs_no_more_than_its_share() {
        let made = Made::new(7, 10 << 30);
        let fake = Fake::new([made.clone()]);
        fake.know_layout();
        let layouts = Layouts::new();
        for at in (0..made.bytes).step_by(1 << 20) {
            let pieces = layouts.pieces(&*fake, &made.oid, made.bytes, &(at..at + 128)).unwrap().unwrap();
            assert!(pieces[0].start <= at && pieces.last().unwrap().range().end >= at + 128);
        }
        layouts.blocks.run_pending_tasks();
        assert!(layouts.blocks.weighted_size() <= LAYOUT_BYTES_MAX);
        assert!(layouts.blocks.entry_count() > 100);
    }

    #[test]
    fn what_a_fetch_told_is_enough() {
        let made = Made::new(3, 5 << 20);
        let (fake, layouts) = (Fake::new([made.clone()]), Layouts::new());
        let range = (1 << 20) - 100_000..(1 << 20) + 100_000;
        let pieces = made.pieces(&range);
        for piece in pieces.iter().rev() {
            let told = layouts.pieces(&*fake, &made.oid, made.bytes, &range).unwrap();
            assert_eq!(told, None);
            layouts.learn(&made.oid, piece);
        }
        assert_eq!(layouts.pieces(&*fake, &made.oid, made.bytes, &range).unwrap(), Some(pieces));
    }

    #[test]
    fn what_several_fetches_tell_at_once_is_all_kept() {
        for seed in 0..100 {
            let made = Made::new(seed, 1 << 20);
            let (fake, layouts) = (Fake::new([made.clone()]), Layouts::new());
            let (pieces, together) = (made.pieces(&(0..made.bytes)), Barrier::new(2));
            std::thread::scope(|scope| {
                for which in 0..2 {
                    let (layouts, pieces, together) = (&layouts, &pieces, &together);
                    scope.spawn(move || {
                        together.wait();
                        pieces.iter().skip(which).step_by(2).for_each(|p| layouts.learn(&made.oid, p));
                    });
                }
            });
            let told = layouts.pieces(&*fake, &made.oid, made.bytes, &(0..made.bytes)).unwrap();
            assert_eq!(told, Some(pieces));
        }
    }
}
