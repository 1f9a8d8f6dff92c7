//! Which thread writes which file.
//!
//! As many threads as there are cores take files from one queue: large ones first, so that none of them is begun when
//! the others have nothing left to do; then small ones in the order in which they lie in the store, so that a frame of
//! several of them is decompressed once. A large file that has one thread takes a second before the next file is
//! begun, and any number when there is nothing else: reading and hashing then go on beside writing.
//!
//! A file that fails concerns no other. Memory: a buffer of a block a thread.

use super::draft::{Draft, Written};
use super::plan::Due;
use crate::RepoError;
use dits_store::PackStore;
use dits_store::pack::Whereabouts;
use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

/// From here on a file is shared by threads.
const LARGE_BYTES: u64 = 8 << 20;
/// Below this the work is done before threads would have started.
const THREADS_BYTES_MIN: u64 = 1 << 20;
/// And beyond this the disk is what all wait for.
const THREADS_MAX: usize = 8;
/// Threads on a file while others wait.
const SHARERS: usize = 2;
const LOCK: &str = "no holder of the lock panics";

/// A file to be written.
pub struct Task {
    /// Its place in what was asked for.
    pub number: usize,
    /// What for.
    pub due: Due,
    /// Where.
    pub temporary: PathBuf,
}

impl Task {
    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.due.pointer.as_ref().map_or(0, |pointer| pointer.size)
    }
}

/// What became of it; `None`: the content is not here.
pub type Done = (usize, Result<Option<Written>, RepoError>);

/// A file that can be written now; `None`: the content is not here.
type Begun<'a> = Result<Option<Draft<'a>>, RepoError>;

struct State<'a> {
    waiting: std::vec::IntoIter<Task>,
    /// Files that more than one thread may work on.
    shared: Vec<Arc<Draft<'a>>>,
    done: Vec<Done>,
}

impl<'a> State<'a> {
    /// What could not be begun is done.
    fn begun(&mut self, number: usize, begun: Begun<'a>) -> Option<Arc<Draft<'a>>> {
        match begun {
            Ok(Some(draft)) => Some(Arc::new(draft)),
            other => {
                self.done.push((number, other.map(|_| None)));
                None
            }
        }
    }
}

/// All that the threads need.
struct Lanes<'a> {
    store: &'a PackStore,
    mtime: SystemTime,
    state: Mutex<State<'a>>,
    /// Is told of bytes that were written.
    count: &'a (dyn Fn(u64) + Sync),
}

/// Writes all files, and returns what became of each, in no order.
pub fn write(
    store: &PackStore,
    mut tasks: Vec<Task>,
    mtime: SystemTime,
    count: &(dyn Fn(u64) + Sync),
) -> Vec<Done> {
    tasks.sort_by_cached_key(|task| order(store, task));
    let bytes: u64 = tasks.iter().map(Task::bytes).sum();
    let large = tasks.first().is_some_and(|task| task.bytes() >= LARGE_BYTES);
    let useful = if large { THREADS_MAX } else { tasks.len().min(THREADS_MAX) };
    let threads = match thread::available_parallelism() {
        Ok(cores) if bytes >= THREADS_BYTES_MIN => usize::from(cores).min(useful),
        _ => 1,
    };
    let state = State { waiting: tasks.into_iter(), shared: Vec::new(), done: Vec::new() };
    let lanes = Lanes { store, mtime, state: Mutex::new(state), count };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| lanes.run());
        }
        lanes.run();
    });
    lanes.state.into_inner().expect(LOCK).done
}

/// Large files by size, then small ones as they lie in the store.
fn order(store: &PackStore, task: &Task) -> (Reverse<u64>, Option<Whereabouts>) {
    match task.bytes() {
        bytes @ LARGE_BYTES.. => (Reverse(bytes), None),
        _ => (Reverse(0), task.due.pointer.as_ref().and_then(|pointer| store.whereabouts(&pointer.oid))),
    }
}

