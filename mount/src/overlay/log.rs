//! The log of changes: appended to, and replayed at the next start.
//!
//! ```text
//! log    magic "git-dits mount log 1\n", then records back to back
//! record length of body u32 (little-endian), first 8 bytes of its BLAKE3, body
//! body   a `Change` in postcard's encoding
//! ```
//!
//! A record is written with one call, so what a killed process leaves is whole. After a power cut the last records may be torn: a record that
//! is cut by the end of the file, or whose checksum fails with nothing after it, is taken off. Damage before others is an error: what comes
//! after cannot be trusted.

use super::{OverlayError, io_error};
use crate::nodes::Change;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const MAGIC: &[u8] = b"git-dits mount log 1\n";
const HEAD_BYTES: usize = 12;
/// Longest body of a record: a change holds two names or a link's target at most.
pub const RECORD_BYTES_MAX: usize = 16 << 10;

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It begins with something else.
    #[error("it is no log of this version")]
    Magic,
    /// A record is damaged, and others come after it.
    #[error("the record at byte {0} is damaged")]
    Record(u64),
}

/// An open log.
#[derive(Debug)]
pub struct Log {
    file: File,
    /// Where the next record goes.
    end: u64,
}

impl Log {
    /// Opens the log at `path`, or makes it; returns what it holds.
    pub fn open(path: &Path) -> Result<(Log, Vec<Change>), OverlayError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error("open", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
        let (changes, end) =
            decode(&bytes).map_err(|source| OverlayError::Log { path: path.to_owned(), source })?;
        let prepare = |file: &mut File| {
            if end == 0 {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(MAGIC)?;
                return Ok(MAGIC.len() as u64);
            }
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))
        };
        let end = prepare(&mut file).map_err(io_error("write", path))?;
        Ok((Log { file, end }, changes))
    }

    /// Adds a change.
    ///
    /// # Errors
    /// When it could not be written whole; then the log is as before.
    pub fn append(&mut self, change: &Change) -> io::Result<()> {
        let record = encode(change);
        if let Err(error) = self.file.write_all(&record) {
            self.file.set_len(self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
            return Err(error);
        }
        self.end += record.len() as u64;
        Ok(())
    }

    /// Waits until all of it is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(change: &Change) -> Vec<u8> {
    let body = postcard::to_allocvec(change).expect("memory takes all of it");
    let mut record = Vec::with_capacity(HEAD_BYTES + body.len());
    record.extend_from_slice(&(body.len() as u32).to_le_bytes());
    record.extend_from_slice(&blake3::hash(&body).as_bytes()[..8]);
    record.extend_from_slice(&body);
    record
}

/// The changes in the bytes of a log, and where the last whole record ends; 0 when not even the magic is whole.
pub fn decode(bytes: &[u8]) -> Result<(Vec<Change>, u64), LogError> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        return if MAGIC.starts_with(bytes) { Ok((Vec::new(), 0)) } else { Err(LogError::Magic) };
    };
    let mut changes = Vec::new();
    loop {
        let at = (bytes.len() - rest.len()) as u64;
        let Some((head, after)) = rest.split_first_chunk::<HEAD_BYTES>() else { return Ok((changes, at)) };
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > RECORD_BYTES_MAX {
            return Err(LogError::Record(at));
        }
        let Some((body, after)) = after.split_at_checked(length) else { return Ok((changes, at)) };
        let change = (blake3::hash(body).as_bytes()[..8] == head[4..])
            .then(|| postcard::from_bytes::<Change>(body).ok())
            .flatten();
        match change {
            Some(change) => changes.push(change),
            None if after.is_empty() => return Ok((changes, at)),
            None => return Err(LogError::Record(at)),
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::{Ino, Meta, Time};
    use crate::nodes::Made;

    fn change(number: u64) -> Change {
        let meta = Meta { mode: 0o755, uid: 1, gid: 2, mtime: Time(3), ctime: Time(4) };
        let name = format!("name {number}").into_bytes().into();
        Change::Make { ino: Ino(number), parent: Ino(1), name, made: Made::Directory, meta }
    }

    #[test]
    fn a_log_cut_anywhere_keeps_what_is_whole() {
        let mut bytes = MAGIC.to_vec();
        let mut ends = vec![bytes.len()];
        for number in 2..5 {
            bytes.extend(encode(&change(number)));
            ends.push(bytes.len());
        }
        for cut in MAGIC.len()..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let (changes, end) = decode(&bytes[..cut]).unwrap();
            assert_eq!((changes.len(), end), (whole, ends[whole] as u64), "cut at {cut}");
        }
    }

    #[test]
    fn damage_before_others_is_an_error_and_at_the_end_it_is_cut() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(encode(&change(2)));
        let second = bytes.len();
        bytes.extend(encode(&change(3)));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(decode(&bytes).unwrap().1, second as u64);
        bytes[last] ^= 1;
        bytes[second - 1] ^= 1;
        assert_eq!(decode(&bytes), Err(LogError::Record(MAGIC.len() as u64)));
    }

    #[test]
    fn changes_survive_a_restart_behind_a_torn_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (mut log, changes) = Log::open(&path).unwrap();
        assert!(changes.is_empty());
        log.append(&change(2)).unwrap();
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend(&encode(&change(3))[..7]);
        std::fs::write(&path, &torn).unwrap();
        let (mut log, changes) = Log::open(&path).unwrap();
        assert_eq!(changes, [change(2)]);
        log.append(&change(4)).unwrap();
        assert_eq!(Log::open(&path).unwrap().1, [change(2), change(4)]);
    }
}
