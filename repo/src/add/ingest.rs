//! Reading files and storing their chunks, by several threads.
//!
//! Each thread takes the next file, the largest first, and cleans it into a batch of its own; in the end
//! every batch is made durable. A file is looked at before and after it is read: one that changed meanwhile,
//! cannot be read or may not be stored is left to Git, which will say why. A failing store stops everything.
//! In a mount a ghost is not read: the mount says which content it is, in an attribute that only the mount can set.
//! Memory: about 2.5 MiB a thread and the store's write buffers.

use super::Candidate;
use crate::RepoError;
use crate::clean::Cleaner;
use crate::hydrate::plan::full_path;
use dits_format::limits::CONTENT_BYTES_MAX;
use dits_format::{Oid, Pointer};
use dits_store::ChunkWrite;
use std::fs::{self, File, Metadata};
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes read at once.
const READ_BYTES: u64 = 1 << 20;

/// A file whose content is stored.
#[derive(Debug)]
pub struct Ingested {
    /// Which.
    pub candidate: Candidate,
    /// What Git shall have for it.
    pub blob: Vec<u8>,
    /// The file as it was before and after it was read.
    pub meta: Metadata,
}

/// What became of the candidates.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Stored, by path.
    pub ingested: Vec<Ingested>,
    /// Left to Git, and why; no error when the file changed while it was read.
    pub left: Vec<(Vec<u8>, Option<RepoError>)>,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Threads that read files.
    pub threads: usize,
    /// Whether the working tree is a mount that is being served.
    pub in_mount: bool,
}

/// Stores the content of `candidates`. `observe` is told how many bytes were read in all.
///
/// # Errors
/// When the store fails; nothing of what was stored is promised then.
pub fn ingest(
    worktree: &Path,
    store: &dyn ChunkWrite,
    mut candidates: Vec<Candidate>,
    how: How,
    observe: &(dyn Fn(u64) + Sync),
) -> Result<Outcome, RepoError> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.bytes));
    let (next, bytes) = Default::default();
    let work = Work { worktree, store, candidates, next, bytes, in_mount: how.in_mount, observe };
    let threads = how.threads.clamp(1, work.candidates.len().max(1));
    let done: Vec<Result<Outcome, RepoError>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.run())).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut outcome = Outcome::default();
    for part in done {
        let part = part?;
        outcome.ingested.extend(part.ingested);
        outcome.left.extend(part.left);
    }
    outcome.ingested.sort_by(|a, b| a.candidate.path.cmp(&b.candidate.path));
    Ok(outcome)
}

/// What the threads share.
struct Work<'a> {
    worktree: &'a Path,
    store: &'a dyn ChunkWrite,
    candidates: Vec<Candidate>,
    next: AtomicUsize,
    bytes: AtomicU64,
    in_mount: bool,
    observe: &'a (dyn Fn(u64) + Sync),
}

impl Work<'_> {
    fn run(&self) -> Result<Outcome, RepoError> {
        let mut cleaner = Cleaner::new(self.store, None);
        let mut outcome = Outcome::default();
        while let Some(candidate) = self.candidates.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            match self.one(&mut cleaner, candidate) {
                Ok(Some((blob, meta))) => {
                    outcome.ingested.push(Ingested { candidate: candidate.clone(), blob, meta });
                }
                Ok(None) => outcome.left.push((candidate.path.clone(), None)),
                Err(error @ RepoError::Store(_)) => {
                    // The other threads need not go on.
                    self.next.store(self.candidates.len(), Ordering::Relaxed);
                    return Err(error);
                }
                Err(error) => outcome.left.push((candidate.path.clone(), Some(error))),
            }
        }
        cleaner.commit()?;
        Ok(outcome)
    }

    fn one(
        &self,
        cleaner: &mut Cleaner<'_>,
        candidate: &Candidate,
    ) -> Result<Option<(Vec<u8>, Metadata)>, RepoError> {
        let path = full_path(self.worktree, &candidate.path);
        let look = |path: &Path| fs::symlink_metadata(path).map_err(RepoError::io("look at", path));
        let before = look(&path)?;
        if !before.is_file() {
            return Ok(None);
        }
        if let Some(ghost) = self.in_mount.then(|| ghost(&path, before.len())).flatten() {
            return Ok(is_same(&before, &look(&path)?).then(|| (ghost.encode(), before)));
        }
        let file = File::open(&path).map_err(RepoError::io("open", &path))?;
        let mut counted = Counted { file, bytes: 0, work: self };
        let capacity = (before.len() + 1).min(READ_BYTES) as usize;
        // One byte more shows that the file grows; it may do so for ever.
        let mut content = BufReader::with_capacity(capacity, (&mut counted).take(before.len() + 1));
        let blob = cleaner.clean(&candidate.path, &mut content, || candidate.profile)?;
        let read = counted.bytes;
        let unchanged = is_same(&before, &look(&path)?) && read == before.len();
        Ok(unchanged.then_some((blob, before)))
    }
}

