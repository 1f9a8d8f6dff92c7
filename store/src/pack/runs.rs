//! Reading what lies side by side in one go.
//!
//! The chunks of a content were mostly put one after the other, so they lie so in a pack: a run of them is one read,
//! straight to where the caller wants the bytes. Chunks that are alone in their compressed frames are read together
//! and decompressed one by one; of a frame of several, as many are taken as the content has there.
//!
//! Nothing is compared with ids here: that is for the caller, who compares the whole. Lengths are, before anything is
//! read or allocated. Whatever is not as it should be (no such chunk, a pack that is gone, a frame that cannot be
//! decompressed) only ends the run: [`crate::ChunkRead::read`] then looks again, tries other copies, and says what is
//! wrong.

use super::PackStore;
use super::indexed::Snapshot;
use super::packs::{Pack, is_alone};
use crate::codec;
use crate::traits::Part;
use dits_format::pack::{Codec, Frame};
use dits_format::segment::Location;
use dits_format::{ChunkId, Kind, Oid, PackId};

/// Where the manifest of a content is; contents in this order lie in the order in which they were put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whereabouts {
    /// The store itself, or a number of one beside it.
    store: usize,
    pack: PackId,
    frame: u32,
    offset: u32,
}

impl PackStore {
    /// Where `oid` is, as far as is known now.
    pub fn whereabouts(&self, oid: &Oid) -> Option<Whereabouts> {
        self.stores().enumerate().find_map(|(store, here)| {
            let snapshot = here.snapshot();
            let find = |binding: &dits_format::Binding| place(&snapshot, &binding.manifest, |_| true);
            let (pack, at) = here.bound(oid).iter().rev().find_map(find)?;
            Some(Whereabouts { store, pack, frame: at.frame, offset: at.offset })
        })
    }

    /// See [`crate::ChunkRead::read_run`].
    pub(super) fn run(&self, parts: &[Part], out: &mut [u8]) -> usize {
        let Some(first) = parts.first() else { return 0 };
        let found = self.own_run(parts, out);
        if found > 0 {
            return found;
        }
        self.beside
            .keeping(&first.entry.id)
            .map(|near| near.own_run(parts, out))
            .find(|n| *n > 0)
            .unwrap_or(0)
    }

    fn own_run(&self, parts: &[Part], out: &mut [u8]) -> usize {
        let snapshot = self.snapshot();
        let Some((id, _)) = place(&snapshot, &parts[0].entry.id, |_| true) else { return 0 };
        let Ok(pack) = self.shared.packs.get(&id) else { return 0 };
        let run = Run { snapshot: &snapshot, id, pack: &pack, parts };
        let Some((at, frame)) = run.stands(0) else { return 0 };
        match frame.codec {
            Codec::Raw => run.read_raw(out),
            Codec::Zstd if is_alone(at.offset, at.bytes, frame) => run.read_alone(out),
            Codec::Zstd => match self.shared.packs.plain(&pack, at.frame, frame) {
                Ok(plain) => run.copy(&at, &plain, out),
                Err(_) => 0,
            },
        }
    }
}

/// Where a chunk is, in a pack that `fits`.
fn place(snapshot: &Snapshot, id: &ChunkId, fits: impl Fn(&PackId) -> bool) -> Option<(PackId, Location)> {
    snapshot.iter().flat_map(|indexed| indexed.places(id)).find(|(pack, _)| fits(pack))
}

/// Parts that are looked for in one pack.
struct Run<'a> {
    snapshot: &'a Snapshot,
    id: PackId,
    pack: &'a Pack,
    parts: &'a [Part],
}

