//! Reading chunks from pack files.
//!
//! Packs are opened when first needed and at most [`OPEN_PACKS_MAX`] stay open. A chunk of a raw frame is
//! one `pread`; so is one alone in a compressed frame. A frame of several is decompressed whole and the last
//! [`FRAMES_MAX`] are kept, because neighbours are mostly asked for together. Every chunk is hashed before it leaves,
//! but for [`Packs::read_encoded`] and what [`super::runs`] reads. When the bytes at
//! the given location are wrong the footer is asked, since the index is only a copy of it; only then is the
//! chunk `Corrupt`. A pack without an intact footer is `File`, a pack that is gone is an `Io` of kind
//! `NotFound`: the caller looks at the index again.

use super::layout::Layout;
use super::sys;
use crate::StoreError;
use crate::codec::{self, Encoded};
use dits_format::pack::{self, Codec, Entry, Footer, Frame};
use dits_format::{ChunkId, FormatError, PackId};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Packs that stay open: half of the smallest usual limit on files would be 128.
const OPEN_PACKS_MAX: usize = 64;
/// Decompressed frames that are kept, of at most 2 MiB and usually 256 KiB each.
const FRAMES_MAX: usize = 8;

/// An open pack.
#[derive(Debug)]
pub struct Pack {
    id: PackId,
    /// Where it was when it was opened.
    pub path: PathBuf,
    file: File,
    /// Its frames in file order.
    pub frames: Vec<Frame>,
}

impl Pack {
    fn open(layout: &Layout, id: &PackId) -> Result<(Pack, Footer), StoreError> {
        let path = layout.pack(id);
        let file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let mut pack = Pack { id: *id, path, file, frames: Vec::new() };
        let mut footer = pack.footer()?;
        pack.frames = std::mem::take(&mut footer.frames);
        Ok((pack, footer))
    }

    fn footer(&self) -> Result<Footer, StoreError> {
        let damaged = |source| StoreError::File { path: self.path.clone(), source };
        let len = self.file.metadata().map_err(StoreError::io("stat", &self.path))?.len();
        if len == 0 {
            return Err(damaged(FormatError::Truncated { what: "pack" }));
        }
        let map = sys::map(&self.file).map_err(StoreError::io("map", &self.path))?;
        let (id, footer) = pack::decode(&map).map_err(damaged)?;
        if id != self.id {
            return Err(damaged(FormatError::Invalid { what: "pack", why: "is not the pack its name says" }));
        }
        Ok(footer)
    }

    /// Fills `out` from the file.
    pub fn read_at(&self, out: &mut [u8], offset: u64) -> Result<(), StoreError> {
        self.file.read_exact_at(out, offset).map_err(StoreError::io("read", &self.path))
    }
}

type FrameKey = (PackId, u32);

#[derive(Debug, Default)]
struct Open {
    /// The time, counted in uses.
    now: u64,
    /// With the time of last use.
    packs: HashMap<PackId, (u64, Arc<Pack>)>,
}

/// The packs of a store.
#[derive(Debug)]
pub struct Packs {
    layout: Arc<Layout>,
    open: Mutex<Open>,
    /// Latest last.
    frames: Mutex<Vec<(FrameKey, Arc<Vec<u8>>)>>,
}

const LOCK: &str = "no holder of the lock panics";

impl Packs {
    /// No pack open yet.
    pub fn new(layout: Arc<Layout>) -> Packs {
        Packs { layout, open: Mutex::default(), frames: Mutex::default() }
    }

