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
use crate::sys;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// A record is whole and says what this version does not know.
    #[error("the record at byte {0} was written by a newer version")]
    Unknown(u64),
}

/// What a log holds, before anything of it was changed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    /// Where the last whole record ends; 0 when there is no log.
    end: u64,
}

impl Found {
    /// Opens the log for more, without what is torn at its end.
    pub(super) fn open(self, path: &Path) -> Result<Log, OverlayError> {
        let open = || {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            file.set_len(self.end)?;
            if self.end > 0 {
                return Ok(Log::at(file, self.end));
            }
            sys::write_all_at(&file, MAGIC, 0)?;
            Ok(Log::at(file, MAGIC.len() as u64))
        };
        open().map_err(io_error("write", path))
    }
}

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<File>,
    /// Where the next record goes.
    end: u64,
    /// Where the last one is.
    last: u64,
    /// Whether something may be behind that which could not be taken off.
    is_torn: bool,
}

impl Log {
    fn at(file: File, end: u64) -> Log {
        Log { file: file.into(), end, last: end, is_torn: false }
    }

    /// Reads the log at `path`, which need not be there.
    pub(super) fn read(path: &Path) -> Result<Found, OverlayError> {
        let mut bytes = Vec::new();
        match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("read", path)(error)),
            _ => {
                let (changes, end) =
                    decode(&bytes).map_err(|source| OverlayError::Log { path: path.to_owned(), source })?;
                Ok(Found { changes, end })
            }
        }
    }

    /// Adds a change.
    ///
    /// # Errors
    /// When it could not be written whole; then the log is as before.
    pub(super) fn append(&mut self, change: &Change) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.end)?;
        }
        let record = encode(change);
        self.is_torn = true;
        if let Err(error) = sys::write_all_at(&self.file, &record, self.end) {
            self.is_torn = self.file.set_len(self.end).is_err();
            return Err(error);
        }
        self.is_torn = false;
        self.last = self.end;
        self.end += record.len() as u64;
        Ok(())
    }

    /// Takes the last record off that this added.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        (self.end, self.is_torn) = (self.last, true);
        self.file.set_len(self.end)
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// The file, for who syncs it.
    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }
}

/// A log that is to take the place of another.
#[derive(Debug)]
pub(super) struct NewLog {
    path: PathBuf,
    out: BufWriter<File>,
    end: u64,
}

impl NewLog {
    /// An empty one; whatever is at `path` is overwritten.
    pub(super) fn create(path: &Path) -> io::Result<NewLog> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(MAGIC)?;
        Ok(NewLog { path: path.to_owned(), out, end: MAGIC.len() as u64 })
    }

    /// Adds a change.
    pub(super) fn add(&mut self, change: &Change) -> io::Result<()> {
        let record = encode(change);
        self.end += record.len() as u64;
        self.out.write_all(&record)
    }

    /// Puts it in place of the log at `path`, durably.
    pub(super) fn replace(self, path: &Path) -> io::Result<Log> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        sys::replace(&self.path, path)?;
        Ok(Log::at(file, self.end))
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
        if blake3::hash(body).as_bytes()[..8] != head[4..] {
            // Zeros: the system had given the file its size, and not its bytes yet.
            let is_end = after.is_empty() || rest.iter().all(|byte| *byte == 0);
            return if is_end { Ok((changes, at)) } else { Err(LogError::Record(at)) };
        }
        match postcard::take_from_bytes::<Change>(body) {
            Ok((change, [])) => changes.push(change),
            _ => return Err(LogError::Unknown(at)),
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::{Ino, Meta, Time};
    use crate::nodes::{Below, Made, Ranges, Source, Sparse};
    use crate::outside::BlobId;

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
    fn zeros_at_the_end_are_no_damage() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(encode(&change(2)));
        let end = bytes.len();
        bytes.resize(end + 100, 0);
        assert_eq!(decode(&bytes), Ok((vec![change(2)], end as u64)));
    }

    #[test]
    fn a_record_of_a_newer_version_is_kept() {
        let mut bytes = MAGIC.to_vec();
        let body = [99, 1, 2];
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(&blake3::hash(&body).as_bytes()[..8]);
        bytes.extend(body);
        assert_eq!(decode(&bytes), Err(LogError::Unknown(MAGIC.len() as u64)));
    }

    /// One change of each kind, as version 1 writes it: whoever mends the encoding keeps these readable.
    #[test]
    fn logs_of_earlier_versions_stay_readable() {
        let meta = Meta { mode: 0o755, uid: 1, gid: 2, mtime: Time(3), ctime: Time(-4) };
        let (ino, parent, name) = (Ino(300), Ino(1), || Box::from(&b"n"[..]));
        let source = |source| Change::Source { ino, source, meta };
        let below = |below| {
            source(Source::Sparse(Box::new(Sparse { below, kept: 5, bytes: 6, written: Ranges::default() })))
        };
        let id = || BlobId([8; 20].into());
        let changes = [
            Change::Base { print: [7; 16], next: 300 },
            Change::Make { ino, parent, name: name(), made: Made::Directory, meta },
            Change::Make { ino, parent, name: name(), made: Made::Symlink(name()), meta },
            Change::Make { ino, parent, name: name(), made: Made::File(Source::Upper { bytes: 0 }), meta },
            Change::Remove { parent, name: name(), meta },
            Change::Move {
                from: parent,
                name: name(),
                to: ino,
                new_name: name(),
                exchange: true,
                time: Time(9),
            },
            Change::Meta { ino, meta },
            source(Source::Blob { id: id(), bytes: 70_000 }),
            source(Source::Ghost { oid: [9; 32], bytes: 1 << 40 }),
            below(Below::Blob { id: id(), bytes: 5 }),
            below(Below::Ghost { oid: [9; 32], bytes: 5 }),
            Change::Resize { ino, bytes: 4 },
            Change::Wrote { ino, start: 1, end: 1 << 33 },
            Change::Renew { ino, new: Ino(301) },
            Change::Gone { first: Ino(5), count: 2 },
            Change::Place { ino, parent, name: name(), made: Some(Made::Directory), meta },
            Change::Place { ino, parent, name: name(), made: None, meta },
        ];
        let bytes: Vec<u8> = MAGIC.iter().copied().chain(changes.iter().flat_map(encode)).collect();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("golden.hex").split_whitespace().collect::<String>());
        assert_eq!(decode(&bytes), Ok((changes.to_vec(), bytes.len() as u64)));
    }
}