impl Run<'_> {
    /// Where the chunk of part `n` is in the pack, if it is what the part says.
    fn stands(&self, n: usize) -> Option<(Location, &Frame)> {
        let part = self.parts.get(n)?;
        let (_, at) = place(self.snapshot, &part.entry.id, |id| *id == self.id)?;
        let frame = self.pack.frames.get(at.frame as usize)?;
        let (end, inner) = (u64::from(at.offset) + u64::from(at.bytes), part.skip + part.bytes as u64);
        let fits = at.kind == Kind::Data
            && u64::from(at.bytes) == part.entry.bytes
            && inner <= part.entry.bytes
            && end <= u64::from(frame.plain_bytes);
        fits.then_some((at, frame))
    }

    /// The parts that stand in raw frames, each where the one before it ends.
    fn read_raw(&self, out: &mut [u8]) -> usize {
        let (mut count, mut bytes, mut from, mut end) = (0, 0, 0, 0);
        while let Some((at, frame)) = self.stands(count) {
            let part = &self.parts[count];
            let starts = frame.offset + u64::from(at.offset) + part.skip;
            if frame.codec != Codec::Raw || (count > 0 && starts != end) || bytes + part.bytes > out.len() {
                break;
            }
            if count == 0 {
                from = starts;
            }
            end = starts + part.bytes as u64;
            bytes += part.bytes;
            count += 1;
        }
        if self.pack.read_at(&mut out[..bytes], from).is_ok() { count } else { 0 }
    }

    /// The parts whose chunks have a compressed frame each, and these lie back to back.
    fn read_alone(&self, out: &mut [u8]) -> usize {
        let (mut frames, mut bytes, mut stored_bytes) = (Vec::<&Frame>::new(), 0, 0);
        while let Some((at, frame)) = self.stands(frames.len()) {
            let follows =
                frames.last().is_none_or(|last| frame.offset == last.offset + u64::from(last.stored_bytes));
            bytes += self.parts[frames.len()].bytes;
            let alone = frame.codec == Codec::Zstd && is_alone(at.offset, at.bytes, frame);
            // A frame that is larger than what is in it is none of ours, and might be of any length.
            if !alone || !follows || frame.stored_bytes >= frame.plain_bytes || bytes > out.len() {
                break;
            }
            stored_bytes += frame.stored_bytes as usize;
            frames.push(frame);
        }
        let Some(first) = frames.first() else { return 0 };
        let mut stored = vec![0; stored_bytes];
        if self.pack.read_at(&mut stored, first.offset).is_err() {
            return 0;
        }
        let (mut stored, mut out) = (&stored[..], out);
        for (done, (frame, part)) in frames.iter().zip(self.parts).enumerate() {
            let (one, rest) = stored.split_at(frame.stored_bytes as usize);
            let (to, after) = std::mem::take(&mut out).split_at_mut(part.bytes);
            if !decompress(one, frame, part, to) {
                return done;
            }
            (stored, out) = (rest, after);
        }
        frames.len()
    }

    /// The parts that stand in the frame of the first, which is `plain`.
    fn copy(&self, first: &Location, plain: &[u8], out: &mut [u8]) -> usize {
        let (mut count, mut bytes) = (0, 0);
        while let Some((at, _)) = self.stands(count).filter(|(at, _)| at.frame == first.frame) {
            let part = &self.parts[count];
            let from = at.offset as usize + part.skip as usize;
            let (Some(from), Some(to)) =
                (plain.get(from..from + part.bytes), out.get_mut(bytes..bytes + part.bytes))
            else {
                break;
            };
            to.copy_from_slice(from);
            bytes += part.bytes;
            count += 1;
        }
        count
    }
}

/// Fills `out` with what the frame of one chunk holds of `part`; false when it cannot be decompressed.
fn decompress(stored: &[u8], frame: &Frame, part: &Part, out: &mut [u8]) -> bool {
    if out.len() == frame.plain_bytes as usize {
        return codec::decompress_exact(stored, out).is_ok();
    }
    let mut plain = Vec::new();
    if codec::decompress(stored, frame.plain_bytes as usize, &mut plain).is_err() {
        return false;
    }
    out.copy_from_slice(&plain[part.skip as usize..][..part.bytes]);
    true
}
