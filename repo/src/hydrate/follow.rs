//! Large files that are written while their contents come, not when all of it is there.
//!
//! A content is told as it is received ([`Follow`]). A thread of its own hashes it and writes it into a temporary file, so
//! the wait for the network and that for the disk are one, and packs are not read back, which a file larger than the memory
//! would mean. What cannot be followed to its end (most of it is here already, the disk is short of space, a fetch broke) is
//! dropped, and written from the store like any other.
//!
//! What must hold: [`Following::take`] gives a file only when its oid was compared. Memory: [`BLOCKS`] blocks of
//! [`BLOCK_BYTES`] for each content that is coming. A file is followed where the disk has room for thrice its size: its
//! chunks, itself, and as much to spare.

use super::draft::{Written, create, finished};
use super::plan::Due;
use dits_format::Oid;
use dits_format::blocks::{BLOCK_BYTES, BlockHasher, OidOfBlocks};
use dits_store::{Follow, PackStore, durable};
use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::SystemTime;

/// Smaller files are written soon enough once they are here.
const FILE_BYTES_MIN: u64 = 32 << 20;
/// Blocks on their way to the file, the one that is being filled and the one that is being written included.
const BLOCKS: usize = 4;
/// Bytes that are hashed and written while they are in the cache.
const PIECE_BYTES: usize = 256 << 10;
const LOCK: &str = "no holder of the lock panics";

/// Whether any of these files may be written so.
pub fn is_due(due: &[Due]) -> bool {
    due.iter().any(|due| content(due).is_some())
}

/// The content of a large file.
fn content(due: &Due) -> Option<Oid> {
    due.pointer.as_ref().filter(|pointer| pointer.size >= FILE_BYTES_MIN).map(|pointer| pointer.oid)
}

/// The files that may be written so. See the file head.
#[derive(Debug)]
pub struct Following {
    store: PackStore,
    files: HashMap<Oid, Mutex<Followed>>,
}

#[derive(Debug)]
struct Followed {
    due: Due,
    temporary: PathBuf,
    /// Bytes told so far.
    told: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Waits,
    Comes(Writer),
    Whole(Box<Written>),
    /// It is written from the store.
    Off,
}

impl Following {
    /// Those of `due` that are large, the first path of each content, under names that `name` gives.
    pub fn of(store: &PackStore, due: &[Due], mut name: impl FnMut(&Due) -> PathBuf) -> Listening {
        let mut files = HashMap::new();
        for (oid, due) in due.iter().filter_map(|due| Some((content(due)?, due))) {
            files.entry(oid).or_insert_with(|| {
                let temporary = name(due);
                Mutex::new(Followed { due: due.clone(), temporary, told: 0, state: State::Waits })
            });
        }
        Listening(Arc::new(Following { store: store.clone(), files }))
    }

    /// The file for `due`, if it was written whole. What was not is gone then.
    pub fn take(&self, due: &Due, mtime: SystemTime) -> Option<Written> {
        let mut file = self.file(&due.pointer.as_ref()?.oid).filter(|file| file.due.path == due.path)?;
        let State::Whole(written) = std::mem::replace(&mut file.state, State::Off) else { return None };
        let opened = File::open(&written.temporary).ok()?;
        finished(*written, &opened, mtime).ok()
    }

    fn file(&self, oid: &Oid) -> Option<MutexGuard<'_, Followed>> {
        Some(self.files.get(oid)?.lock().expect(LOCK))
    }
}

/// As long as it is there contents are followed. A source may keep its end of it for longer.
#[derive(Debug)]
pub struct Listening(Arc<Following>);

impl Listening {
    /// What is to be told.
    pub fn ear(&self) -> Arc<dyn Follow> {
        self.0.clone()
    }
}

impl Deref for Listening {
    type Target = Following;

    fn deref(&self) -> &Following {
        &self.0
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.files.values().for_each(|file| file.lock().expect(LOCK).state = State::Off);
    }
}

