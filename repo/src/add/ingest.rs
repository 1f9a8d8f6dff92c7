//! Reading files and storing their chunks, by several threads.
//!
//! First come the files that are worth several threads each, then all others, each of them with one thread; the largest
//! come first. Who takes files cleans them into a batch of its own, and in the end every batch is made durable.
//! A file is looked at before and after it is read: one that changed meanwhile,
//! cannot be read or may not be stored is left to Git, which will say why. A failing store stops everything.
//! In a mount a ghost is not read: the mount says which content it is, in an attribute that only the mount can set.
//! Memory: a few blocks a thread ([`ingest`](mod@crate::ingest)) and the store's write buffers.

use super::Candidate;
use crate::RepoError;
use crate::clean::Cleaner;
use crate::hydrate::plan::full_path;
use crate::ingest::{self, THREADS_MAX};
use dits_format::limits::CONTENT_BYTES_MAX;
use dits_format::{Oid, Pointer};
use dits_store::{ChunkWrite, Compression};
use std::fs::{self, File, Metadata};
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// From this size on a file is worth several threads, however many files there are.
const WIDE_BYTES: u64 = 32 << 20;
/// And from this one, when there are fewer such files than threads.
const WIDE_BYTES_MIN: u64 = 2 << 20;
/// Bytes of a file that are read to see what it is; more are read without a copy.
const READ_BYTES: u64 = 64 << 10;

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
    /// Whether chunks are compressed.
    pub compression: Compression,
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
    let larger = |bytes| candidates.partition_point(|candidate| candidate.bytes >= bytes);
    let some = larger(WIDE_BYTES_MIN);
    let wide = if some < how.threads { some } else { larger(WIDE_BYTES) };
    let (next, bytes) = Default::default();
    let work = Work { worktree, store, candidates, next, bytes, how, observe };
    let threads = how.threads.max(1);
    let mut done = work.take_all(threads.div_ceil(THREADS_MAX), threads.min(THREADS_MAX), wide);
    done.extend(work.take_all(threads, 1, work.candidates.len()));
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
    how: How,
    observe: &'a (dyn Fn(u64) + Sync),
}

impl Work<'_> {
    /// Takes the next files before the one at `end`, so many at once, each with so many threads.
    fn take_all(&self, at_once: usize, threads: usize, end: usize) -> Vec<Result<Outcome, RepoError>> {
        let files = end.saturating_sub(self.next.load(Ordering::Relaxed));
        std::thread::scope(|scope| {
            let run = || self.run(threads, end);
            let running: Vec<_> = (0..at_once.min(files)).map(|_| scope.spawn(run)).collect();
            let joined = running.into_iter().map(|thread| thread.join());
            joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    fn next(&self, end: usize) -> Option<&Candidate> {
        let next = |at| (at < end).then_some(at + 1);
        let at = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        self.candidates.get(at)
    }

    fn run(&self, threads: usize, end: usize) -> Result<Outcome, RepoError> {
        let how = ingest::How { threads, compression: self.how.compression };
        let mut cleaner = Cleaner::new(self.store, None, how).to_the_end();
        let mut outcome = Outcome::default();
        while let Some(candidate) = self.next(end) {
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
        if let Some(ghost) = self.how.in_mount.then(|| ghost(&path, before.len())).flatten() {
            return Ok(is_same(&before, &look(&path)?).then(|| (ghost.encode(), before)));
        }
        let file = File::open(&path).map_err(RepoError::io("open", &path))?;
        let mut counted = Counted { file, bytes: 0, work: self };
        let capacity = before.len().clamp(1, READ_BYTES) as usize;
        // Not to its end: it may grow for ever. The second look tells.
        let mut content = BufReader::with_capacity(capacity, (&mut counted).take(before.len()));
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
        How { threads, in_mount: false, compression: Compression::Auto }
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

    /// What somebody else may do to a file while it is read.
    type Deed = fn(&Path);

    const DEEDS: [(&str, Deed); 5] = [
        ("grows", |path| {
            use std::io::Write;
            fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
        }),
        ("shrinks", |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(4 << 20).unwrap()),
        ("is emptied", |path| drop(File::create(path).unwrap())),
        ("is written over", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[7; 5000], 3 << 20).unwrap();
        }),
        ("is replaced", |path| {
            let other = path.with_extension("other");
            let bytes = fs::metadata(path).unwrap().len() as usize;
            fs::write(&other, vec![9; bytes]).unwrap();
            fs::remove_file(path).unwrap();
            fs::hard_link(&other, path).unwrap();
        }),
    ];

    #[test]
    fn a_large_file_that_changes_under_several_threads_is_left() {
        let dir = tempfile::tempdir().unwrap();
        for (name, deed) in DEEDS {
            for threads in [1, 4] {
                let content = dits_store::conformance::noise(1, 6 << 20);
                let file = candidate(dir.path(), "file", &content);
                let path = dir.path().join("file");
                // Whatever the clock's grain, the change then shows.
                let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
                File::open(&path).unwrap().set_modified(old).unwrap();
                let (store, done) = (MemoryStore::default(), std::sync::Once::new());
                let observe = |_| done.call_once(|| deed(&path));
                let found = ingest(dir.path(), &store, vec![file], how(threads), &observe).unwrap();
                assert!(done.is_completed());
                assert_eq!(found.ingested.len(), 0, "it {name}, {threads} threads");
                assert!(matches!(&found.left[..], [(path, None)] if path == b"file"), "it {name}");
            }
        }
    }

    #[test]
    fn large_files_are_stored_by_several_threads_beside_small_ones() {
        let dir = tempfile::tempdir().unwrap();
        let noise = dits_store::conformance::noise;
        let sizes = [33 << 20, 5 << 20, 3 << 20, 2 << 20, 70_000, 1];
        let candidates: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(n, bytes)| candidate(dir.path(), &format!("{n}"), &noise(n as u64, *bytes)))
            .collect();
        for (threads, take) in [(2, 0), (8, 1), (2, 4)] {
            let (store, read) = (MemoryStore::default(), AtomicU64::new(0));
            let observe = |bytes| {
                read.fetch_max(bytes, Ordering::Relaxed);
            };
            let files = candidates[take..].to_vec();
            let found = ingest(dir.path(), &store, files, how(threads), &observe).unwrap();
            assert_eq!((found.ingested.len(), found.left.len()), (sizes.len() - take, 0));
            assert_eq!(read.into_inner(), sizes[take..].iter().map(|bytes| *bytes as u64).sum::<u64>());
            for (n, file) in (take..).zip(&found.ingested) {
                let content = noise(n as u64, sizes[n]);
                assert_eq!(file.blob, Pointer::new(Oid::of(&content), content.len() as u64).encode());
                assert!(content::is_whole(&store, &Oid::of(&content)).unwrap());
            }
        }
    }
}
