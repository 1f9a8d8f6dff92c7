//! A ledger on disk: an append-only file of what happened to contents ([`dits_format::ledger`]).
//!
//! Several processes append at once and one may write it anew, each under a lock on the file itself. A writer that
//! waited while the file was replaced finds the lock on a file without that name, and opens the new one. Before it
//! appends it cuts off what a dead writer left of an entry, and when it fails itself it takes back what it wrote, so
//! entries stay where a reader expects them. Entries that are damaged are counted, never guessed.
//!
//! Fails with [`StoreError`]; a file that is no ledger is [`StoreError::File`].

use crate::{StoreError, durable};
use dits_format::FormatError;
use dits_format::ledger::{ENTRIES_MAX, ENTRY_BYTES, Entry, HEAD_BYTES, decode, decode_head, encode, head};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// For the owner's eyes only: it names contents.
const MODE: u32 = 0o600;
/// Entries read at a time.
const READ_ENTRIES: usize = 1 << 14;

/// Whether an append must outlive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// It must.
    Durable,
    /// It need not: whom it is for does not outlive one either.
    Cached,
}

/// A ledger, there or not.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

/// How far a ledger was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Numbers of files are used again, so the generation counts too.
    file: (u64, u32),
    bytes: u64,
}

/// What was read.
#[derive(Debug)]
pub struct Part {
    /// Entries in the order in which they were written.
    pub entries: Vec<Entry>,
    /// How many more there are that are damaged.
    pub damaged: usize,
    /// Whether this is all there is, and not what came after a position.
    pub all: bool,
    /// To read on from.
    pub end: Position,
}

impl Ledger {
    /// The ledger at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Ledger {
        Ledger { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything was ever written.
    pub fn exists(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|meta| meta.len() >= HEAD_BYTES as u64)
    }

    /// Adds entries at the end, creating the file if need be.
    pub fn append(&self, entries: &[Entry], sync: Sync) -> Result<(), StoreError> {
        let write = |doing| StoreError::io(doing, &self.path);
        let is_new = !self.exists();
        if is_new {
            durable::create_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        }
        let file = self.lock()?;
        let len = file.metadata().map_err(write("stat"))?.len();
        let (end, mut bytes) = match whole(len) {
            0 => (0, head(0).to_vec()),
            end => (end, Vec::new()),
        };
        bytes.extend(encode(entries));
        let mut written = file.set_len(end).and_then(|()| file.write_all_at(&bytes, end));
        if written.is_ok() && sync == Sync::Durable {
            written = file.sync_data();
        }
        if let Err(error) = written {
            // If this fails too, the next writer cuts off the part of an entry; whole ones do no harm.
            let _ = file.set_len(end);
            return Err(write("write")(error));
        }
        if is_new && sync == Sync::Durable {
            durable::sync_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    /// Reads what came after `position`, or everything when the file is another one since, or without one.
    pub fn read(&self, position: Option<Position>) -> Result<Part, StoreError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let end = Position { file: (0, 0), bytes: 0 };
                return Ok(Part { entries: Vec::new(), damaged: 0, all: true, end });
            }
            Err(error) => return Err(StoreError::io("open", &self.path)(error)),
        };
        file.lock_shared().map_err(StoreError::io("lock", &self.path))?;
        self.read_open(&file, position)
    }

    fn read_open(&self, file: &File, position: Option<Position>) -> Result<Part, StoreError> {
        let meta = file.metadata().map_err(StoreError::io("stat", &self.path))?;
        let bytes = whole(meta.len());
        let generation = if bytes == 0 { 0 } else { self.generation(file)? };
        let end = Position { file: (meta.ino(), generation), bytes };
        let known = position.filter(|known| known.file == end.file && known.bytes <= end.bytes);
        let mut part = Part { entries: Vec::new(), damaged: 0, all: known.is_none(), end };
        let from = known.map_or(0, |known| known.bytes).max(HEAD_BYTES as u64);
        if end.bytes > from {
            self.read_between(file, from, &mut part)?;
        }
        Ok(part)
    }

    fn broken(&self, source: FormatError) -> StoreError {
        StoreError::File { path: self.path.clone(), source }
    }

    fn generation(&self, file: &File) -> Result<u32, StoreError> {
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, 0).map_err(StoreError::io("read", &self.path))?;
        decode_head(&head).map_err(|source| self.broken(source))
    }

    fn read_between(&self, file: &File, mut at: u64, part: &mut Part) -> Result<(), StoreError> {
        let found = (part.end.bytes - at) / ENTRY_BYTES as u64;
        if found > ENTRIES_MAX as u64 {
            let what = "entries of a ledger";
            return Err(self.broken(FormatError::Limit { what, found, limit: ENTRIES_MAX as u64 }));
        }
        let mut buffer = vec![0; (found as usize).min(READ_ENTRIES) * ENTRY_BYTES];
        while at < part.end.bytes {
            let len = (part.end.bytes - at).min(buffer.len() as u64) as usize;
            file.read_exact_at(&mut buffer[..len], at).map_err(StoreError::io("read", &self.path))?;
            let (entries, damaged) = decode(&buffer[..len]);
            part.entries.extend(entries);
            part.damaged += damaged;
            at += len as u64;
        }
        Ok(())
    }

    /// Writes it anew, durably: `choose` says from all that is in it what shall be. Nobody appends meanwhile.
    pub fn rewrite(&self, choose: impl FnOnce(Vec<Entry>) -> Vec<Entry>) -> Result<(), StoreError> {
        if !self.exists() {
            return Ok(());
        }
        let lock = self.lock()?;
        let all = self.read_open(&lock, None)?;
        let generation = all.end.file.1.wrapping_add(1);
        self.write(&choose(all.entries), generation)
    }

    /// Makes a whole ledger, unless somebody did.
    pub fn create(&self, entries: &[Entry]) -> Result<(), StoreError> {
        durable::create_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        let lock = self.lock()?;
        let len = lock.metadata().map_err(StoreError::io("stat", &self.path))?.len();
        if whole(len) == 0 { self.write(entries, 0) } else { Ok(()) }
    }

    fn write(&self, entries: &[Entry], generation: u32) -> Result<(), StoreError> {
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(MODE);
        let bytes = [&head(generation)[..], &encode(entries)].concat();
        let written =
            options.open(&new).and_then(|file| file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()));
        written.map_err(StoreError::io("write", &new))?;
        durable::rename(&new, &self.path)
    }

    /// Opens it for writing, creates it if need be, and locks it for this process alone.
    fn lock(&self) -> Result<File, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(MODE);
        loop {
            let file = options.open(&self.path).map_err(StoreError::io("open", &self.path))?;
            file.lock().map_err(StoreError::io("lock", &self.path))?;
            let ours = file.metadata().map_err(StoreError::io("stat", &self.path))?.ino();
            match std::fs::metadata(&self.path) {
                Ok(meta) if meta.ino() == ours => return Ok(file),
                // Written anew, or removed, while we waited.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("stat", &self.path)(error)),
            }
        }
    }
}