impl Follow for Following {
    fn wants(&self, oid: &Oid) -> Option<u64> {
        let file = self.file(oid)?;
        matches!(file.state, State::Waits | State::Comes(_)).then_some(file.told)
    }

    fn next(&self, oid: &Oid, bytes: &[u8]) {
        let Some(mut file) = self.file(oid) else { return };
        if let State::Waits = file.state {
            file.state = Writer::begin(&self.store, &file).map_or(State::Off, State::Comes);
        }
        file.told += bytes.len() as u64;
        if let State::Comes(writer) = &mut file.state
            && !writer.put(bytes)
        {
            file.state = State::Off;
        }
    }

    fn end(&self, oid: &Oid) {
        let Some(mut file) = self.file(oid) else { return };
        if let State::Comes(writer) = std::mem::replace(&mut file.state, State::Off)
            && let Some(written) = writer.end(oid)
        {
            file.state = State::Whole(Box::new(written));
        }
    }

    fn give_up(&self, oid: &Oid) {
        if let Some(mut file) = self.file(oid) {
            file.state = State::Off;
        }
    }
}

/// A temporary file, the thread that fills it, and the block that is next.
#[derive(Debug)]
struct Writer {
    block: Vec<u8>,
    /// `None` when no more come.
    full: Option<SyncSender<Vec<u8>>>,
    /// Blocks that were written, to be filled again.
    empty: Receiver<Vec<u8>>,
    /// What was written, and what it is; `None` when it could not be.
    thread: Option<JoinHandle<Option<(Written, Oid)>>>,
}

impl Writer {
    fn begin(store: &PackStore, followed: &Followed) -> Option<Writer> {
        let Followed { due, temporary, .. } = followed;
        let size = due.pointer.as_ref()?.size;
        if !store.has_room(temporary, size.saturating_mul(3)) {
            return None;
        }
        let (file, written) = create(due.clone(), temporary.clone()).ok()?;
        durable::reserve(&file, 0, size, true);
        // One is here, one with the thread.
        let (full, blocks) = sync_channel(BLOCKS - 2);
        let (done, empty) = channel();
        let fill = move || fill(&file, &blocks, &done).map(|oid| (written, oid));
        let thread = Builder::new().name("follow".into()).spawn(fill).ok()?;
        Some(Writer { block: Vec::new(), full: Some(full), empty, thread: Some(thread) })
    }

    /// Takes the next bytes; false when the file cannot be written.
    fn put(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.block.capacity() == 0 {
                self.block = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK_BYTES));
            }
            let (some, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(some);
            bytes = rest;
            if self.block.len() == BLOCK_BYTES && !self.send() {
                return false;
            }
        }
        true
    }

    fn send(&mut self) -> bool {
        let block = std::mem::take(&mut self.block);
        self.full.as_ref().is_some_and(|full| full.send(block).is_ok())
    }

    /// All bytes came: the file, if they are `oid`.
    fn end(mut self, oid: &Oid) -> Option<Written> {
        if !self.block.is_empty() && !self.send() {
            return None;
        }
        self.full = None;
        let (written, found) = self.thread.take()?.join().ok()??;
        (found == *oid).then_some(written)
    }
}

impl Drop for Writer {
    /// The file is gone when this returns, and its space is there for others.
    fn drop(&mut self) {
        self.full = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes blocks until there are no more, and returns the oid of all of them.
fn fill(file: &File, blocks: &Receiver<Vec<u8>>, done: &Sender<Vec<u8>>) -> Option<Oid> {
    let (mut oid, mut at) = (OidOfBlocks::default(), 0);
    for (index, mut block) in (0..).zip(blocks) {
        let mut hasher = BlockHasher::new(index);
        for piece in block.chunks(PIECE_BYTES) {
            hasher.update(piece);
            durable::write_all_at(file, [piece, &[]], at).ok()?;
            at += piece.len() as u64;
        }
        oid.put(index, hasher.finish());
        block.clear();
        // Nobody is there to take it any more when the last ones are written.
        let _ = done.send(block);
    }
    Some(oid.oid())
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