/// The pointer of a file of a mount that nobody has changed, by what the mount says of it.
fn ghost(path: &Path, bytes: u64) -> Option<Pointer> {
    let mut value = [0; 100];
    let length = rustix::fs::getxattr(path, "user.dits.oid", &mut value).ok()?;
    let oid = Oid::from_hex(value.get(..length)?.strip_prefix(b"blake3:")?)?;
    (1..=CONTENT_BYTES_MAX).contains(&bytes).then(|| Pointer::new(oid, bytes))
}

/// Whether two looks saw the same file, unchanged to the nanosecond.
pub(super) fn is_same(a: &Metadata, b: &Metadata) -> bool {
    let key = |m: &Metadata| {
        let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        (m.dev(), m.ino(), m.mode(), m.len(), times)
    };
    key(a) == key(b)
}

/// Counts what is read.
struct Counted<'a> {
    file: File,
    bytes: u64,
    work: &'a Work<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.bytes += len as u64;
        (self.work.observe)(self.work.bytes.fetch_add(len as u64, Ordering::Relaxed) + len as u64);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_chunk::Profile;
    use dits_store::{MemoryStore, content};

    fn how(threads: usize) -> How {
        How { threads, in_mount: false }
    }

    fn candidate(worktree: &Path, name: &str, content: &[u8]) -> Candidate {
        fs::write(worktree.join(name), content).unwrap();
        let (path, bytes) = (name.as_bytes().to_vec(), content.len() as u64);
        Candidate { path, old: None, profile: Profile::Small, bytes }
    }

    #[test]
    fn all_files_are_stored_whatever_the_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        for threads in [1, 3, 100] {
            let store = MemoryStore::default();
            let candidates: Vec<_> = (0..20)
                .map(|n| candidate(dir.path(), &format!("{n:02}"), &vec![n; 2000 * n as usize]))
                .collect();
            let done = ingest(dir.path(), &store, candidates.clone(), how(threads), &|_| {}).unwrap();
            assert!(done.left.is_empty());
            let found: Vec<_> = done.ingested.iter().map(|file| file.candidate.clone()).collect();
            assert_eq!(found, candidates, "in the order of paths");
            for file in &done.ingested[1..] {
                let bytes =
                    fs::read(dir.path().join(std::str::from_utf8(&file.candidate.path).unwrap())).unwrap();
                let oid = dits_format::Oid(*blake3::hash(&bytes).as_bytes());
                assert_eq!(file.blob, Pointer::new(oid, bytes.len() as u64).encode());
                assert!(content::is_whole(&store, &oid).unwrap());
            }
        }
    }

    #[test]
    fn what_changes_while_it_is_read_or_cannot_be_stored_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let grows = candidate(dir.path(), "grows", &[1; 3000]);
        let damaged = candidate(dir.path(), "damaged", b"version git-dits/1\noid");
        let gone = Candidate { path: b"gone".to_vec(), ..grows.clone() };
        let good = candidate(dir.path(), "good", b"good");
        let append = |_| {
            use std::io::Write;
            let mut file = fs::OpenOptions::new().append(true).open(dir.path().join("grows")).unwrap();
            file.write_all(b"more").unwrap();
        };
        let all = vec![grows, damaged, gone, good];
        let done = ingest(dir.path(), &MemoryStore::default(), all, how(1), &append).unwrap();
        let names: Vec<_> = done.ingested.iter().map(|file| &file.candidate.path[..]).collect();
        assert_eq!(names, [b"good"]);
        let mut left: Vec<_> = done.left.iter().map(|(path, why)| (&path[..], why.is_none())).collect();
        left.sort();
        assert_eq!(left, [(&b"damaged"[..], false), (b"gone", false), (b"grows", true)]);
    }
}