/// What a thread does next.
enum Step<'a> {
    Share(Arc<Draft<'a>>),
    Own(Box<Task>),
}

impl<'a> Lanes<'a> {
    fn run(&self) {
        let mut buffer = Vec::new();
        while let Some(step) = self.next() {
            let draft = match step {
                Step::Share(draft) => draft,
                Step::Own(task) => {
                    let (number, begun) = self.begin(*task);
                    let mut state = self.state.lock().expect(LOCK);
                    let Some(draft) = state.begun(number, begun) else { continue };
                    draft
                }
            };
            draft.work(&mut buffer, self.count);
            self.state.lock().expect(LOCK).shared.retain(|shared| !Arc::ptr_eq(shared, &draft));
            // Whoever comes back last has it for himself.
            if let Some(draft) = Arc::into_inner(draft) {
                let number = draft.number;
                let done = draft.finish(self.store, self.mtime).map(Some);
                self.state.lock().expect(LOCK).done.push((number, done));
            }
        }
    }

    /// A large file is begun under the lock: a thread that looked meanwhile would find nothing to do, and end.
    fn next(&self) -> Option<Step<'a>> {
        let state = &mut *self.state.lock().expect(LOCK);
        loop {
            let idle = state.waiting.as_slice().is_empty();
            // One is held by the list itself.
            let needs =
                |draft: &&Arc<Draft<'a>>| (idle || Arc::strong_count(draft) <= SHARERS) && draft.wants_help();
            if let Some(draft) = state.shared.iter().find(needs) {
                return Some(Step::Share(draft.clone()));
            }
            let task = state.waiting.next()?;
            if task.bytes() < LARGE_BYTES {
                return Some(Step::Own(Box::new(task)));
            }
            let (number, begun) = self.begin(task);
            let draft = state.begun(number, begun);
            state.shared.extend(draft);
        }
    }

    fn begin(&self, task: Task) -> (usize, Begun<'a>) {
        (task.number, Draft::begin(self.store, task.number, task.due, task.temporary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_format::{Oid, Pointer};
    use dits_store::ChunkWrite;
    use dits_store::conformance::{add_content, noise};
    use std::collections::HashSet;
    use std::sync::Condvar;
    use std::time::Duration;

    #[test]
    fn all_threads_write_the_only_large_file() {
        if thread::available_parallelism().is_ok_and(|cores| cores.get() == 1) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(&dir.path().join("store")).unwrap();
        let chunks: Vec<Vec<u8>> = (0..16).map(|n| noise(n, 1 << 20)).collect();
        let mut batch = store.batch().unwrap();
        add_content(&mut *batch, &chunks.iter().map(Vec::as_slice).collect::<Vec<_>>(), true);
        batch.commit().unwrap();
        let content = chunks.concat();
        let pointer = Some(Pointer::new(Oid::of(&content), content.len() as u64));
        let (full, meta) = (dir.path().join("pointer"), dir.path().metadata().unwrap());
        let due = Due { path: b"large".to_vec(), full, pointer, meta, mode: 0o644 };
        let temporary = dir.path().join("large");
        // Nobody goes on before another has come.
        let (seen, came) = (Mutex::new(HashSet::new()), Condvar::new());
        let count = |_| {
            let mut seen = seen.lock().unwrap();
            seen.insert(thread::current().id());
            came.notify_all();
            let alone = |seen: &mut HashSet<_>| seen.len() < 2;
            assert!(!came.wait_timeout_while(seen, Duration::from_secs(20), alone).unwrap().1.timed_out());
        };
        let task = Task { number: 7, due, temporary: temporary.clone() };
        let done = write(&store, vec![task], SystemTime::UNIX_EPOCH, &count);
        assert!(matches!(&done[..], [(7, Ok(Some(_)))]));
        assert!(std::fs::read(&temporary).unwrap() == content);
    }
}