/// The bytes of a ledger of this length that are head and whole entries; 0 when not even the head is there.
fn whole(len: u64) -> u64 {
    let head = HEAD_BYTES as u64;
    len.checked_sub(head).map_or(0, |entries| head + entries / ENTRY_BYTES as u64 * ENTRY_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_format::ChunkId;

    fn entry(number: u8) -> Entry {
        Entry { id: [number; 32], manifest: ChunkId([1; 32]), seconds: u64::from(number) }
    }

    fn numbers(part: &Part) -> Vec<u8> {
        part.entries.iter().map(|entry| entry.id[0]).collect()
    }

    #[test]
    fn entries_are_read_on_from_where_one_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(dir.path().join("deep/ledger"));
        assert!(ledger.read(None).unwrap().entries.is_empty() && !ledger.exists());
        ledger.append(&[entry(1), entry(2)], Sync::Durable).unwrap();
        let first = ledger.read(None).unwrap();
        assert_eq!((numbers(&first), first.all), (vec![1, 2], true));
        ledger.append(&[entry(3)], Sync::Cached).unwrap();
        let second = ledger.read(Some(first.end)).unwrap();
        assert_eq!((numbers(&second), second.all), (vec![3], false));
        ledger.rewrite(|all| all.into_iter().filter(|entry| entry.id[0] != 2).collect()).unwrap();
        let third = ledger.read(Some(second.end)).unwrap();
        assert_eq!((numbers(&third), third.all), (vec![1, 3], true));
    }

    #[test]
    fn what_a_crash_left_of_an_entry_is_cut_off_and_damage_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(dir.path().join("ledger"));
        ledger.append(&[entry(1), entry(2)], Sync::Durable).unwrap();
        let mut bytes = std::fs::read(ledger.path()).unwrap();
        bytes.extend([7; 33]);
        bytes[HEAD_BYTES + 3] ^= 1;
        std::fs::write(ledger.path(), &bytes).unwrap();
        let part = ledger.read(None).unwrap();
        assert_eq!((numbers(&part), part.damaged), (vec![2], 1));
        ledger.append(&[entry(3)], Sync::Durable).unwrap();
        let part = ledger.read(None).unwrap();
        assert_eq!((numbers(&part), part.damaged), (vec![2, 3], 1));
        std::fs::write(ledger.path(), [8; 200]).unwrap();
        assert!(matches!(ledger.read(None), Err(StoreError::File { .. })));
    }

    #[test]
    fn nobody_appends_to_a_file_that_was_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(dir.path().join("ledger"));
        ledger.append(&[entry(0)], Sync::Cached).unwrap();
        std::thread::scope(|scope| {
            for thread in 1..4u8 {
                let ledger = &ledger;
                scope.spawn(move || {
                    (0..50).for_each(|_| ledger.append(&[entry(thread)], Sync::Cached).unwrap());
                });
            }
            (0..50).for_each(|_| ledger.rewrite(|all| all).unwrap());
        });
        assert_eq!(ledger.read(None).unwrap().entries.len(), 151);
    }
}