    /// An open pack.
    pub fn get(&self, id: &PackId) -> Result<Arc<Pack>, StoreError> {
        {
            let mut open = self.open.lock().expect(LOCK);
            open.now += 1;
            let now = open.now;
            if let Some((used, pack)) = open.packs.get_mut(id) {
                *used = now;
                return Ok(pack.clone());
            }
        }
        let pack = Arc::new(Pack::open(&self.layout, id)?.0);
        let mut open = self.open.lock().expect(LOCK);
        if open.packs.len() >= OPEN_PACKS_MAX
            && let Some(oldest) = open.packs.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            open.packs.remove(&oldest);
        }
        let now = open.now;
        open.packs.insert(*id, (now, pack.clone()));
        Ok(pack)
    }

    /// The whole footer of a pack, read anew from the file of that name.
    pub fn footer(&self, id: &PackId) -> Result<Footer, StoreError> {
        let (pack, footer) = Pack::open(&self.layout, id)?;
        Ok(Footer { frames: pack.frames, ..footer })
    }

    /// Closes the packs for which `keep` is false, so that deleted files free their space.
    pub fn retain(&self, keep: impl Fn(&PackId) -> bool) {
        self.open.lock().expect(LOCK).packs.retain(|id, _| keep(id));
        self.frames.lock().expect(LOCK).retain(|((id, _), _)| keep(id));
    }

    /// Reads the chunk that the index places at `entry` of pack `id`.
    pub fn read(&self, id: &PackId, entry: &Entry, out: &mut Vec<u8>) -> Result<Entry, StoreError> {
        let pack = self.get(id)?;
        let Err(error) = self.read_entry(&pack, entry, out) else { return Ok(*entry) };
        if !matches!(error, StoreError::Corrupt { .. }) {
            return Err(error);
        }
        let footer = pack.footer()?;
        match footer.entries.binary_search_by_key(&entry.id, |entry| entry.id) {
            Ok(at) if footer.entries[at] != *entry => {
                self.read_entry(&pack, &footer.entries[at], out).map(|()| footer.entries[at])
            }
            _ => Err(error),
        }
    }

    /// Reads the chunk at `entry` of pack `id` as it lies there, unchecked; `None` when it shares a compressed frame.
    pub fn read_encoded(&self, id: &PackId, entry: &Entry) -> Result<Option<Encoded>, StoreError> {
        let pack = self.get(id)?;
        let Some(frame) = pack.frames.get(entry.frame as usize) else { return Ok(None) };
        let (from, codec, plain_bytes) = (u64::from(entry.offset), frame.codec, entry.bytes);
        let stored = match codec {
            Codec::Raw if from + u64::from(plain_bytes) <= u64::from(frame.plain_bytes) => plain_bytes,
            Codec::Zstd if is_alone(entry.offset, entry.bytes, frame) && frame.stored_bytes < plain_bytes => {
                frame.stored_bytes
            }
            _ => return Ok(None),
        };
        let mut bytes = vec![0; stored as usize];
        pack.read_at(&mut bytes, frame.offset + from)?;
        Ok(Some(Encoded { codec, bytes: bytes.into(), plain_bytes }))
    }

    /// Reads the chunk at `entry` and checks it.
    pub fn read_entry(&self, pack: &Pack, entry: &Entry, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let corrupt = |why: &str| {
            let why = format!("{why} in '{}'", pack.path.display());
            StoreError::Corrupt { id: entry.id, why }
        };
        let frame = pack.frames.get(entry.frame as usize).ok_or_else(|| corrupt("no such frame"))?;
        let (from, len) = (entry.offset as usize, entry.bytes as usize);
        if from + len > frame.plain_bytes as usize {
            return Err(corrupt("outside its frame"));
        }
        let read = match frame.codec {
            Codec::Raw => {
                out.resize(len, 0);
                pack.read_at(out, frame.offset + u64::from(entry.offset))
            }
            Codec::Zstd if is_alone(entry.offset, entry.bytes, frame) => decompressed(pack, frame, out),
            Codec::Zstd => self.plain(pack, entry.frame, frame).map(|plain| {
                out.clear();
                out.extend_from_slice(&plain[from..from + len]);
            }),
        };
        match read {
            Err(StoreError::Io { source, .. })
                if [ErrorKind::UnexpectedEof, ErrorKind::InvalidData].contains(&source.kind()) =>
            {
                Err(corrupt(&source.to_string()))
            }
            Err(error) => Err(error),
            Ok(()) if ChunkId::of(entry.kind, out) != entry.id => Err(corrupt("bytes do not match the id")),
            Ok(()) => Ok(()),
        }
    }

    /// A compressed frame, decompressed; `InvalidData` when that fails.
    pub fn plain(&self, pack: &Pack, number: u32, frame: &Frame) -> Result<Arc<Vec<u8>>, StoreError> {
        let key = (pack.id, number);
        {
            let mut frames = self.frames.lock().expect(LOCK);
            if let Some(at) = frames.iter().position(|(known, _)| *known == key) {
                frames[at..].rotate_left(1);
                return Ok(frames[frames.len() - 1].1.clone());
            }
        }
        let mut plain = Vec::new();
        decompressed(pack, frame, &mut plain)?;
        let plain = Arc::new(plain);
        let mut frames = self.frames.lock().expect(LOCK);
        if frames.len() >= FRAMES_MAX {
            frames.remove(0);
        }
        frames.push((key, plain.clone()));
        Ok(plain)
    }
}

/// Whether a chunk has its frame to itself.
pub fn is_alone(offset: u32, bytes: u32, frame: &Frame) -> bool {
    offset == 0 && bytes == frame.plain_bytes
}

/// Replaces `out` by what a compressed frame holds; `InvalidData` when it cannot be decompressed.
fn decompressed(pack: &Pack, frame: &Frame, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let mut stored = vec![0; frame.stored_bytes as usize];
    pack.read_at(&mut stored, frame.offset)?;
    codec::decompress(&stored, frame.plain_bytes as usize, out)
        .map_err(|why| StoreError::io("read", &pack.path)(io::Error::new(ErrorKind::InvalidData, why)))
}

/// Whether a file was not there.
pub fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}
