//! When each content of a cache was last used, and what is in use now.
//!
//! A process writes one file `uses/<random>.use` ([`dits_format::uses`]), and a record for each content it is about
//! to use: no write for each read. While it lives it holds a lock on the file, which makes the file say "in use";
//! after that, whatever ended the process, the file says "was used then". Many such files are merged into one by
//! who evicts. Nothing here is synced: what a power cut takes is only knowledge about what to evict first.

use crate::durable::{self, TempFile};
use crate::{Modes, StoreError};
use dits_format::Oid;
use dits_format::uses::{decode, encode};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

const SUFFIX: &str = ".use";
/// Files that may pile up before they are merged.
const FILES_MAX: usize = 64;
/// Bytes of one file that are read; more contents than that (26 million) are not told apart by age.
const FILE_BYTES_MAX: u64 = 1 << 30;
const LOCK: &str = "no holder of the lock panics";

/// The folder `uses`, and the file of this process in it.
#[derive(Debug)]
pub struct Uses {
    dir: PathBuf,
    modes: Modes,
    own: Mutex<Option<Own>>,
}

#[derive(Debug)]
struct Own {
    file: TempFile,
    bytes: u64,
}

/// What the files say.
#[derive(Debug, Default)]
pub struct Known {
    /// When a content was last used.
    pub last: HashMap<Oid, u64>,
    /// Contents that living processes hold.
    pub held: HashSet<Oid>,
    /// Whether there is such a process.
    pub is_busy: bool,
    /// Files of dead processes.
    dead: Vec<PathBuf>,
}

impl Uses {
    pub fn open(dir: &Path, modes: Modes) -> Result<Uses, StoreError> {
        durable::create_shared_dir(dir, modes)?;
        // Only trying tells whether files can be made here: root may write to what is read-only, others not.
        let writable = TempFile::create(dir, "", modes)?;
        drop(writable);
        Ok(Uses { dir: dir.to_owned(), modes, own: Mutex::default() })
    }

    /// Notes that these contents are used now, by this process.
    pub fn add(&self, oids: &[Oid]) -> Result<(), StoreError> {
        if oids.is_empty() {
            return Ok(());
        }
        let mut own = self.own.lock().expect(LOCK);
        let own = match &mut *own {
            Some(own) => own,
            none => none.insert(self.create()?),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let records = encode(oids.iter().map(|oid| (*oid, now)));
        own.file.write_at(&records, own.bytes)?;
        own.bytes += records.len() as u64;
        Ok(())
    }

    fn create(&self) -> Result<Own, StoreError> {
        let mut file = TempFile::create(&self.dir, SUFFIX, self.modes)?;
        file.leave();
        Ok(Own { file, bytes: 0 })
    }

    /// This process uses nothing any more.
    pub fn let_go(&self) {
        *self.own.lock().expect(LOCK) = None;
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(SUFFIX))
    }

    /// Whether the files should be merged.
    pub fn are_many(&self) -> bool {
        self.files().nth(FILES_MAX).is_some()
    }

    /// Reads all files.
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        for path in self.files() {
            // One that is gone was merged by somebody; then that one evicts, and we have nothing to do.
            let Ok(file) = File::open(&path) else { continue };
            let is_dead = file.try_lock().is_ok();
            let mut bytes = Vec::new();
            if file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).is_err() {
                continue;
            }
            for (oid, at) in decode(&bytes) {
                let last = known.last.entry(oid).or_default();
                *last = at.max(*last);
                if !is_dead {
                    known.held.insert(oid);
                }
            }
            known.is_busy |= !is_dead;
            if is_dead {
                known.dead.push(path);
            }
        }
        known
    }

    /// Replaces the files of dead processes by one about the contents that are still there.
    pub fn merge(&self, known: &Known, still_there: impl Fn(&Oid) -> bool) -> Result<(), StoreError> {
        if known.dead.len() > 1 {
            let last = known.last.iter().filter(|(oid, _)| still_there(oid));
            let merged = self.create()?;
            merged.file.write_at(&encode(last.map(|(oid, at)| (*oid, *at))), 0)?;
        }
        let dead = if known.dead.len() > 1 { &known.dead[..] } else { &[] };
        dead.iter().try_for_each(|path| durable::remove_file(path))
    }
}
